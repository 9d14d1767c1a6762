"""SQL of one incident: reading, locking, changing, and its history. Values always travel as parameters."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from maraudersmap_api.auth.models import House, Role, User, UserRef
from maraudersmap_api.incidents.models import (
    Change,
    HistoryEntry,
    Incident,
    Location,
    NewIncident,
    Severity,
    Status,
    Visibility,
)
from maraudersmap_api.incidents.past import Past, Step
from maraudersmap_api.infra.db import Executor, Row
from maraudersmap_api.outbox.models import Event, EventType

SELECT = """
SELECT i.id, i.title, i.description, i.severity, i.location, i.status, i.reported_at, i.updated_at, i.resolved_at,
       i.tags, i.evidence_urls, i.witness_count, i.version,
       r.id AS r_id, r.first_name AS r_first, r.last_name AS r_last, r.role AS r_role, r.house AS r_house,
       s.id AS s_id, s.first_name AS s_first, s.last_name AS s_last, s.role AS s_role, s.house AS s_house
"""
PEOPLE = "JOIN users r ON r.id = i.reported_by LEFT JOIN users s ON s.id = i.resolved_by"

# Looking a member up costs a quarter of calling its enum.
_SEVERITIES = {member.value: member for member in Severity}
_LOCATIONS = {member.value: member for member in Location}
_STATUSES = {member.value: member for member in Status}
_ROLES = {member.value: member for member in Role}
_HOUSES: dict[str | None, House | None] = {None: None, **{member.value: member for member in House}}

_RETURNED = """id, title, description, severity, location, status, reported_by, reported_at, updated_at, resolved_at,
    resolved_by, tags, evidence_urls, witness_count, version"""


REPORT = f"""
WITH i AS (
    INSERT INTO incidents (title, description, severity, location, reported_by, tags, evidence_urls, witness_count)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING {_RETURNED}),
noted AS (INSERT INTO events (type, incident_id, payload) SELECT $11, i.id, $12 FROM i RETURNING id),
recorded AS (
    INSERT INTO incident_history (incident_id, changed_by, field, old_value, new_value, request_id)
    SELECT i.id, $5, c.field, NULL, c.value, $10
    FROM i, LATERAL (VALUES ('status', to_jsonb(i.status)), ('severity', to_jsonb($9::text))) AS c (field, value))
{SELECT}, noted.id AS event_id FROM i {PEOPLE} CROSS JOIN noted"""  # noqa: S608 - constant text
"""One statement, so all of it or nothing even without a transaction, and one round trip instead of five. The
database's clock dates it: pods need not agree on the time."""


async def report(
    db: Executor, new: NewIncident, payload: Mapping[str, Any], *, reporter: User, request_id: str
) -> tuple[Incident, Event]:
    """Store a report with its first history and its event."""
    row = _present(
        await db.fetchrow(
            REPORT,
            new.title,
            new.description,
            int(new.severity),
            new.location.value,
            reporter.id,
            list(new.tags),
            list(new.evidence_urls),
            new.witness_count,
            new.severity.name,
            request_id,
            EventType.INCIDENT_CREATED.value,
            json.dumps(payload),
        )
    )
    made = incident(row)
    return made, Event(row["event_id"], EventType.INCIDENT_CREATED, made.id, payload)


async def record(
    tx: Executor, incident_id: int, changes: Iterable[Change], *, actor: User, request_id: str
) -> None:
    """History rows; the caller's transaction makes them one with the change."""
    changes = tuple(changes)
    await tx.execute(
        """INSERT INTO incident_history (incident_id, changed_by, field, old_value, new_value, request_id)
           SELECT $1, $2, c.field, c.old, c.new, $3
           FROM unnest($4::text[], $5::jsonb[], $6::jsonb[]) AS c (field, old, new)""",
        incident_id,
        actor.id,
        request_id,
        [_camel(change.field) for change in changes],
        [_json(change.old) for change in changes],
        [_json(change.new) for change in changes],
    )


async def find(db: Executor, incident_id: int) -> Incident | None:
    """One incident that is not deleted, or None."""
    row = await db.fetchrow(
        f"{SELECT} FROM incidents i {PEOPLE} WHERE i.id = $1 AND i.deleted_at IS NULL", incident_id
    )
    return None if row is None else incident(row)


async def lock(tx: Executor, incident_id: int) -> Incident | None:
    """The same, and no one else changes it before this transaction ends."""
    return await _locked(tx, incident_id, "FOR UPDATE OF i")


async def hold(tx: Executor, incident_id: int) -> Incident | None:
    """The same for those who add to it without changing it: they do not wait for each other, writers wait for them."""
    return await _locked(tx, incident_id, "FOR SHARE OF i")


async def update(tx: Executor, incident_id: int, changes: Iterable[Change]) -> Incident:
    """Set the changed fields and the version; the row must be locked."""
    columns: dict[str, Any] = {change.field: _stored(change) for change in changes}
    sets = ", ".join(f"{column} = ${index}" for index, column in enumerate(columns, start=2))
    return await _changed(tx, incident_id, sets, *columns.values())


async def resolve(tx: Executor, incident_id: int, resolver: User) -> Incident:
    """Set status, who and when."""
    return await _changed(
        tx, incident_id, "status = 'RESOLVED', resolved_at = now(), resolved_by = $2", resolver.id
    )


async def reopen(tx: Executor, incident_id: int) -> Incident:
    """Back to OPEN, as if it had never been resolved."""
    return await _changed(tx, incident_id, "status = 'OPEN', resolved_at = NULL, resolved_by = NULL")


async def soft_delete(tx: Executor, incident_id: int) -> None:
    """Out of everybody's sight; history keeps it."""
    await _changed(tx, incident_id, "deleted_at = now()")


async def severity_steps(db: Executor, incident_id: int) -> list[Step]:
    """Each change of its severity, in order, with the ids of all entries that were written by the same change.

    That is one transaction. Entries from before it was noted have none, and only their moment, user and request to go by.
    """
    rows = await db.fetch(
        """SELECT s.old_value #>> '{}' AS before, s.new_value #>> '{}' AS after, min(e.id) AS first, max(e.id) AS last
             FROM incident_history s
             JOIN incident_history e ON e.incident_id = s.incident_id AND e.changed_at = s.changed_at
                                    AND e.request_id = s.request_id AND e.changed_by = s.changed_by
                                    AND e.xid IS NOT DISTINCT FROM s.xid
            WHERE s.incident_id = $1 AND s.field = 'severity' GROUP BY s.id ORDER BY s.id""",
        incident_id,
    )
    return [
        Step(
            row["first"],
            row["last"],
            Severity[row["before"]] if row["before"] else None,
            Severity[row["after"]],
        )
        for row in rows
    ]


def still_seen(up_to: str, reader: str) -> str:
    """The condition that incident $1 is visible to a reader at this moment; both are parameters, see Visibility. Who was
    let in by a statement before must not get what was written after it was hidden."""
    return f"""EXISTS (SELECT FROM incidents i WHERE i.id = $1 AND i.deleted_at IS NULL
                       AND (i.severity <= {up_to} OR i.reported_by = {reader}))"""


async def history(
    db: Executor, incident_id: int, past: Past, seen: Visibility, *, limit: int, offset: int
) -> tuple[list[HistoryEntry], int]:
    """A part of what is shown of what happened to it, oldest first, and how much of that there is."""
    firsts, ends = [first for first, _ in past.shown], [end for _, end in past.shown]
    rows = await db.fetch(
        f"""SELECT h.id, h.field, h.old_value, h.new_value, h.changed_at, h.request_id,
                  u.id AS u_id, u.first_name AS u_first, u.last_name AS u_last, u.role AS u_role, u.house AS u_house
             FROM incident_history h JOIN users u ON u.id = h.changed_by
            WHERE h.incident_id = $1 AND EXISTS (SELECT FROM unnest($4::bigint[], $5::bigint[]) AS r (first, next)
                                                  WHERE h.id >= r.first AND h.id < r.next)
              AND {still_seen("$6", "$7")}
            ORDER BY h.id LIMIT $2 OFFSET $3""",  # noqa: S608 - constant text
        incident_id,
        limit,
        offset,
        firsts,
        ends,
        int(seen.up_to),
        seen.user_id,
    )
    total = await db.fetchval(
        f"""SELECT count(*) FROM incident_history h
            WHERE h.incident_id = $1 AND EXISTS (SELECT FROM unnest($2::bigint[], $3::bigint[]) AS r (first, next)
                                                  WHERE h.id >= r.first AND h.id < r.next)
              AND {still_seen("$4", "$5")}""",  # noqa: S608 - constant text
        incident_id,
        firsts,
        ends,
        int(seen.up_to),
        seen.user_id,
    )
    return [_entry(row, withheld=past.withholds(row["id"])) for row in rows], total


async def _locked(tx: Executor, incident_id: int, how: str) -> Incident | None:
    row = await tx.fetchrow(
        f"{SELECT} FROM incidents i {PEOPLE} WHERE i.id = $1 AND i.deleted_at IS NULL {how}", incident_id
    )
    return None if row is None else incident(row)


async def _changed(tx: Executor, incident_id: int, sets: str, *args: Any) -> Incident:
    row = await tx.fetchrow(
        f"""WITH i AS (
                UPDATE incidents SET {sets}, version = version + 1, updated_at = now() WHERE id = $1
                RETURNING {_RETURNED})
            {SELECT} FROM i {PEOPLE}""",  # noqa: S608 - column names are ours
        incident_id,
        *args,
    )
    return incident(_present(row))


def incident(row: Row) -> Incident:
    """A row that begins with the columns of SELECT. By position, not by name: a list has some 25 for each of its rows."""
    (
        number, title, description, severity, location, status, reported_at, updated_at, resolved_at,
        tags, evidence_urls, witness_count, version, reporter, r_first, r_last, r_role, r_house,
        resolver, s_first, s_last, s_role, s_house, *_,
    ) = row.values()  # fmt: skip
    return Incident(
        number, title, description, _SEVERITIES[severity], _LOCATIONS[location], _STATUSES[status],
        UserRef(reporter, r_first, r_last, _ROLES[r_role], _HOUSES[r_house]), reported_at, updated_at, resolved_at,
        UserRef(resolver, s_first, s_last, _ROLES[s_role], _HOUSES[s_house]) if resolver else None,
        tuple(tags), tuple(evidence_urls), witness_count, version,
    )  # fmt: skip


def person(row: Row, prefix: str) -> UserRef:
    """Columns `<prefix>_id`, `_first`, `_last`, `_role`, `_house`."""
    return UserRef(
        id=row[f"{prefix}_id"],
        first_name=row[f"{prefix}_first"],
        last_name=row[f"{prefix}_last"],
        role=_ROLES[row[f"{prefix}_role"]],
        house=_HOUSES[row[f"{prefix}_house"]],
    )


def _entry(row: Row, *, withheld: bool) -> HistoryEntry:
    return HistoryEntry(
        id=row["id"],
        field=row["field"],
        old_value=None if withheld or row["old_value"] is None else json.loads(row["old_value"]),
        new_value=None if row["new_value"] is None else json.loads(row["new_value"]),
        changed_by=person(row, "u"),
        changed_at=row["changed_at"],
        request_id=row["request_id"],
    )


def _stored(change: Change) -> Any:
    return int(Severity[change.new]) if change.field == "severity" else change.new


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value)


def _camel(column: str) -> str:
    head, *rest = column.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _present(row: Row | None) -> Row:
    if row is None:
        raise LookupError("a RETURNING clause gave no row")
    return row
