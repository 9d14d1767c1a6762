"""Incidents as CSV, by ranges of ids: each range is one short query whose connection is given back before the rows
are sent. A slow reader costs memory for one range, never a connection."""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence

from maraudersmap_api.incidents.filtering import where
from maraudersmap_api.incidents.models import Filters, Incident
from maraudersmap_api.incidents.repository import PEOPLE, SELECT, incident
from maraudersmap_api.incidents.rules import Scope
from maraudersmap_api.infra.db import Database

IDS_AT_ONCE = 1000
COLUMNS = (
    "id",
    "title",
    "description",
    "severity",
    "location",
    "status",
    "reportedBy",
    "house",
    "reportedAt",
    "updatedAt",
    "resolvedAt",
    "resolvedBy",
    "tags",
    "witnessCount",
    "version",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


async def export(db: Database, filters: Filters, scope: Scope) -> AsyncIterator[bytes]:
    """Pieces of the file. Raises Unavailable, also in the middle."""
    newest: int = await db.fetchval("SELECT coalesce(max(id), 0) FROM incidents")
    yield csv_lines([COLUMNS])
    for after in range(0, newest, IDS_AT_ONCE):
        statement, args = range_statement(filters, scope, after)
        rows = await db.fetch(statement, *args)
        if rows:
            yield csv_lines([cells(incident(row)) for row in rows])


def range_statement(filters: Filters, scope: Scope, after: int) -> tuple[str, list[object]]:
    """The matches of one range of ids."""
    # Asked for each range, an index on words or titles gives all its matches.
    made = where(filters, scope.seen, walk=True, titles=True)
    made.add(f"i.id > {made.bind(after)} AND i.id <= {made.bind(after + IDS_AT_ONCE)}")
    if scope.house is not None:
        made.add(f"r.house = {made.bind(scope.house.value)}")
    return f"{SELECT} FROM incidents i {PEOPLE} WHERE {made.text} ORDER BY i.id", made.args


def cells(found: Incident) -> list[str]:
    """One line's cells."""
    resolver = found.resolved_by
    return [
        str(found.id),
        found.title,
        found.description,
        found.severity.name,
        found.location.value,
        found.status.value,
        f"{found.reported_by.first_name} {found.reported_by.last_name}",
        found.reported_by.house.value if found.reported_by.house else "",
        found.reported_at.isoformat(timespec="milliseconds"),
        found.updated_at.isoformat(timespec="milliseconds"),
        found.resolved_at.isoformat(timespec="milliseconds") if found.resolved_at else "",
        f"{resolver.first_name} {resolver.last_name}" if resolver else "",
        ";".join(found.tags),
        str(found.witness_count),
        str(found.version),
    ]


def csv_lines(lines: Iterable[Sequence[str]]) -> bytes:
    """RFC 4180, UTF-8. A cell that a spreadsheet would take for a formula gets an apostrophe in front."""
    buffer = io.StringIO()
    csv.writer(buffer).writerows([[harmless(cell) for cell in line] for line in lines])
    return buffer.getvalue().encode()


def harmless(cell: str) -> str:
    """`=1+1` as `'=1+1`."""
    return "'" + cell if cell.startswith(_FORMULA) else cell
