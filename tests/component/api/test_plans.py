"""Each statement that lists, counts, searches or sums has an index that serves it: shown by EXPLAIN on a loaded table.

Costs, not times, are compared: what a plan reads does not depend on how busy this machine is.
"""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from dev.local_services import LocalPostgres

from maraudersmap_api.analytics import repository as analytics
from maraudersmap_api.analytics.export import range_statement
from maraudersmap_api.auth.models import House, Role
from maraudersmap_api.incidents import frequency, listing
from maraudersmap_api.incidents.cursor import Place, write_cursor
from maraudersmap_api.incidents.models import (
    Filters,
    ListQuery,
    Location,
    Order,
    Severity,
    Sort,
    Status,
    Visibility,
)
from maraudersmap_api.incidents.rules import Scope, visibility_of
from maraudersmap_api.realtime import repository as realtime
from maraudersmap_api.search import repository as search

pytestmark = pytest.mark.xdist_group("plans")  # one worker loads the rows, not each

INCIDENTS_A_DAY = 24 * 60 // 8
NOW = datetime(2026, 6, 1, tzinfo=UTC)
ME = UUID(int=1)

_LOAD = """
INSERT INTO users (id, email, password_hash, first_name, last_name, house)
SELECT ('00000000-0000-0000-0000-' || lpad(to_hex(n), 12, '0'))::uuid, 'user' || n || '@hogwarts.edu', 'x', 'U', 'N',
       (ARRAY['GRYFFINDOR', 'SLYTHERIN', 'RAVENCLAW', 'HUFFLEPUFF'])[1 + n % 4]
  FROM generate_series(1, 200) n;
INSERT INTO incidents (title, description, severity, location, status, reported_by, reported_at, resolved_at, resolved_by)
SELECT 'troll' || n % 7 || CASE WHEN n % 2000 = 0 THEN ' zebra' ELSE '' END, 'word' || n % 500,
       CASE WHEN n % 100 < 70 THEN 1 WHEN n % 100 < 90 THEN 2 WHEN n % 100 < 98 THEN 3 ELSE 4 END,
       (ARRAY['HOGWARTS', 'HOGSMEADE', 'KNOCKTURN_ALLEY', 'FORBIDDEN_FOREST', 'MINISTRY', 'AZKABAN', 'DIAGON_ALLEY',
              'PLATFORM_9_3_4'])[1 + n * 7 % 8],
       (ARRAY['OPEN', 'IN_PROGRESS', 'RESOLVED', 'ARCHIVED'])[1 + n * 3 % 4], u.id,
       '2026-06-01'::timestamptz - n * interval '8 minutes', now(), u.id
  FROM generate_series(1, 60000) n
  JOIN users u ON u.id = ('00000000-0000-0000-0000-' || lpad(to_hex(1 + n * 13 % 200), 12, '0'))::uuid;
INSERT INTO incident_history (incident_id, changed_by, field, request_id)
SELECT id, reported_by, 'status', 'x' FROM incidents;
INSERT INTO comments (incident_id, author_id, content) SELECT id, reported_by, 'x' FROM incidents;
INSERT INTO notifications (user_id, type, title, message, incident_id, read_at)
SELECT reported_by, 'MENTION', 'x', 'x', id, CASE WHEN id % 3 > 0 THEN now() END FROM incidents;
INSERT INTO events (type, incident_id, payload, created_at)
SELECT 'incident:created', id, '{}', reported_at FROM incidents;
SELECT fold_tallies(2147483647);
"""


@pytest.fixture(scope="module")
def loaded(postgres: LocalPostgres, template: str) -> Iterator[str]:
    """A database with enough rows that reading them all is clearly the worse plan."""
    url = postgres.create_database("loaded_map", template=template)

    async def load() -> None:
        # A commit that is not on disk yet leaves VACUUM nothing to mark as visible to all, and plans then depend on when it
        # ran: servers that people keep data on commit synchronously.
        connection = await asyncpg.connect(url, server_settings={"synchronous_commit": "on"})
        await connection.execute(_LOAD)
        await connection.execute("VACUUM ANALYZE")
        await connection.close()

    asyncio.run(load())
    yield url
    postgres.drop_database("loaded_map")


@dataclass(frozen=True)
class Case:
    """A statement; one of `served_by` must be in its plan, and no table but small ones is read as a whole.

    `at_most`: rows that may be read from incidents, where a LIMIT makes even a sequential scan short.
    """

    name: str
    statement: str
    args: list[Any]
    served_by: tuple[str, ...]
    at_most: int | None = None


def _seen(role: Role) -> Visibility:
    return visibility_of(ME, role)


def _list(name: str, query: ListQuery, role: Role, *served_by: str) -> Case:
    statement, args = listing.counted_page_statement(query, _seen(role))
    return Case(f"{role} {name}", statement, args, served_by)


def _page_of_many(name: str, query: ListQuery, role: Role, sampled: int, *served_by: str) -> Case:
    statement, args = listing.page_of_many_statement(query, _seen(role), sampled)
    return Case(f"{role} {name}", statement, args, served_by)


def cases() -> Iterator[Case]:
    newest, severity, stage = "incidents_newest", "incidents_severity_newest", "incidents_stage_newest"
    words, titles, own = "incidents_search", "incidents_title_grams", "incidents_of_reporter"
    place = Place(2, NOW - timedelta(days=100), 7)
    for role in Role:
        yield _list("newest", ListQuery(), role, newest)
        yield _list("newest, deep", ListQuery(page=400), role, newest)
        yield _list("newest, cursor", ListQuery(cursor=write_cursor(place, ListQuery())), role, newest)
        common = frequency.SAMPLED // 7
        for sort in (Sort.RELEVANCE, Sort.REPORTED_AT):
            yield _list(f"of a rare word by {sort}", ListQuery(search="zebra", sort=sort), role, words)
            yield _list(
                f"of a part of a title by {sort}", ListQuery(search="oll1 zeb", sort=sort), role, titles
            )
            many = ListQuery(search="troll1", sort=sort)
            yield _page_of_many(f"of a common word by {sort}", many, role, common, newest)
            yield _page_of_many(f"of a word that was common by {sort}", many, role, 0, words)
        counted, args = listing.count_statement(ListQuery(), _seen(role))
        yield Case(f"{role} count", counted, args, (), at_most=frequency.EXACT_TOTAL + 1)
        since = NOW - timedelta(days=9)
        counted, args = listing.count_statement(ListQuery(date_from=since), _seen(role))
        # Since PostgreSQL 18 also by reporter: it skips from one to the next, and need not read the table.
        yield Case(
            f"{role} count since a day", counted, args, (newest, severity, own), at_most=9 * INCIDENTS_A_DAY
        )
        # Half a year at the end of the table, behind what is newer.
        counted, args = listing.count_statement(ListQuery(date_to=NOW - timedelta(days=200)), _seen(role))
        yield Case(
            f"{role} count before a day", counted, args, (newest, severity), at_most=frequency.EXACT_TOTAL + 1
        )
        sample, args = frequency.newest_count_statement(
            Filters(search="troll1"), _seen(role), frequency.SAMPLED
        )
        yield Case(f"{role} sample", sample, args, (newest,), at_most=frequency.SAMPLED)
        counted, args = frequency.index_count_statement(Filters(search="zebra"), _seen(role))
        yield Case(f"{role} count of a rare word", counted, args, (words,))
        for day in (None, since):
            facets, args = search.facets_statement(Filters(date_from=day), _seen(role))
            yield Case(f"{role} facets since {day}", facets, args, (), at_most=frequency.EXACT_TOTAL + 1)
        facets, args = search.facets_statement(Filters(search="zebra"), _seen(role))
        yield Case(f"{role} facets of a rare word", facets, args, (words,))
        for looked_at, index in ((search.NEWEST_LOOKED_AT, newest), (None, words)):
            suggest, args = search.autocomplete_statement("zeb", _seen(role), 8, newest=looked_at)
            yield Case(f"{role} autocomplete, newest {looked_at}", suggest, args, (index,))
    for order in Order:
        for sort, index in ((Sort.SEVERITY, severity), (Sort.STATUS, stage)):
            query = ListQuery(sort=sort, order=order)
            yield _list(f"by {sort} {order}", query, Role.AUROR, index)
            after = replace(query, cursor=write_cursor(place, query))
            yield _list(f"by {sort} {order}, cursor", after, Role.AUROR, index)
    yield _list("one severity", ListQuery(severity=(Severity.DANGEROUS,)), Role.AUROR, severity, newest)
    yield _list("hidden severity", ListQuery(severity=(Severity.UNFORGIVABLE,)), Role.STUDENT, own, severity)
    yield _list(
        "one place", ListQuery(location=(Location.AZKABAN,)), Role.AUROR, "incidents_by_location", newest
    )
    yield _list("one status", ListQuery(status=(Status.OPEN,)), Role.AUROR, "incidents_by_status", newest)
    yield _list("one reporter", ListQuery(reported_by=ME), Role.AUROR, own)
    yield _list(
        "days", ListQuery(date_from=NOW - timedelta(9), date_to=NOW - timedelta(8)), Role.AUROR, newest
    )
    for scope in (Scope(_seen(Role.AUROR), None), Scope(_seen(Role.PREFECT), House.SLYTHERIN)):
        who, base = scope.house or "all", list(analytics.arguments(scope))
        first = NOW.date() - timedelta(days=29)
        tallies = "incident_tallies_pkey"
        yield Case(f"overview {who}", analytics.OVERVIEW, base, (tallies,))
        yield Case(f"trends {who}", analytics.TRENDS, [*base, first], (tallies,))
        yield Case(f"heatmap {who}", analytics.HEATMAP, [*base, first], (tallies,))
        yield Case(
            f"leaderboard {who}", analytics.LEADERBOARD, [*base, first, 10], ("reporter_tallies_pkey",)
        )
        exported, args = range_statement(Filters(), scope, 30_000)
        yield Case(f"export {who}", exported, args, ("incidents_pkey",))
    yield Case(
        "history",
        "SELECT h.id FROM incident_history h WHERE h.incident_id = $1 ORDER BY h.id LIMIT $2 OFFSET $3",
        [9, 20, 0],
        ("incident_history_incident",),
    )
    yield Case(
        "comments",
        "SELECT c.id FROM comments c WHERE c.incident_id = $1 AND c.deleted_at IS NULL ORDER BY c.id LIMIT $2",
        [9, 20],
        ("comments_of_incident",),
    )
    yield Case(
        "comments that follow",
        """SELECT c.id FROM comments c WHERE c.incident_id = $1 AND c.id > $2 AND c.deleted_at IS NULL
            ORDER BY c.id LIMIT $3""",
        [9, 1, 20],
        ("comments_of_incident",),
    )
    yield Case(
        "notifications",
        "SELECT n.id FROM notifications n WHERE n.user_id = $1 ORDER BY n.id DESC LIMIT $2",
        [ME, 20],
        ("notifications_of_user",),
    )
    yield Case(
        "unread",
        "SELECT count(*) FROM notifications WHERE user_id = $1 AND read_at IS NULL",
        [ME],
        ("notifications_unread",),
    )
    yield Case(
        "missed events",
        realtime.MISSED,
        [NOW - timedelta(hours=1), realtime.OVERLAP_SECONDS, ME, 1],
        ("events_created", "events_pkey"),
    )


SMALL = {"users", "tally_changes"}
Scan = tuple[str, str, float]


def scans(plan: dict[str, Any], parent: str = "") -> Iterator[Scan]:
    """(how, table or index, rows read) of each scan. One right under a LIMIT, without a sort, ends when it has enough:
    that is how totals are counted."""
    if "Scan" in plan["Node Type"]:
        name = plan.get("Index Name") or plan.get("Relation Name") or plan["Node Type"]
        read = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
        yield ("Limited " if parent == "Limit" else "") + plan["Node Type"], name, read
    for child in plan.get("Plans", ()):
        yield from scans(child, plan["Node Type"])


async def explain(connection: asyncpg.Connection, case: Case) -> list[Scan]:
    """What the statement reads, by running it."""
    text = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {case.statement}", *case.args)
    return list(scans(json.loads(text)[0]["Plan"]))


def faults(case: Case, found: list[Scan]) -> list[str]:
    """What is wrong with such a plan."""
    wrong = []
    if case.served_by and not {name for _, name, _ in found} & set(case.served_by):
        wrong.append(f"none of {case.served_by} is used")
    if case.served_by and any(how == "Seq Scan" and name not in SMALL for how, name, _ in found):
        wrong.append("a large table is read as a whole")
    read = sum(rows for _, name, rows in found if name.startswith("incidents"))
    if case.at_most is not None and read > case.at_most * 2:
        wrong.append(f"{read:.0f} incidents are read")
    return wrong


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
async def test_an_index_serves_it(loaded: str, case: Case) -> None:
    connection = await asyncpg.connect(loaded, server_settings={"jit": "off"})
    try:
        found = await explain(connection, case)
    finally:
        await connection.close()

    assert faults(case, found) == [], found
