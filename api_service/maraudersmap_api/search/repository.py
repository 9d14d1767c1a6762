"""SQL of facets and autocomplete."""

from collections.abc import Mapping
from dataclasses import dataclass

from maraudersmap_api.incidents.filtering import in_title, is_written, search, search_terms, where
from maraudersmap_api.incidents.frequency import (
    EXACT_TOTAL,
    WALKED,
    all_matches,
    in_reach,
    matches_in_sample,
    some_matches,
)
from maraudersmap_api.incidents.models import Filters, Location, Severity, Status, Visibility
from maraudersmap_api.infra.db import Executor, Row

MOST_SUGGESTED_FROM = 500
"""Suggestions are made of at most so many matches."""

NEWEST_LOOKED_AT = 1_000


@dataclass(frozen=True, slots=True)
class Facets:
    """How many matches have which property. `exact` is False when there were more than EXACT_TOTAL matches; then the
    counts are of so many of them."""

    severity: Mapping[Severity, int]
    status: Mapping[Status, int]
    location: Mapping[Location, int]
    total: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A title that has the words begun."""

    id: int
    title: str


def facets_statement(
    filters: Filters, seen: Visibility, *, newest: int | None = None
) -> tuple[str, list[object]]:
    """Counts by all three properties at once: at most 128 rows. `newest`: as in frequency.some_matches."""
    columns = "i.severity, i.status, i.location"
    if newest is None:
        found, made = all_matches(columns, filters, seen)
    else:
        made = where(filters, seen, walk=True)
        found = f"matches AS ({some_matches(columns, made, newest)})"
    return (
        f"""WITH {found} SELECT severity, status, location, count(*) AS n FROM matches
             GROUP BY severity, status, location""",  # noqa: S608 - constant text
        made.args,
    )


async def facets(db: Executor, filters: Filters, seen: Visibility) -> Facets:
    """Counts of what matches and `seen` includes."""
    sampled = await matches_in_sample(db, filters, seen) if filters.search else 0
    if in_reach(sampled, EXACT_TOTAL + 1, at_best=True):
        statement, args = facets_statement(filters, seen, newest=WALKED)
        found = _counts(await db.fetch(statement, *args))
        if not found.exact:
            return found
    statement, args = facets_statement(filters, seen)
    return _counts(await db.fetch(statement, *args))


def _counts(rows: list[Row]) -> Facets:
    severity = dict.fromkeys(Severity, 0)
    status = dict.fromkeys(Status, 0)
    location = dict.fromkeys(Location, 0)
    total = 0
    for row in rows:
        severity[Severity(row["severity"])] += row["n"]
        status[Status(row["status"])] += row["n"]
        location[Location(row["location"])] += row["n"]
        total += row["n"]
    return Facets(severity, status, location, min(total, EXACT_TOTAL), total <= EXACT_TOTAL)


def autocomplete_statement(
    text: str, seen: Visibility, limit: int, *, newest: int | None
) -> tuple[str, list[object]]:
    """Titles only (weight A). `newest`: look only at so many of the newest incidents, instead of asking the index."""
    made = where(Filters(), seen)
    source = "incidents"
    if newest is not None:
        source = f"""(SELECT i.id, i.title, i.reported_at, i.search, i.deleted_at FROM incidents i WHERE {made.text}
                      ORDER BY i.reported_at DESC, i.id DESC LIMIT {newest})"""  # noqa: S608 - constant text
    search(made, search_terms(text, weights="A"), walk=newest is not None)
    words = made.text if newest is None else made.last
    return (
        f"""WITH matches AS MATERIALIZED (SELECT i.id, i.title, i.reported_at FROM {source} i WHERE {words}
                                          LIMIT {MOST_SUGGESTED_FROM})
            SELECT id, title FROM (SELECT DISTINCT ON (title) id, title, reported_at FROM matches
                                   ORDER BY title, reported_at DESC) AS titles
             ORDER BY reported_at DESC, id DESC LIMIT {made.bind(limit)}""",  # noqa: S608 - constant text
        made.args,
    )


def written_titles_statement(text: str, seen: Visibility, limit: int) -> tuple[str, list[object]]:
    """Titles that have the text as it stands."""
    made = where(Filters(), seen)
    made.add(in_title(made, text))
    return (
        f"""WITH matches AS MATERIALIZED (SELECT i.id, i.title, i.reported_at FROM incidents i WHERE {made.text}
                                          LIMIT {MOST_SUGGESTED_FROM})
            SELECT id, title FROM (SELECT DISTINCT ON (title) id, title, reported_at FROM matches
                                   ORDER BY title, reported_at DESC) AS titles
             ORDER BY reported_at DESC, id DESC LIMIT {made.bind(limit)}""",  # noqa: S608 - constant text
        made.args,
    )


async def autocomplete(db: Executor, text: str, seen: Visibility, limit: int) -> list[Suggestion]:
    """Titles that have every word, or begin it, the newest first; then those that have the text as it stands. None twice.

    What is common is found among the newest; only what is not there is rare enough for the index, which reads every
    match of one letter before it gives the first.
    """
    rows: list[Row] = []
    for newest in (NEWEST_LOOKED_AT, None):
        statement, args = autocomplete_statement(text, seen, limit, newest=newest)
        rows = await db.fetch(statement, *args)
        if len(rows) >= limit:
            break
    found = {row["title"]: row["id"] for row in rows}
    if len(found) < limit and is_written(text):
        statement, args = written_titles_statement(text, seen, limit)
        for row in await db.fetch(statement, *args):
            found.setdefault(row["title"], row["id"])
    return [Suggestion(number, title) for title, number in found.items()][:limit]
