"""Incidents as CSV, by ranges of ids: each range is one short query, or some where it is heavy, whose connection is given
back before the rows are sent. A slow reader costs memory for one slice, never a connection."""

import asyncio
import csv
import io
import re
from collections.abc import AsyncIterator, Iterable, Sequence

from maraudersmap_api.fields import UNSEEN
from maraudersmap_api.incidents.filtering import where
from maraudersmap_api.incidents.models import Filters, Incident
from maraudersmap_api.incidents.repository import PEOPLE
from maraudersmap_api.incidents.rules import Scope
from maraudersmap_api.incidents.slices import WORKING_BYTES, rendered, split, weighed
from maraudersmap_api.infra.budget import ByteBudget
from maraudersmap_api.infra.db import Database

IDS_AT_ONCE = 500
MOST_EMPTY = 10
"""So many ranges without a match, and it is asked where the next incident is: a gap may be of any size."""
A_TURN = 32 * 1024
"""Characters that are written in one turn of the event loop: 1 to 3 ms."""
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
# Spreadsheets take full-width, small and raised signs for the others: what NFKC makes of them, and the minus of typesetters.
_SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u207c\u207a\u207b\u208c\u208a\u208b\u2212\u2a75\u2a76\ufb29"
# What pastes or imports a cell may drop what is not seen, so it hides no sign.
_BEGINS = re.compile(rf"[\t\r\n]|[\s\"{UNSEEN}]*[{_SIGNS}]")
# Some split at ; or tab and do not know our quotes: there a cell begins after each of these, and after each line feed.
# Blanks and quotes in front of a sign are no obstacle to them. Whatever follows, such a run is read once: hence two forms.
_RUN = rf"[;|\t\r\n][;|\s\"'{UNSEEN}]*+"
_INSIDE = re.compile(rf"(?P<formula>{_RUN}(?=[{_SIGNS}]))|{_RUN}")


async def export(db: Database, budget: ByteBudget, filters: Filters, scope: Scope) -> AsyncIterator[bytes]:
    """Pieces of the file. Raises Unavailable, also in the middle."""
    newest: int = await db.fetchval("SELECT coalesce(max(id), 0) FROM incidents")
    yield csv_lines([COLUMNS])
    after = empty = 0
    while after < newest:
        async with budget.hold(WORKING_BYTES):
            statement, args = range_statement(filters, scope, after)
            found, rest = split(await db.fetch(statement, *args))
            piece = await _lines(found)
        took = len(found)
        del found
        if piece:
            yield piece
        async for piece in rendered(db, budget, rest, scope.seen, _lines, took=took, house=scope.house):
            yield piece
        after += IDS_AT_ONCE
        empty = 0 if took else empty + 1
        if empty == MOST_EMPTY:
            after, empty = await _before_next(db, after, newest), 0


async def _before_next(db: Database, after: int, newest: int) -> int:
    """The number before the next incident's, seen or not."""
    number: int = await db.fetchval(
        "SELECT coalesce(min(id) - 1, $2) FROM incidents WHERE id > $1", after, newest
    )
    return number


def range_statement(filters: Filters, scope: Scope, after: int) -> tuple[str, list[object]]:
    """The matches of one range of ids, as many of them whole as fit into a slice."""
    # Asked for each range, an index on words or titles gives all its matches.
    made = where(filters, scope.seen, walk=True, titles=True)
    made.add(f"i.id > {made.bind(after)} AND i.id <= {made.bind(after + IDS_AT_ONCE)}")
    if scope.house is not None:
        made.add(f"r.house = {made.bind(scope.house.value)}")
    return weighed(f"FROM incidents i {PEOPLE} WHERE {made.text}", "i.id"), made.args


async def _lines(incidents: Sequence[Incident]) -> bytes:
    """A slice, of which others wait for A_TURN only."""
    pieces, lines, size = [], list[list[str]](), 0
    for found in incidents:
        lines.append(cells(found))
        size += sum(map(len, lines[-1]))
        if size >= A_TURN:
            pieces.append(csv_lines(lines))
            lines, size = [], 0
            await asyncio.sleep(0)
    pieces.append(csv_lines(lines))
    return b"".join(pieces)


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
    """RFC 4180, UTF-8. What a spreadsheet would take for a formula gets an apostrophe in front."""
    buffer = io.StringIO()
    csv.writer(buffer).writerows([[harmless(cell) for cell in line] for line in lines])
    return buffer.getvalue().encode()


def harmless(cell: str) -> str:
    """`=1+1` as `'=1+1`, and `x;=1+1` as `x;'=1+1`: also where a spreadsheet splits at semicolons it is text."""
    cell = _INSIDE.sub(lambda run: f"{run[0]}'" if run["formula"] else run[0], cell)
    return "'" + cell if _BEGINS.match(cell) else cell
