"""Reading a whole list by cursor while others write: nothing twice, nothing missing."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.component.conftest import Api

from maraudersmap_api.incidents import frequency

START = datetime(2026, 1, 1, tzinfo=UTC)
STAGES = ("OPEN", "IN_PROGRESS", "RESOLVED", "ARCHIVED")


@dataclass(frozen=True)
class Row:
    """An incident as far as its place in a list goes. Few different moments: ties are what goes wrong."""

    severity: int
    status: str
    minute: int


rows = st.builds(Row, st.integers(1, 4), st.sampled_from(STAGES), st.integers(0, 3))


async def _insert(api: Api, made: list[Row]) -> list[int]:
    stored = await api.sql(
        """INSERT INTO incidents (title, location, severity, status, reported_at, reported_by, resolved_at, resolved_by)
           SELECT 'x', 'HOGWARTS', n.severity, n.status, n.moment, u.id, n.moment, u.id
             FROM unnest($1::int[], $2::text[], $3::timestamptz[]) WITH ORDINALITY
                  AS n (severity, status, moment, place), users u WHERE u.email LIKE 'moody@%'
            ORDER BY n.place RETURNING id""",
        [row.severity for row in made],
        [row.status for row in made],
        [START + timedelta(minutes=row.minute) for row in made],
    )
    return [record[0] for record in stored]


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    first=st.lists(rows, max_size=15),
    between=st.lists(st.lists(rows, max_size=3), max_size=6),
    sort=st.sampled_from(["reportedAt", "severity", "status"]),
    order=st.sampled_from(["asc", "desc"]),
    limit=st.integers(1, 6),
)
async def test_every_row_once_and_in_order_whatever_is_inserted_meanwhile(
    api: Api, first: list[Row], between: list[list[Row]], sort: str, order: str, limit: int
) -> None:
    if not api.tokens:
        await api.person("moody", "AUROR")
    await api.sql("DELETE FROM incidents")
    ids = await _insert(api, first)
    waiting = list(between)
    query = f"/api/incidents?sort={sort}&order={order}&limit={limit}"
    read: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = (await api.call("GET", query + cursor, user="moody")).body
        read += page["data"]
        assert page["hasMore"] == (page["nextCursor"] is not None)
        if page["nextCursor"] is None:
            break
        assert len(page["data"]) == limit
        cursor = f"&cursor={page['nextCursor']}"
        if waiting:
            await _insert(api, waiting.pop(0))

    seen = [incident["id"] for incident in read]
    assert len(seen) == len(set(seen)), "nothing twice"
    assert set(ids) <= set(seen), "nothing that was there is missing"
    assert [_place(i, sort) for i in read] == sorted((_place(i, sort) for i in read), reverse=order == "desc")


def _place(incident: dict[str, Any], sort: str) -> tuple[int, str, int]:
    rank = {
        "severity": ("MISCHIEF", "SUSPICIOUS", "DANGEROUS", "UNFORGIVABLE").index(incident["severity"]),
        "status": STAGES.index(incident["status"]),
        "reportedAt": 0,
    }[sort]
    return rank, incident["reportedAt"], incident["id"]


async def test_a_cursor_goes_with_its_filters_and_with_nothing_else(api: Api) -> None:
    await api.person("moody", "AUROR")
    for _ in range(3):
        await api.report("moody")
    cursor = (await api.call("GET", "/api/incidents?limit=1", user="moody")).body["nextCursor"]

    async def status(query: str) -> int:
        return (await api.call("GET", f"/api/incidents?{query}", user="moody")).status

    assert await status(f"limit=2&cursor={cursor}") == 200
    assert await status(f"cursor={cursor}&location=HOGWARTS") == 400
    assert await status(f"cursor={cursor}&order=asc") == 400
    assert await status(f"cursor={cursor}&page=2") == 400
    assert await status(f"cursor={cursor}&search=x&sort=relevance") == 400
    assert await status(f"cursor={cursor[:-3]}") == 400
    assert await status("cursor=") == 400


async def test_pages_reach_ten_thousand_rows_deep_and_then_say_how_to_go_on(api: Api) -> None:
    await api.person("moody", "AUROR")
    await api.sql(
        """INSERT INTO incidents (title, location, reported_by)
           SELECT 'troll', 'HOGWARTS', u.id FROM generate_series(1, 10050), users u"""
    )

    deepest = (await api.call("GET", "/api/incidents?limit=100&page=100", user="moody")).body
    beyond = await api.call("GET", "/api/incidents?limit=100&page=101", user="moody")
    few = await api.call("GET", "/api/incidents?limit=100&page=101&severity=DANGEROUS", user="moody")
    after = (
        await api.call("GET", f"/api/incidents?limit=100&cursor={deepest['nextCursor']}", user="moody")
    ).body

    assert (len(deepest["data"]), deepest["hasMore"], deepest["totalExact"]) == (100, True, False)
    assert (beyond.status, beyond.body["error"]["details"][0]["field"]) == (400, "page")
    assert (len(after["data"]), after["hasMore"], after["page"]) == (50, False, None)
    assert (few.status, few.body["data"], few.body["total"]) == (200, [], 0)

    # By relevance the newest 2,000 of so many are ranked: the page behind them is refused, not shown as empty.
    ranked = (await api.call("GET", "/api/incidents?search=troll&limit=100&page=20", user="moody")).body
    unranked = await api.call("GET", "/api/incidents?search=troll&limit=100&page=21", user="moody")
    assert len(ranked["data"]) == 100
    assert unranked.status == 400
    assert "sort by reportedAt" in unranked.body["error"]["details"][0]["message"]


@pytest.mark.parametrize("search", ["zebra", "troll"])
async def test_rare_and_common_words_are_found_in_the_same_order(api: Api, search: str) -> None:
    """The two plans behind them give the same list."""
    await api.person("moody", "AUROR")
    await api.sql(
        """INSERT INTO incidents (title, location, severity, reported_by, reported_at)
           SELECT 'troll' || CASE WHEN n % 1000 = 0 THEN ' zebra' ELSE '' END, 'HOGWARTS', 1 + n % 4, u.id,
                  now() - n * interval '1 second'
             FROM generate_series(1, 10500) n, users u"""
    )
    for sort in ("reportedAt", "severity"):
        for order in ("asc", "desc"):
            query = f"/api/incidents?search={search}&sort={sort}&order={order}&limit=100"
            found = (await api.call("GET", query, user="moody")).body
            assert [_place(i, sort) for i in found["data"]] == sorted(
                (_place(i, sort) for i in found["data"]), reverse=order == "desc"
            )
            assert len(found["data"]) == (10 if search == "zebra" else 100)


@pytest.mark.parametrize("newest", ["plain", "troll", "zebra"])
async def test_a_search_finds_the_same_however_it_goes_about_it(
    api: Api, monkeypatch: pytest.MonkeyPatch, newest: str
) -> None:
    """Trolls are common and zebras are not, whatever the sample of the newest says."""
    await api.person("moody", "AUROR")
    await api.person("neville", "STUDENT")
    await api.sql(
        """INSERT INTO incidents (title, location, severity, reported_by, reported_at)
           SELECT CASE WHEN n <= 300 THEN $1 WHEN n <= 10350 THEN 'troll' WHEN n <= 10400 THEN 'zebra' ELSE 'other' END
                  || CASE WHEN n % 3 = 0 THEN ' troll zebra' ELSE '' END,
                  (ARRAY['HOGWARTS', 'AZKABAN', 'MINISTRY'])[1 + n % 3], 1 + n % 4, u.id, now() - n * interval '1 second'
             FROM generate_series(1, 10700) n, users u WHERE u.email LIKE 'moody@%'""",
        newest,
    )
    monkeypatch.setattr(frequency, "SAMPLED", 200)

    async def found(user: str) -> list[Any]:
        answers = []
        for word in ("troll", "zeb", "trol zebra", "zebra other"):
            facets = f"/api/incidents/search/facets?search={word}"
            answers.append((await api.call("GET", facets, user=user)).body)
            for sort in ("relevance", "reportedAt", "severity", "status"):
                for page in (1, 7):
                    listed = f"/api/incidents?search={word}&sort={sort}&limit=100&page={page}"
                    body = (await api.call("GET", listed, user=user)).body
                    rows = [incident["id"] for incident in body["data"]]
                    answers.append((rows, body["total"], body.get("totalExact"), body["hasMore"]))
        return answers

    chosen = [await found(user) for user in ("moody", "neville")]
    ways = []
    for share in (0, 10**6):  # the words are taken for unknown, and for those of every incident
        monkeypatch.setattr(frequency, "WALKED", share)
        monkeypatch.setattr(frequency, "WALKED_AT_BEST", share)
        ways.append([await found(user) for user in ("moody", "neville")])

    assert ways == [chosen, chosen]
    for user, most in (("moody", 4), ("neville", 1)):
        for word in ("troll", "zeb", "other"):
            there = await api.sql(
                "SELECT count(*) FROM incidents WHERE title ~ $1 AND severity <= $2", rf"\m{word}", most
            )
            body = (await api.call("GET", f"/api/incidents?search={word}", user=user)).body
            assert (body["total"], body.get("totalExact", True)) == (
                min(there[0][0], 10_000),
                there[0][0] <= 10_000,
            )


async def test_tallied_totals_are_those_that_counting_gives(api: Api) -> None:
    """However much of the tallies is folded; a date in the query makes the service count one by one."""
    for name, role in (("moody", "AUROR"), ("percy", "PREFECT"), ("neville", "STUDENT")):
        await api.person(name, role)
    places, states = ("HOGWARTS", "AZKABAN", "MINISTRY"), ("OPEN", "IN_PROGRESS", "RESOLVED", "ARCHIVED")
    await api.sql(
        """INSERT INTO incidents (title, location, severity, reported_by)
           SELECT 'troll', (ARRAY['HOGWARTS', 'AZKABAN', 'MINISTRY'])[1 + n % 3], 1 + n % 4, u.id
             FROM generate_series(1, 60) n, users u"""
    )
    await api.sql("SELECT fold_tallies(100)")
    await api.sql("UPDATE incidents SET severity = 4 WHERE id % 11 = 0")
    await api.sql("UPDATE incidents SET deleted_at = now() WHERE id % 7 = 0")
    await api.sql(
        "UPDATE incidents SET status = 'RESOLVED', resolved_at = now(), resolved_by = reported_by WHERE id % 5 = 0"
    )

    async def total(query: str, user: str) -> Any:
        return (await api.call("GET", f"/api/incidents?limit=1{query}", user=user)).body["total"]

    seen = set()
    for user in ("moody", "percy", "neville"):
        for query in (
            "",
            "&severity=MISCHIEF",
            "&severity=UNFORGIVABLE",
            "&severity=SUSPICIOUS,UNFORGIVABLE",
            *(f"&location={place}" for place in places),
            *(f"&status={state}" for state in states),
            "&location=AZKABAN,MINISTRY&status=OPEN,RESOLVED&severity=DANGEROUS,UNFORGIVABLE",
        ):
            tallied = await total(query, user)
            assert tallied == await total(f"{query}&dateFrom=2000-01-01T00:00:00Z", user), (user, query)
            seen.add(tallied)
    assert len(seen) > 10
