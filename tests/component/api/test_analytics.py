"""Analytics: the numbers, who may have them, and how they stay right."""

import asyncio
import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from tests.component.conftest import PATIENCE_SECONDS, Api

from maraudersmap_api.analytics import export, service
from maraudersmap_api.analytics.export import IDS_AT_ONCE, csv_lines
from maraudersmap_api.infra.metrics import Metrics
from maraudersmap_api.upkeep import Upkeep

PATHS = ("overview", "trends", "leaderboard", "heatmap", "export.csv")


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request asks again."""
    monkeypatch.setattr(service, "FRESH_SECONDS", -1.0)


@pytest.fixture
async def school(api: Api) -> Api:
    """People of two houses."""
    await api.person("harry", "STUDENT", "GRYFFINDOR")
    await api.person("draco", "STUDENT", "SLYTHERIN")
    await api.person("percy", "PREFECT", "GRYFFINDOR")
    await api.person("moody", "AUROR", "RAVENCLAW")
    return api


async def _get(api: Api, path: str, user: str = "moody") -> Any:
    reply = await api.call("GET", f"/api/analytics/{path}", user=user)
    assert reply.status == 200, reply.body
    return reply.body


async def _lines(api: Api, user: str, query: str = "") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((await _get(api, f"export.csv{query}", user)).decode())))


async def test_students_and_houseless_prefects_may_not(school: Api) -> None:
    await school.person("peeves", "PREFECT")
    await school.sql("UPDATE users SET house = NULL WHERE email LIKE 'peeves@%'")
    school.forget_users()

    for path in PATHS:
        for name in ("harry", "peeves"):
            reply = await school.call("GET", f"/api/analytics/{path}", user=name)
            assert (reply.status, reply.body["error"]["code"]) == (403, "FORBIDDEN")


async def test_counts_follow_every_change(school: Api) -> None:
    one = (await school.report("harry", severity="MISCHIEF"))["id"]
    two = (await school.report("draco", severity="DANGEROUS", location="AZKABAN"))["id"]
    await school.call("PATCH", f"/api/incidents/{one}", user="moody", json={"severity": "SUSPICIOUS"})
    await school.call("POST", f"/api/incidents/{one}/resolve", user="moody")
    await school.sql("UPDATE incidents SET resolved_at = reported_at + interval '2 hours' WHERE id = $1", one)
    expected_total = 2
    for folded in (False, True):
        if folded:
            await Upkeep(school.service.domain._db, Metrics()).once(datetime.now(UTC))
            assert [r[0] for r in await school.sql("SELECT count(*) FROM tally_changes")] == [0]
        found = await _get(school, "overview")
        assert found["total"] == expected_total
        assert found["severity"] == {"MISCHIEF": 0, "SUSPICIOUS": 1, "DANGEROUS": 1, "UNFORGIVABLE": 0}
        assert found["status"] == {"OPEN": 1, "IN_PROGRESS": 0, "RESOLVED": 1, "ARCHIVED": 0}
        assert found["location"]["AZKABAN"] == 1
        assert found["meanHoursToResolve"] == 2.0

    await school.call("DELETE", f"/api/incidents/{two}", user="moody")
    await school.call("POST", f"/api/incidents/{one}/reopen", user="moody")
    found = await _get(school, "overview")
    assert (found["total"], found["status"]["OPEN"], found["meanHoursToResolve"]) == (1, 1, None)


async def test_a_prefect_counts_their_own_house_as_far_as_they_see(school: Api) -> None:
    for severity in ("MISCHIEF", "DANGEROUS", "UNFORGIVABLE"):
        for name in ("harry", "draco", "percy"):
            await school.report(name, f"{severity} of {name}", severity=severity)
    gone = (await school.report("harry", "gone"))["id"]
    await school.call("DELETE", f"/api/incidents/{gone}", user="moody")

    for folded in (False, True):
        if folded:
            await Upkeep(school.service.domain._db, Metrics()).once(datetime.now(UTC))
        # harry's MISCHIEF and DANGEROUS, percy's own three
        overview = await _get(school, "overview", "percy")
        assert (overview["total"], overview["severity"]["UNFORGIVABLE"]) == (5, 1)
        assert (await _get(school, "trends?days=1", "percy"))["data"][0]["reported"] == 5
        heat = (await _get(school, "heatmap", "percy"))["data"]
        assert (heat[0]["location"], heat[0]["count"], heat[0]["intensity"]) == ("HOGWARTS", 5, 1.0)
        board = (await _get(school, "leaderboard", "percy"))["data"]
        assert [(s["rank"], s["user"]["firstName"], s["points"], s["incidents"]) for s in board] == [
            (1, "Percy", 160, 3),
            (2, "Harry", 60, 2),
        ]
        everybody = (await _get(school, "leaderboard"))["data"]
        assert [(s["rank"], s["points"]) for s in everybody] == [(1, 160)] * 3
        assert (await _get(school, "overview"))["total"] == 9
    lines = await _lines(school, "percy")
    assert [line["title"] for line in lines] == [
        "MISCHIEF of harry",
        "MISCHIEF of percy",
        "DANGEROUS of harry",
        "DANGEROUS of percy",
        "UNFORGIVABLE of percy",
    ]
    assert len(await _lines(school, "moody")) == 9


async def test_days_are_utc_and_the_window_is_exact(school: Api) -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for days_ago in (0, 1, 29, 30):
        number = (await school.report("harry", severity="SUSPICIOUS"))["id"]
        moment = today - timedelta(days=days_ago)
        await school.sql("UPDATE incidents SET reported_at = $2 WHERE id = $1", number, moment)

    trends = (await _get(school, "trends"))["data"]
    board = (await _get(school, "leaderboard"))["data"]
    heat = (await _get(school, "heatmap?days=2"))["data"]

    assert len(trends) == 30
    assert trends[0]["date"] == (today - timedelta(days=29)).date().isoformat()
    assert [day["reported"] for day in trends] == [1] + [0] * 27 + [1, 1]
    assert (board[0]["points"], board[0]["incidents"]) == (75, 3)
    assert heat[0]["count"] == 2
    assert (await _get(school, "trends?days=31"))["data"][0]["reported"] == 1


@pytest.mark.usefixtures("unhurried")
async def test_folding_while_others_write_counts_everything_once(school: Api) -> None:
    upkeep = Upkeep(school.service.domain._db, Metrics())

    async def write(name: str) -> None:
        for _ in range(15):
            await school.report(name)

    async def fold() -> None:
        for _ in range(10):
            await upkeep.once(datetime.now(UTC))

    await asyncio.gather(write("harry"), write("draco"), fold(), fold())

    assert (await _get(school, "overview"))["total"] == 30
    await upkeep.once(datetime.now(UTC))
    assert (await _get(school, "overview"))["total"] == 30


async def test_tallies_equal_a_recount(school: Api) -> None:
    """Whatever is done to the table, by whomever: bulk inserts, updates, deletes."""
    await school.sql(
        """INSERT INTO incidents (title, location, severity, reported_by, reported_at, status, resolved_at, resolved_by)
           SELECT 'x', (ARRAY['HOGWARTS', 'AZKABAN'])[1 + n % 2], 1 + n % 4, u.id, now() - n * interval '1 hour',
                  CASE WHEN n % 3 = 0 THEN 'RESOLVED' ELSE 'OPEN' END,
                  CASE WHEN n % 3 = 0 THEN now() END, CASE WHEN n % 3 = 0 THEN u.id END
             FROM generate_series(1, 500) n, users u"""
    )
    await school.sql("UPDATE incidents SET severity = 2 WHERE id % 5 = 0")
    await Upkeep(school.service.domain._db, Metrics()).once(datetime.now(UTC))
    await school.sql("UPDATE incidents SET deleted_at = now() WHERE id % 7 = 0")
    await school.sql("DELETE FROM incidents WHERE id % 11 = 0")
    await school.sql("UPDATE incidents SET title = 'no count changes'")

    shapes = (  # which tallies, and what of a change they keep
        ("day = '-infinity'", "'-infinity'::date", "location", "status"),
        ("location = '*'", "day", "'*'", "'*'"),
        ("day > '-infinity' AND location <> '*'", "day", "location", "'*'"),
    )
    for which, day, location, status in shapes:
        wrong = await school.sql(
            f"""SELECT kind, day, severity, location, status, house, sum(n), sum(seconds) FROM (
                   SELECT kind, day, severity, location, status, house, n, seconds FROM incident_tallies
                    WHERE {which}
                   UNION ALL SELECT kind, {day}, severity, {location}, {status}, house, n, seconds
                               FROM tally_changes
                   UNION ALL SELECT t.kind, {day}, t.severity, {location}, {status}, t.house, -t.n, -t.seconds
                               FROM (SELECT t.* FROM incidents i, tally_of(i, 1) t) AS t) AS all_of_it
                GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(n) <> 0 OR sum(seconds) <> 0"""  # noqa: S608 - fixed text
        )
        assert wrong == []
    reporters = await school.sql(
        """SELECT day, reporter, severity FROM (
               SELECT day, reporter, severity, n FROM reporter_tallies
               UNION ALL SELECT day, reporter, severity, n FROM tally_changes WHERE kind = 'reported'
               UNION ALL SELECT t.day, t.reporter, t.severity, -t.n FROM incidents i, tally_of(i, 1) t
                          WHERE t.kind = 'reported') AS all_of_it
            GROUP BY 1, 2, 3 HAVING sum(n) <> 0"""
    )
    assert reporters == []
    total = (await school.sql("SELECT count(*) FROM incidents WHERE deleted_at IS NULL"))[0][0]
    assert (await _get(school, "overview"))["total"] == total


async def test_cells_that_look_like_formulas_are_made_harmless(school: Api) -> None:
    dangerous = ("=1+1", "+1", "-1", "@SUM(A1)")
    for title in (*dangerous, 'quoted "title", with comma', "line\nfeed", "plain"):
        await school.report("harry", title, description="\t=cmd|' /C calc'!A0x", tags=["=tag"])
    await school.sql("UPDATE incidents SET description = E'\\t=1' WHERE title = '=1+1'")
    await school.sql("UPDATE incidents SET description = E'\\r=1' WHERE title = '+1'")

    reply = await school.call("GET", "/api/analytics/export.csv", user="moody")
    lines = await _lines(school, "moody")

    assert reply.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert reply.headers["Content-Disposition"].startswith("attachment")
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert [line["title"] for line in lines[:4]] == ["'" + title for title in dangerous]
    assert [line["title"] for line in lines[4:]] == ['quoted "title", with comma', "line\nfeed", "plain"]
    assert [line["description"] for line in lines[:2]] == ["'\t'=1", "'\r'=1"]
    assert {line["tags"] for line in lines} == {"'=tag"}
    assert all(
        not cell.startswith(("=", "+", "-", "@", "\t", "\r")) for line in lines for cell in line.values()
    )


async def test_an_export_crosses_ranges_and_takes_filters(school: Api) -> None:
    await school.sql(
        """INSERT INTO incidents (title, location, severity, reported_by)
           SELECT 'troll ' || n, 'AZKABAN', 1 + n % 4, u.id FROM generate_series(1, $1) n, users u
            WHERE u.email LIKE 'harry@%'""",
        IDS_AT_ONCE * 2 + 7,
    )

    lines = await _lines(school, "moody")
    some = await _lines(school, "moody", "?severity=UNFORGIVABLE&search=troll")

    assert [int(line["id"]) for line in lines] == list(range(1, IDS_AT_ONCE * 2 + 8))
    assert len(some) == (IDS_AT_ONCE * 2 + 8) // 4
    assert await _lines(school, "moody", "?location=HOGWARTS") == []


async def test_an_export_gives_others_their_turn_between_a_few_lines(
    school: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a megabyte full of signs takes 50 ms to write, and nothing else is answered in a turn of the loop."""
    await school.sql(
        """INSERT INTO incidents (title, description, location, reported_by)
           SELECT 'x', repeat('; a| b', 1500), 'AZKABAN', u.id FROM generate_series(1, 60) n, users u
            WHERE u.email LIKE 'harry@%'"""
    )
    turns, written = 0, []
    done = asyncio.Event()

    async def others() -> None:
        nonlocal turns
        while not done.is_set():
            turns += 1
            await asyncio.sleep(0)

    def watched(lines: Sequence[Sequence[str]]) -> bytes:
        written.append((turns, sum(len(cell) for line in lines for cell in line)))
        return csv_lines(lines)

    monkeypatch.setattr(export, "csv_lines", watched)
    waiting = asyncio.create_task(others())
    lines = await _lines(school, "moody")
    done.set()
    await waiting

    assert len(lines) == 60
    assert max(size for _, size in written) <= 64 * 1024
    assert len({turn for turn, _ in written}) == len(written), "each in a turn of its own"


async def test_an_export_steps_over_numbers_that_were_never_given(school: Api) -> None:
    """A load that failed has used up millions, a restored database may go on from anywhere."""
    await school.report("harry", "near")
    await school.sql(
        """INSERT INTO incidents (id, title, location, reported_by) OVERRIDING SYSTEM VALUE
           SELECT 1000000000000, 'far', 'AZKABAN', u.id FROM users u WHERE u.email LIKE 'harry@%'"""
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert [line["title"] for line in await _lines(school, "moody")] == ["near", "far"]
        assert [line["title"] for line in await _lines(school, "moody", "?location=AZKABAN")] == ["far"]


async def test_an_export_holds_no_connection_while_it_is_read(school: Api) -> None:
    """Ten readers that stopped reading, and a pool of four: everybody else goes on."""
    await school.sql(
        """INSERT INTO incidents (title, description, location, reported_by)
           SELECT 'x', repeat('y', 5000), 'AZKABAN', u.id FROM generate_series(1, 3000) n, users u
            WHERE u.email LIKE 'harry@%'"""
    )
    headers = {"Authorization": f"Bearer {school.tokens['moody']}"}
    stuck = [await school.http.get("/api/analytics/export.csv", headers=headers) for _ in range(10)]

    async with asyncio.timeout(PATIENCE_SECONDS):
        answers = await asyncio.gather(
            *(school.call("GET", "/api/incidents?limit=1", user="moody") for _ in range(20))
        )

    assert {answer.status for answer in answers} == {200}
    for response in stuck:
        response.close()


async def test_old_events_and_kept_answers_are_forgotten_after_a_day(school: Api) -> None:
    await school.report("harry")
    await school.call(
        "POST",
        "/api/incidents",
        user="harry",
        json={"title": "x", "location": "HOGWARTS"},
        headers={"Idempotency-Key": "k"},
    )
    upkeep = Upkeep(school.service.domain._db, Metrics())

    async def left() -> list[int]:
        counts = await school.sql(
            "SELECT count(*) FROM events UNION ALL SELECT count(*) FROM idempotency_keys"
        )
        return [row[0] for row in counts]

    await upkeep.once(datetime.now(UTC) + timedelta(hours=23))
    assert await left() == [2, 1]
    await upkeep.once(datetime.now(UTC) + timedelta(hours=25))
    assert await left() == [0, 0]


async def test_only_one_process_folds_at_a_time(school: Api) -> None:
    await school.report("harry")
    other = await asyncpg.connect(school.database_url)
    try:
        async with other.transaction():
            await other.execute("SELECT fold_tallies(10)")
            assert [r[0] for r in await school.sql("SELECT fold_tallies(10)")] == [-1]
    finally:
        await other.close()
