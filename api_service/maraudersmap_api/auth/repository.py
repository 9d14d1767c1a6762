"""SQL of accounts and sessions."""

from datetime import datetime
from uuid import UUID

import asyncpg

from maraudersmap_api.auth.models import House, NewUser, Role, User
from maraudersmap_api.errors import Conflict
from maraudersmap_api.infra.db import Executor, Row

_COLUMNS = """id, email, role, first_name, last_name, house, avatar_url, token_version, is_active,
    created_at, updated_at, last_login_at"""


async def insert_user(db: Executor, new: NewUser, password_hash: str) -> User:
    """Store an account. Raises Conflict when the e-mail is taken."""
    try:
        row = await db.fetchrow(
            f"""INSERT INTO users (email, password_hash, role, first_name, last_name, house)
                VALUES ($1, $2, $3, $4, $5, $6) RETURNING {_COLUMNS}""",  # noqa: S608 - constant column list
            new.email,
            password_hash,
            new.role.value,
            new.first_name,
            new.last_name,
            new.house.value if new.house else None,
        )
    except asyncpg.UniqueViolationError:
        raise Conflict("An account with this e-mail address exists already") from None
    return _user(_present(row))


async def find_credentials(db: Executor, email: str) -> tuple[User, str] | None:
    """The account of an e-mail address with its password hash."""
    row = await db.fetchrow(
        f"SELECT {_COLUMNS}, password_hash FROM users WHERE email = $1",  # noqa: S608 - constant column list
        email,
    )
    return None if row is None else (_user(row), row["password_hash"])


async def find_user(db: Executor, user_id: UUID) -> User | None:
    """An account by id."""
    row = await db.fetchrow(
        f"SELECT {_COLUMNS} FROM users WHERE id = $1",  # noqa: S608 - constant column list
        user_id,
    )
    return None if row is None else _user(row)


async def record_login(
    db: Executor, user_id: UUID, token_hash: bytes, family: UUID, expires_at: datetime
) -> User:
    """Store a new refresh token and the time of the login, in one statement."""
    row = await db.fetchrow(
        f"""WITH token AS (
                INSERT INTO refresh_tokens (token_hash, user_id, family, expires_at) VALUES ($2, $1, $3, $4))
            UPDATE users SET last_login_at = now() WHERE id = $1 RETURNING {_COLUMNS}""",  # noqa: S608 - constant
        user_id,
        token_hash,
        family,
        expires_at,
    )
    return _user(_present(row))


def _present(row: Row | None) -> Row:
    if row is None:
        raise LookupError("a RETURNING clause gave no row")
    return row


def _user(row: Row) -> User:
    return User(
        id=row["id"],
        email=row["email"],
        role=Role(row["role"]),
        first_name=row["first_name"],
        last_name=row["last_name"],
        house=House(row["house"]) if row["house"] else None,
        avatar_url=row["avatar_url"],
        token_version=row["token_version"],
        is_active=row["is_active"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        last_login_at=row["last_login_at"],
    )
