"""SQL of comments."""

from collections.abc import Sequence

from maraudersmap_api.auth.models import Role, User
from maraudersmap_api.comments.models import Account, Comment
from maraudersmap_api.incidents.models import Visibility
from maraudersmap_api.incidents.repository import person, still_seen
from maraudersmap_api.infra.db import Executor, Row

_SELECT = """
SELECT c.id, c.incident_id, c.content, c.created_at, c.updated_at,
       u.id AS u_id, u.first_name AS u_first, u.last_name AS u_last, u.role AS u_role, u.house AS u_house
"""


PART_BYTES = 128 * 1024
"""Of text, in UTF-8, plus at most one comment more."""


def _fitting(chosen: str) -> str:
    """The first of the comments that `chosen` selects; one always fits."""
    return f"""
        {_SELECT} FROM (
            SELECT *, coalesce(sum(octet_length(content)) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING
                AND 1 PRECEDING), 0) AS before FROM ({chosen}) AS chosen) AS c JOIN users u ON u.id = c.author_id
        WHERE c.before < {PART_BYTES} ORDER BY c.id"""  # noqa: S608 - constant text


async def insert(tx: Executor, incident_id: int, author: User, content: str) -> Comment:
    """Store a comment."""
    row = await tx.fetchrow(
        f"""WITH c AS (INSERT INTO comments (incident_id, author_id, content) VALUES ($1, $2, $3)
                       RETURNING id, incident_id, author_id, content, created_at, updated_at)
            {_SELECT} FROM c JOIN users u ON u.id = c.author_id""",  # noqa: S608 - constant text
        incident_id,
        author.id,
        content,
    )
    if row is None:
        raise LookupError("the insert returned no row")
    return _comment(row)


async def find(db: Executor, incident_id: int, comment_id: int) -> Comment | None:
    """One comment of one incident that is not deleted, or None."""
    row = await db.fetchrow(
        f"""{_SELECT} FROM comments c JOIN users u ON u.id = c.author_id
             WHERE c.id = $2 AND c.incident_id = $1 AND c.deleted_at IS NULL""",
        incident_id,
        comment_id,
    )
    return None if row is None else _comment(row)


async def find_all(db: Executor, ids: Sequence[int]) -> list[Comment]:
    """Those of these that are not deleted."""
    rows = await db.fetch(
        f"""{_SELECT} FROM comments c JOIN users u ON u.id = c.author_id
             WHERE c.id = ANY($1::bigint[]) AND c.deleted_at IS NULL""",
        ids,
    )
    return [_comment(row) for row in rows]


async def page(
    db: Executor, incident_id: int, seen: Visibility, *, limit: int, offset: int
) -> tuple[list[Comment], int]:
    """The first that fit into PART_BYTES of a part of an incident's comments, oldest first, and how many there are. None once
    it is hidden from the reader.
    """
    reader = (int(seen.up_to), seen.user_id)
    of_incident = f"FROM comments WHERE incident_id = $1 AND deleted_at IS NULL AND {still_seen('$2', '$3')}"
    rows = await db.fetch(
        _fitting(f"SELECT * {of_incident} ORDER BY id LIMIT $4 OFFSET $5"),
        incident_id,
        *reader,
        limit,
        offset,
    )
    total = await db.fetchval(f"SELECT count(*) {of_incident}", incident_id, *reader)
    return [_comment(row) for row in rows], total


async def after(db: Executor, incident_id: int, seen: Visibility, last: int, *, limit: int) -> list[Comment]:
    """The first that fit into PART_BYTES of those of an incident that follow the one of this number, oldest first. None once
    it is hidden from the reader.
    """
    rows = await db.fetch(
        _fitting(
            f"""SELECT * FROM comments WHERE incident_id = $1 AND id > $2 AND deleted_at IS NULL
                   AND {still_seen("$4", "$5")} ORDER BY id LIMIT $3"""  # noqa: S608 - constant text
        ),
        incident_id,
        last,
        limit,
        int(seen.up_to),
        seen.user_id,
    )
    return [_comment(row) for row in rows]


async def soft_delete(tx: Executor, incident_id: int, comment_id: int) -> bool:
    """Hide it, and what notifications quote of it; False when somebody else did it a moment before."""
    hidden = await tx.fetchval(
        """UPDATE comments SET deleted_at = now(), updated_at = now()
            WHERE id = $1 AND deleted_at IS NULL RETURNING true""",
        comment_id,
    )
    if hidden:
        await tx.execute(
            """UPDATE notifications SET message = ''
                WHERE incident_id = $1 AND metadata @> jsonb_build_object('commentId', $2::bigint)""",
            incident_id,
            comment_id,
        )
    return bool(hidden)


async def accounts(tx: Executor, emails: Sequence[str]) -> list[Account]:
    """Who has one of these addresses, in use or not."""
    rows = await tx.fetch(
        "SELECT email, id, role, is_active FROM users WHERE email = ANY($1::text[])", emails
    )
    return [Account(row["email"], row["id"], Role(row["role"]), row["is_active"]) for row in rows]


def _comment(row: Row) -> Comment:
    return Comment(
        id=row["id"],
        incident_id=row["incident_id"],
        author=person(row, "u"),
        content=row["content"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
