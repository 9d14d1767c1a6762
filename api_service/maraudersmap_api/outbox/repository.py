"""SQL of events and notifications, on the side of the writer."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from maraudersmap_api.auth.models import Role
from maraudersmap_api.infra.db import Executor, Row
from maraudersmap_api.outbox.models import Committed, Event, EventType, NewNotification, Reading

EVENT_COLUMNS = "e.id, e.type, e.incident_id, e.payload, e.user_id"
MOST_READ = 5000
_TYPES = [member.value for member in EventType]

_NOW = """SELECT pg_current_snapshot()::text AS snapshot, pg_postmaster_start_time() AS server,
                 pg_snapshot_xmin(pg_current_snapshot())::text AS floor,
                 pg_snapshot_xmax(pg_current_snapshot())::text AS ceiling"""
# The order is the index's, so that no plan reads the whole table however many rows it expects. Transactions that have not
# begun are another server's, from which a backup was restored: their events would be new in each reading.
_SINCE = f"""
SELECT now.*, e.* FROM ({_NOW}) now LEFT JOIN LATERAL (
    SELECT id, xid::text AS transaction, type, incident_id FROM events
     WHERE xid >= pg_snapshot_xmin($1::text::pg_snapshot) AND NOT pg_visible_in_snapshot(xid, $1::text::pg_snapshot)
       AND xid < pg_snapshot_xmax(pg_current_snapshot())
     ORDER BY xid LIMIT {MOST_READ + 1}) e ON true"""  # noqa: S608 - constant text


async def add_event(tx: Executor, kind: EventType, incident_id: int, payload: Mapping[str, Any]) -> Event:
    """Store an event for everybody who may view the incident."""
    event_id = await tx.fetchval(
        "INSERT INTO events (type, incident_id, payload) VALUES ($1, $2, $3) RETURNING id",
        kind.value,
        incident_id,
        json.dumps(payload),
    )
    return Event(event_id, kind, incident_id, payload)


async def add_notifications(tx: Executor, notifications: Sequence[NewNotification]) -> list[Event]:
    """Store notifications, with an event for each of their readers, in one round trip."""
    if not notifications:
        return []
    rows = await tx.fetch(
        f"""WITH made AS (
                INSERT INTO notifications (user_id, type, title, message, incident_id, metadata)
                SELECT n.user_id, n.type, n.title, n.message, n.incident_id, n.metadata
                FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::jsonb[])
                     AS n (user_id, type, title, message, incident_id, metadata)
                RETURNING id, user_id, incident_id)
            INSERT INTO events AS e (type, incident_id, payload, user_id)
            SELECT $7, made.incident_id, jsonb_build_object('notification', made.id), made.user_id FROM made
            RETURNING {EVENT_COLUMNS}""",  # noqa: S608 - constant text
        [n.user_id for n in notifications],
        [n.type.value for n in notifications],
        [n.title for n in notifications],
        [n.message for n in notifications],
        [n.incident_id for n in notifications],
        [json.dumps(n.metadata) for n in notifications],
        EventType.NOTIFICATION_NEW.value,
    )
    return [event(row) for row in rows]


async def active_aurors(tx: Executor, *, but: UUID) -> list[UUID]:
    """Who is to hear of danger."""
    rows = await tx.fetch(
        "SELECT id FROM users WHERE role = $1 AND is_active AND id <> $2", Role.AUROR.value, but
    )
    return [row["id"] for row in rows]


async def read_on(db: Executor, last: Reading | None) -> Reading:
    """What has been committed since `last`; nothing when it is None or was of another server."""
    if last is None:
        return _reading(await db.fetch(_NOW), ())
    rows = await db.fetch(_SINCE, last.snapshot)
    committed = tuple(
        Committed(row["id"], int(row["transaction"]), row["type"], row["incident_id"])
        for row in rows
        if row["id"] is not None
    )
    reading = _reading(rows, committed if len(committed) <= MOST_READ else None)
    return reading if reading.server == last.server else replace(reading, committed=())


def _reading(rows: Sequence[Row], committed: tuple[Committed, ...] | None) -> Reading:
    row = rows[0]
    return Reading(row["snapshot"], int(row["floor"]), int(row["ceiling"]), row["server"], committed)


async def events(db: Executor, ids: Sequence[int]) -> list[Event]:
    """These events, in order. Those that are not kept any more are missing, and those of a newer release's types."""
    rows = await db.fetch(
        f"""SELECT {EVENT_COLUMNS} FROM events e
             WHERE e.id = ANY($1::bigint[]) AND e.type = ANY($2) ORDER BY e.id""",  # noqa: S608 - constant text
        ids,
        _TYPES,
    )
    return [event(row) for row in rows]


async def recent(db: Executor, seconds: float) -> list[Event] | None:
    """What was stored in the last so many seconds, in order; None when that is too much. Without a newer release's types."""
    rows = await db.fetch(
        f"""SELECT {EVENT_COLUMNS} FROM events e
             WHERE e.created_at > now() - make_interval(secs => $1) AND e.type = ANY($2)
             ORDER BY e.created_at, e.id LIMIT {MOST_READ + 1}""",  # noqa: S608 - constant text
        seconds,
        _TYPES,
    )
    return None if len(rows) > MOST_READ else sorted(map(event, rows), key=lambda found: found.id)


async def forget_events(db: Executor, *, before: datetime) -> int:
    """Delete some of the events made before a moment; returns how many."""
    return len(
        await db.fetch(
            """DELETE FROM events WHERE id IN (
                   SELECT id FROM events WHERE created_at < $1 ORDER BY created_at LIMIT 5000 FOR UPDATE SKIP LOCKED)
               RETURNING 1""",
            before,
        )
    )


def event(row: Row) -> Event:
    """A row of EVENT_COLUMNS."""
    return Event(
        id=row["id"],
        type=EventType(row["type"]),
        incident_id=row["incident_id"],
        payload=json.loads(row["payload"]),
        user_id=row["user_id"],
    )
