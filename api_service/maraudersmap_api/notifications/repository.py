"""SQL of notifications, on the side of their reader. Every statement names the reader: an id alone opens nothing."""

import json
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from maraudersmap_api.incidents.models import Visibility
from maraudersmap_api.infra.db import Executor, Row
from maraudersmap_api.notifications.models import Notification, NotificationQuery
from maraudersmap_api.outbox.models import NotificationType

READ_AT_ONCE = 1000

COLUMNS = "n.id, n.user_id, n.type, n.title, n.message, n.incident_id, n.created_at, n.read_at, n.metadata"
# $1 the reader, $2 the severity up to which they view others' incidents
_SELECT = f"""
SELECT {COLUMNS},
       i.deleted_at IS NULL AND (i.severity <= $2 OR i.reported_by = $1) AS visible
"""


async def listed(db: Executor, query: NotificationQuery, seen: Visibility) -> list[Notification]:
    """The newest first."""
    unread = "AND n.read_at IS NULL" if query.unread_only else ""
    rows = await db.fetch(
        f"""{_SELECT} FROM notifications n JOIN incidents i ON i.id = n.incident_id
             WHERE n.user_id = $1 {unread} ORDER BY n.id DESC LIMIT $3""",
        seen.user_id,
        int(seen.up_to),
        query.limit,
    )
    return [_judged(row) for row in rows]


async def find_all(db: Executor, ids: Sequence[int]) -> list[Notification]:
    """Those of these that there are, with their whole text: judging their readers is the caller's business."""
    rows = await db.fetch(f"SELECT {COLUMNS} FROM notifications n WHERE n.id = ANY($1::bigint[])", ids)  # noqa: S608
    return [notification(row) for row in rows]


async def unread(db: Executor, user_id: UUID) -> int:
    """How many are not read yet."""
    count: int = await db.fetchval(
        "SELECT count(*) FROM notifications WHERE user_id = $1 AND read_at IS NULL", user_id
    )
    return count


async def mark_read(db: Executor, notification_id: int, seen: Visibility) -> Notification | None:
    """Read now, unless it was already; None when the reader has no such notification."""
    row = await db.fetchrow(
        f"""WITH n AS (UPDATE notifications SET read_at = coalesce(read_at, now()) WHERE id = $3 AND user_id = $1
                       RETURNING id, user_id, type, title, message, incident_id, created_at, read_at, metadata)
            {_SELECT} FROM n JOIN incidents i ON i.id = n.incident_id""",  # noqa: S608 - constant text
        seen.user_id,
        int(seen.up_to),
        notification_id,
    )
    return None if row is None else _judged(row)


async def mark_all_read(db: Executor, user_id: UUID) -> int:
    """Returns how many were not. In short statements, each its own transaction: somebody may have a hundred thousand,
    and what comes meanwhile is not among them.
    """
    newest = await db.fetchval(
        "SELECT max(id) FROM notifications WHERE user_id = $1 AND read_at IS NULL", user_id
    )
    total = 0
    while newest is not None:
        # In one order, so that two of these at once wait for each other and never in a circle.
        marked: int = await db.fetchval(
            """WITH chosen AS (
                   SELECT id FROM notifications WHERE user_id = $1 AND read_at IS NULL AND id <= $2
                    ORDER BY id LIMIT $3 FOR UPDATE),
               marked AS (
                   UPDATE notifications n SET read_at = now() FROM chosen
                    WHERE n.id = chosen.id AND n.read_at IS NULL RETURNING 1)
               SELECT count(*) FROM marked""",
            user_id,
            newest,
            READ_AT_ONCE,
        )
        total += marked
        if marked < READ_AT_ONCE:
            return total
    return total


async def delete(db: Executor, notification_id: int, user_id: UUID) -> bool:
    """False when the reader has no such notification."""
    gone = await db.fetchval(
        "DELETE FROM notifications WHERE id = $1 AND user_id = $2 RETURNING true", notification_id, user_id
    )
    return bool(gone)


async def forget(db: Executor, *, before: datetime) -> int:
    """Delete some of the notifications made before a moment; returns how many. The oldest have the smallest ids."""
    return len(
        await db.fetch(
            """DELETE FROM notifications WHERE id IN (
                   SELECT id FROM (SELECT id, created_at FROM notifications ORDER BY id LIMIT 5000) AS oldest
                    WHERE created_at < $1)
               RETURNING 1""",
            before,
        )
    )


def notification(row: Row) -> Notification:
    """A row of COLUMNS, with all its text."""
    return Notification(
        id=row["id"],
        user_id=row["user_id"],
        type=NotificationType(row["type"]),
        title=row["title"],
        message=row["message"],
        incident_id=row["incident_id"],
        created_at=row["created_at"],
        read_at=row["read_at"],
        metadata=json.loads(row["metadata"]),
    )


def _judged(row: Row) -> Notification:
    whole = notification(row)
    return whole if row["visible"] else whole.withheld()
