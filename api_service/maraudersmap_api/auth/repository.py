"""SQL of accounts and sessions."""

from datetime import datetime
from uuid import UUID

import asyncpg

from maraudersmap_api.auth.models import AdminDeed, House, NewUser, Role, User
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


async def record_creation(db: Executor, user: User, deed: AdminDeed) -> None:
    """Note that an administrator made this account; in the transaction that does."""
    await db.execute(
        """INSERT INTO admin_actions (operator, command, email, details)
           VALUES ($1, $2, $3, jsonb_build_object('after', jsonb_build_object('role', $4::text, 'isActive', true)))""",
        deed.operator,
        deed.command,
        user.email,
        user.role.value,
    )


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
    db: Executor, user_id: UUID, password_hash: str, token_hash: bytes, family: UUID, expires_at: datetime
) -> User | None:
    """Store a new refresh token and the time of the login, in one statement.

    None when the account is not active any more, or `password_hash`, which was verified, is no longer its: that takes
    time, and who has ended every session meanwhile must not be left with this one.
    """
    row = await db.fetchrow(
        f"""WITH known AS (
                UPDATE users SET last_login_at = now()
                WHERE id = $1 AND password_hash = $2 AND is_active RETURNING {_COLUMNS}),
            token AS (
                INSERT INTO refresh_tokens (token_hash, user_id, family, expires_at)
                SELECT $3, id, $4, $5 FROM known),
            outdated AS (DELETE FROM refresh_tokens WHERE user_id = $1 AND expires_at < now())
            SELECT {_COLUMNS} FROM known""",  # noqa: S608 - constant column list
        user_id,
        password_hash,
        token_hash,
        family,
        expires_at,
    )
    return None if row is None else _user(row)


async def owner_of(db: Executor, token_hash: bytes) -> UUID | None:
    """Whose refresh token this is; None when it is unknown, expired, revoked or used already."""
    owner: UUID | None = await db.fetchval(
        """SELECT t.user_id FROM refresh_tokens t JOIN users u ON u.id = t.user_id
            WHERE t.token_hash = $1 AND t.revoked_at IS NULL AND t.expires_at > now() AND u.is_active""",
        token_hash,
    )
    return owner


async def lock_owner(db: Executor, token_hash: bytes) -> None:
    """The first statement of a transaction that continues a session or ends one: they take turns for each user.

    An end cannot see a successor that is being stored beside it, so it must not begin before that is committed. What
    refers to users (any INSERT) is not kept waiting by this lock.
    """
    await db.execute(
        """SELECT 1 FROM users WHERE id = (SELECT user_id FROM refresh_tokens WHERE token_hash = $1)
           FOR NO KEY UPDATE""",
        token_hash,
    )


async def spend(db: Executor, token_hash: bytes) -> tuple[User, UUID] | None:
    """Use a refresh token up: its user and family, or None when it is unknown, expired, revoked or used already.

    One conditional UPDATE: of two requests with the same token, the second finds it used. After `lock_owner`.
    """
    row = await db.fetchrow(
        f"""UPDATE refresh_tokens t SET revoked_at = now() FROM users u
            WHERE t.token_hash = $1 AND t.revoked_at IS NULL AND t.expires_at > now()
              AND u.id = t.user_id AND u.is_active
            RETURNING t.family, {_prefixed("u")}""",  # noqa: S608 - constant column list
        token_hash,
    )
    return None if row is None else (_user(row), row["family"])


async def replace_token(
    db: Executor, used: bytes, user_id: UUID, token_hash: bytes, family: UUID, expires_at: datetime
) -> None:
    """Store the successor of a refresh token that was spent in the same transaction."""
    await db.execute(
        """WITH fresh AS (
               INSERT INTO refresh_tokens (token_hash, user_id, family, expires_at) VALUES ($1, $2, $3, $4))
           UPDATE refresh_tokens SET replaced_by = $1 WHERE token_hash = $5""",
        token_hash,
        user_id,
        family,
        expires_at,
        used,
    )


async def revoke_reused(db: Executor, token_hash: bytes) -> UUID | None:
    """If this token was used before: end its family and its user's access tokens, and return the user. After `lock_owner`.

    Once the family has ended nothing happens any more, or someone who keeps an old token could lock its user out for ever.
    """
    row = await db.fetchrow(
        """WITH used AS (
               SELECT user_id, family FROM refresh_tokens WHERE token_hash = $1 AND replaced_by IS NOT NULL),
           ended AS (
               UPDATE refresh_tokens t SET revoked_at = now() FROM used
               WHERE t.family = used.family AND t.revoked_at IS NULL RETURNING t.user_id)
           UPDATE users SET token_version = token_version + 1, updated_at = now()
           WHERE id IN (SELECT user_id FROM ended) RETURNING id""",
        token_hash,
    )
    return None if row is None else row["id"]


async def revoke_family(db: Executor, token_hash: bytes) -> None:
    """End the session that a refresh token belongs to; nothing happens for one that is unknown. After `lock_owner`."""
    await db.execute(
        """UPDATE refresh_tokens SET revoked_at = now() WHERE revoked_at IS NULL
           AND family = (SELECT family FROM refresh_tokens WHERE token_hash = $1)""",
        token_hash,
    )


async def change_password(
    db: Executor,
    user_id: UUID,
    old_hash: str,
    new_hash: str,
    token_hash: bytes,
    family: UUID,
    expires_at: datetime,
) -> User | None:
    """Set another password, end every session and open a new one; None when the old password is no longer that.

    In a transaction: the first statement waits for refreshes of the same user (see `lock_owner`), the second sees what
    they have stored.
    """
    row = await db.fetchrow(
        f"""UPDATE users SET password_hash = $3, token_version = token_version + 1, updated_at = now()
            WHERE id = $1 AND password_hash = $2 AND is_active RETURNING {_COLUMNS}""",  # noqa: S608 - constant
        user_id,
        old_hash,
        new_hash,
    )
    if row is None:
        return None
    await db.execute(
        """WITH ended AS (UPDATE refresh_tokens SET revoked_at = now() WHERE user_id = $1 AND revoked_at IS NULL)
           INSERT INTO refresh_tokens (token_hash, user_id, family, expires_at) VALUES ($2, $1, $3, $4)""",
        user_id,
        token_hash,
        family,
        expires_at,
    )
    return _user(row)


async def administer(
    db: Executor,
    email: str,
    deed: AdminDeed,
    *,
    role: Role | None = None,
    active: bool | None = None,
) -> User | None:
    """Change an account's role or whether it is active, end its sessions and record it; None when there is none.

    In a transaction of two statements, as `change_password`.
    """
    row = await db.fetchrow(
        f"""WITH before AS (SELECT role, is_active FROM users WHERE email = $1 FOR NO KEY UPDATE),
            changed AS (
                UPDATE users SET role = coalesce($2, users.role), is_active = coalesce($3, users.is_active),
                                 token_version = token_version + 1, updated_at = now()
                FROM before WHERE email = $1 RETURNING {_prefixed("users")}),
            recorded AS (
                INSERT INTO admin_actions (operator, command, email, details)
                SELECT $4, $5, $1, jsonb_build_object(
                           'before', jsonb_build_object('role', before.role, 'isActive', before.is_active),
                           'after', jsonb_build_object('role', changed.role, 'isActive', changed.is_active))
                  FROM before, changed)
            SELECT {_COLUMNS} FROM changed""",  # noqa: S608 - constant column list
        email,
        None if role is None else role.value,
        active,
        deed.operator,
        deed.command,
    )
    if row is None:
        return None
    user = _user(row)
    if not user.is_active:
        await db.execute(
            "UPDATE refresh_tokens SET revoked_at = now() WHERE user_id = $1 AND revoked_at IS NULL", user.id
        )
    return user


async def forget_tokens(db: Executor, *, before: datetime) -> int:
    """Delete some of the refresh tokens that expired before a moment; returns how many."""
    return len(
        await db.fetch(
            """DELETE FROM refresh_tokens WHERE token_hash IN (
                   SELECT token_hash FROM refresh_tokens WHERE expires_at < $1
                   ORDER BY expires_at LIMIT 5000 FOR UPDATE SKIP LOCKED)
               RETURNING 1""",
            before,
        )
    )


def _prefixed(alias: str) -> str:
    return ", ".join(f"{alias}.{column.strip()}" for column in _COLUMNS.split(","))


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
