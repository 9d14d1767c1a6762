"""SQL of notifications, on the side of their reader. Every statement names the reader: an id alone opens nothing."""

import json
from uuid import UUID

from maraudersmap_api.incidents.models import Visibility
from maraudersmap_api.infra.db import Executor, Row
from maraudersmap_api.notifications.models import WITHHELD, Notification, NotificationQuery
from maraudersmap_api.outbox.models import NotificationType

# $1 the reader, $2 the severity up to which they view others' incidents
_SELECT = """
SELECT n.id, n.user_id, n.type, n.title, n.message, n.incident_id, n.created_at, n.read_at, n.metadata,
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
    return [_notification(row) for row in rows]


async def find(db: Executor, notification_id: int, seen: Visibility) -> Notification | None:
    """One of the reader's, or None."""
    row = await db.fetchrow(
        f"""{_SELECT} FROM notifications n JOIN incidents i ON i.id = n.incident_id
             WHERE n.id = $3 AND n.user_id = $1""",
        seen.user_id,
        int(seen.up_to),
        notification_id,
    )
    return None if row is None else _notification(row)


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
    return None if row is None else _notification(row)


async def mark_all_read(db: Executor, user_id: UUID) -> int:
    """Returns how many were not."""
    return len(
        await db.fetch(
            "UPDATE notifications SET read_at = now() WHERE user_id = $1 AND read_at IS NULL RETURNING 1",
            user_id,
        )
    )


async def delete(db: Executor, notification_id: int, user_id: UUID) -> bool:
    """False when the reader has no such notification."""
    gone = await db.fetchval(
        "DELETE FROM notifications WHERE id = $1 AND user_id = $2 RETURNING true", notification_id, user_id
    )
    return bool(gone)


def _notification(row: Row) -> Notification:
    visible = row["visible"]
    return Notification(
        id=row["id"],
        user_id=row["user_id"],
        type=NotificationType(row["type"]),
        title=row["title"] if visible else WITHHELD,
        message=row["message"] if visible else "",
        incident_id=row["incident_id"],
        created_at=row["created_at"],
        read_at=row["read_at"],
        metadata=json.loads(row["metadata"]) if visible else {},
    )
