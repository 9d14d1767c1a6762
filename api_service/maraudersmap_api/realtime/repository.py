"""SQL of deliveries and catch-up."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from maraudersmap_api.auth.models import House, Role, UserRef
from maraudersmap_api.comments import repository as comments
from maraudersmap_api.incidents.models import Severity
from maraudersmap_api.incidents.repository import PEOPLE, SELECT, incident
from maraudersmap_api.incidents.slices import WEIGHT
from maraudersmap_api.infra.db import Executor
from maraudersmap_api.notifications import repository as notifications
from maraudersmap_api.outbox.models import Event, EventType
from maraudersmap_api.realtime.delivery import Loaded, Standing, Subject

OVERLAP_SECONDS = 10
"""Ids commit out of order: an event with a lower id may appear up to a transaction's length after a higher one."""

MOST_MISSED = 1000
_MOST_LOADED = 5000

MISSED = f"""
(SELECT e.id FROM events e
  WHERE e.created_at > $1::timestamptz - make_interval(secs => $2) AND (e.user_id IS NULL OR e.user_id = $3)
  ORDER BY e.created_at, e.id LIMIT {_MOST_LOADED + 1})
UNION
(SELECT e.id FROM events e WHERE e.id > $4 AND (e.user_id IS NULL OR e.user_id = $3)
  ORDER BY e.id LIMIT {MOST_MISSED + 1})"""  # noqa: S608 - constant text
"""$1 when the newest event was stored that is known, $2 seconds before that, $3 the reader, $4 that event's number: after a
failover the clock may be behind, so what has a greater one was missed too."""


async def subjects(db: Executor, incident_ids: Iterable[int]) -> dict[int, Subject]:
    """These incidents as they are now, deleted ones too."""
    rows = await db.fetch(
        f"""{SELECT}, i.deleted_at FROM incidents i {PEOPLE}
             WHERE i.id = ANY($1::bigint[])""",
        sorted(set(incident_ids)),
    )
    return {row["id"]: Subject(incident(row), row["deleted_at"] is not None) for row in rows}


async def load(db: Executor, events: Sequence[Event]) -> Loaded:
    """What these events refer to: at most three statements, however many events."""
    new_comments = [e.payload["comment"] for e in events if e.type is EventType.COMMENT_CREATED]
    notices = [e.payload["notification"] for e in events if e.type is EventType.NOTIFICATION_NEW]
    return Loaded(
        await subjects(db, (e.incident_id for e in events)),
        {c.id: c for c in (await comments.find_all(db, new_comments) if new_comments else [])},
        {n.id: n for n in (await notifications.find_all(db, notices) if notices else [])},
    )


async def missed(db: Executor, since: int, reader: UUID) -> list[int] | None:
    """The events that a reader who knows event `since` may have missed, in order; None when only a new start can help.

    They include what they know already: the events of the 10 s before `since`.
    """
    known_at = await db.fetchval("SELECT created_at FROM events WHERE id = $1", since)
    if known_at is None:  # older than what is kept, or never there
        return None
    rows = await db.fetch(MISSED, known_at, OVERLAP_SECONDS, reader, since)
    if len(rows) > _MOST_LOADED or sum(row["id"] > since for row in rows) > MOST_MISSED:
        return None
    return sorted(row["id"] for row in rows)


async def weights(db: Executor, incident_ids: Iterable[int]) -> dict[int, int]:
    """Bytes of these incidents' text, deleted ones too."""
    rows = await db.fetch(
        f"SELECT i.id, {WEIGHT} AS weight FROM incidents i WHERE i.id = ANY($1::bigint[])",  # noqa: S608
        sorted(set(incident_ids)),
    )
    return {row["id"]: row["weight"] for row in rows}


async def standings(db: Executor, incident_ids: Iterable[int]) -> dict[int, Standing]:
    """Who may view these incidents now, deleted ones too."""
    rows = await db.fetch(
        "SELECT id, severity, reported_by, deleted_at FROM incidents WHERE id = ANY($1::bigint[])",
        sorted(set(incident_ids)),
    )
    return {
        row["id"]: Standing(Severity(row["severity"]), row["reported_by"], row["deleted_at"] is not None)
        for row in rows
    }


async def people(db: Executor, user_ids: Iterable[UUID]) -> list[UserRef]:
    """These users as others see them, by name."""
    rows = await db.fetch(
        """SELECT id, first_name, last_name, role, house FROM users WHERE id = ANY($1::uuid[])
            ORDER BY last_name, first_name, id""",
        list(user_ids),
    )
    return [
        UserRef(
            row["id"],
            row["first_name"],
            row["last_name"],
            Role(row["role"]),
            House(row["house"]) if row["house"] else None,
        )
        for row in rows
    ]


async def accounts(db: Executor, user_ids: Iterable[UUID]) -> dict[UUID, tuple[Role, int, bool]]:
    """Role, token version and whether active, of users that are connected."""
    rows = await db.fetch(
        "SELECT id, role, token_version, is_active FROM users WHERE id = ANY($1::uuid[])", list(user_ids)
    )
    return {row["id"]: (Role(row["role"]), row["token_version"], row["is_active"]) for row in rows}
