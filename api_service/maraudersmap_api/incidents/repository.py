"""SQL of incidents. Values always travel as parameters; only fixed text is put together."""

import json
import re
from dataclasses import dataclass
from typing import Any

from maraudersmap_api.auth.models import House, Role, User, UserRef
from maraudersmap_api.incidents.models import (
    Filters,
    Incident,
    Location,
    NewIncident,
    Order,
    Page,
    PageRequest,
    Severity,
    Sort,
    Status,
    Visibility,
)
from maraudersmap_api.infra.db import Database, Executor, Row

EXACT_TOTAL = 10_000  # counting further costs more than anyone gains

_SELECT = """
SELECT i.id, i.title, i.description, i.severity, i.location, i.status, i.reported_at, i.updated_at, i.resolved_at,
       i.tags, i.evidence_urls, i.witness_count, i.version,
       r.id AS r_id, r.first_name AS r_first, r.last_name AS r_last, r.role AS r_role, r.house AS r_house,
       s.id AS s_id, s.first_name AS s_first, s.last_name AS s_last, s.role AS s_role, s.house AS s_house
"""
_PEOPLE = "JOIN users r ON r.id = i.reported_by LEFT JOIN users s ON s.id = i.resolved_by"


@dataclass(frozen=True, slots=True)
class Change:
    """One field's step, for the history. Values are JSON-ready."""

    field: str
    old: Any
    new: Any


async def insert(db: Executor, new: NewIncident, reporter: User) -> Incident:
    """Store a report; the database's clock dates it, so pods need not agree on the time."""
    row = await db.fetchrow(
        f"""WITH i AS (
                INSERT INTO incidents (title, description, severity, location, reported_by, tags, evidence_urls,
                                       witness_count)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING *)
            {_SELECT} FROM i {_PEOPLE}""",  # noqa: S608 - constant text
        new.title,
        new.description,
        int(new.severity),
        new.location.value,
        reporter.id,
        list(new.tags),
        list(new.evidence_urls),
        new.witness_count,
    )
    if row is None:
        raise LookupError("the insert returned no row")
    return _incident(row)


async def record(
    db: Executor, incident_id: int, changes: tuple[Change, ...], *, event: str, actor: User, request_id: str
) -> None:
    """History rows and one event, in one round trip; the caller's transaction makes them one with the change."""
    await db.execute(
        """WITH past AS (
               INSERT INTO incident_history (incident_id, changed_by, field, old_value, new_value, request_id)
               SELECT $1, $2, c.field, c.old, c.new, $3
               FROM unnest($4::text[], $5::jsonb[], $6::jsonb[]) AS c (field, old, new))
           INSERT INTO events (type, incident_id, payload) VALUES ($7, $1, $8)""",
        incident_id,
        actor.id,
        request_id,
        [change.field for change in changes],
        [_json(change.old) for change in changes],
        [_json(change.new) for change in changes],
        event,
        json.dumps({"actor": str(actor.id)}),
    )


async def find(db: Executor, incident_id: int) -> Incident | None:
    """One incident that is not deleted, or None."""
    row = await db.fetchrow(
        f"{_SELECT} FROM incidents i {_PEOPLE} WHERE i.id = $1 AND i.deleted_at IS NULL",
        incident_id,
    )
    return None if row is None else _incident(row)


async def list_page(db: Database, filters: Filters, page: PageRequest, seen: Visibility) -> Page:
    """Count and rows on one connection. A page past the end is empty."""
    where = _where(filters, seen)
    order = _order(page, where)
    limit, offset = where.bind(page.limit), where.bind((page.page - 1) * page.limit)
    # The ids first: joining people only for the rows shown keeps deep pages cheap.
    query = f"""
        WITH page AS (SELECT i.id, row_number() OVER (ORDER BY {order}) AS place FROM incidents i
                      WHERE {where.text} ORDER BY {order} LIMIT {limit} OFFSET {offset})
        {_SELECT} FROM page JOIN incidents i ON i.id = page.id {_PEOPLE} ORDER BY page.place"""  # noqa: S608
    count = _where(filters, seen)
    async with db.connection() as connection:
        total = await connection.fetchval(
            f"SELECT count(*) FROM (SELECT 1 FROM incidents i WHERE {count.text} LIMIT {EXACT_TOTAL + 1}) AS counted",  # noqa: S608
            *count.args,
        )
        rows = await connection.fetch(query, *where.args) if (page.page - 1) * page.limit < total else []
    return Page(
        incidents=tuple(_incident(row) for row in rows),
        total=min(total, EXACT_TOTAL),
        total_exact=total <= EXACT_TOTAL,
        page=page.page,
        limit=page.limit,
    )


class _Where:
    """Conditions with their parameters."""

    def __init__(self) -> None:
        self.args: list[Any] = []
        self.terms: str | None = None  # the parameter that holds the search terms
        self._conditions: list[str] = []

    def bind(self, value: Any) -> str:
        self.args.append(value)
        return f"${len(self.args)}"

    def add(self, condition: str) -> None:
        self._conditions.append(condition)

    @property
    def text(self) -> str:
        return " AND ".join(self._conditions)


def _where(filters: Filters, seen: Visibility) -> _Where:
    where = _Where()
    where.add("i.deleted_at IS NULL")
    if seen.up_to is not Severity.UNFORGIVABLE:
        where.add(
            f"(i.severity <= {where.bind(int(seen.up_to))} OR i.reported_by = {where.bind(seen.user_id)})"
        )
    if filters.severities:
        where.add(
            f"i.severity = ANY({where.bind([int(severity) for severity in filters.severities])}::smallint[])"
        )
    if filters.locations:
        where.add(
            f"i.location = ANY({where.bind([location.value for location in filters.locations])}::text[])"
        )
    if filters.statuses:
        where.add(f"i.status = ANY({where.bind([status.value for status in filters.statuses])}::text[])")
    if filters.reported_by is not None:
        where.add(f"i.reported_by = {where.bind(filters.reported_by)}")
    if filters.date_from is not None:
        where.add(f"i.reported_at >= {where.bind(filters.date_from)}")
    if filters.date_to is not None:
        where.add(f"i.reported_at < {where.bind(filters.date_to)}")
    if filters.search:
        terms = search_terms(filters.search)
        where.terms = where.bind(terms) if terms else None
        where.add(f"i.search @@ to_tsquery('simple', {where.terms})" if terms else "false")
    return where


def search_terms(text: str) -> str:
    """Free text as a tsquery: every word must begin some word. Nothing of the query language gets through."""
    words = re.findall(r"\w+", text, re.UNICODE)
    return " & ".join(f"'{word}':*" for word in words[:16])


def _order(page: PageRequest, where: _Where) -> str:
    direction = "ASC" if page.order is Order.ASC else "DESC"
    match page.sort:
        case Sort.SEVERITY:
            return f"i.severity {direction}, i.reported_at DESC, i.id DESC"
        case Sort.STATUS:
            stage = "array_position(ARRAY['OPEN','IN_PROGRESS','RESOLVED','ARCHIVED'], i.status)"
            return f"{stage} {direction}, i.reported_at DESC, i.id DESC"
        case Sort.RELEVANCE:
            if where.terms is None:  # a search without any word finds nothing, in whatever order
                return "i.id DESC"
            return f"ts_rank(i.search, to_tsquery('simple', {where.terms})) {direction}, i.id DESC"
        case Sort.REPORTED_AT:
            return f"i.reported_at {direction}, i.id {direction}"


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value)


def _incident(row: Row) -> Incident:
    return Incident(
        id=row["id"],
        title=row["title"],
        description=row["description"],
        severity=Severity(row["severity"]),
        location=Location(row["location"]),
        status=Status(row["status"]),
        reported_by=_person(row, "r"),
        reported_at=row["reported_at"],
        updated_at=row["updated_at"],
        resolved_at=row["resolved_at"],
        resolved_by=_person(row, "s") if row["s_id"] else None,
        tags=tuple(row["tags"]),
        evidence_urls=tuple(row["evidence_urls"]),
        witness_count=row["witness_count"],
        version=row["version"],
    )


def _person(row: Row, prefix: str) -> UserRef:
    house = row[f"{prefix}_house"]
    return UserRef(
        id=row[f"{prefix}_id"],
        first_name=row[f"{prefix}_first"],
        last_name=row[f"{prefix}_last"],
        role=Role(row[f"{prefix}_role"]),
        house=House(house) if house else None,
    )
