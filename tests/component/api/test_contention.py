"""Rows that somebody holds, and servers that say nothing: who waits, for how long, and who does not."""

import asyncio

import asyncpg
import pytest
from dev.local_services import LocalPostgres
from tests.component.conftest import PATIENCE_SECONDS, Api, Reply, readiness, run, running_api, until

from maraudersmap_api.auth import service as accounts
from maraudersmap_api.infra import db
from maraudersmap_api.infra.migrate import migrate, revert, shipped_migrations

SPARE_SECONDS = 0.5
"""Half a second beyond one wait for the database; a second wait after it would take five times as long."""
SESSION = {"email": "moody@hogwarts.edu", "password": "I solemnly swear"}
EVERYTHING: tuple[tuple[str, str, object], ...] = (
    ("POST", "/api/auth/login", SESSION),
    ("POST", "/api/auth/register", {**SESSION, "firstName": "A", "lastName": "M"}),
    ("POST", "/api/auth/refresh", {"refreshToken": "x" * 86}),
    ("POST", "/api/auth/logout", {"refreshToken": "x" * 86}),
    (
        "PUT",
        "/api/auth/change-password",
        {"currentPassword": "I solemnly swear", "newPassword": "managed it"},
    ),
    ("GET", "/api/incidents/1", None),
    ("GET", "/api/incidents/1/history", None),
    ("GET", "/api/incidents/1/comments", None),
    ("POST", "/api/incidents/1/comments", {"content": "x"}),
    ("DELETE", "/api/incidents/1/comments/1", None),
    ("POST", "/api/incidents/1/resolve", None),
    ("POST", "/api/incidents/1/reopen", None),
    ("DELETE", "/api/incidents/1", None),
    ("GET", "/api/incidents/search/facets", None),
    ("GET", "/api/incidents/search/facets?search=prank", None),
    ("GET", "/api/incidents/autocomplete?q=prank", None),
    ("GET", "/api/analytics/overview", None),
    ("GET", "/api/analytics/trends", None),
    ("GET", "/api/analytics/leaderboard", None),
    ("GET", "/api/analytics/heatmap", None),
    ("GET", "/api/analytics/export.csv", None),
    ("GET", "/api/notifications", None),
    ("GET", "/api/notifications/unread/count", None),
    ("POST", "/api/notifications/1/read", None),
    ("POST", "/api/notifications/read-all", None),
    ("DELETE", "/api/notifications/1", None),
    ("GET", "/api/presence/incidents/1", None),
)
"""What asks the database for its answer, each in another way."""


async def _changes(api: Api, number: int, count: int) -> list[asyncio.Task[Reply]]:
    """So many changes of one incident by one caller; back once they wait."""
    changes = [
        asyncio.create_task(
            api.call("PATCH", f"/api/incidents/{number}", user="moody", json={"witnessCount": n})
        )
        for n in range(count)
    ]
    await _waiting(api)
    return changes


async def test_reads_go_on_beside_a_row_that_somebody_holds(database: str) -> None:
    """However many want to change it: they have all connections but one, and each gives up after a second."""
    async with running_api(database, DB_POOL_SIZE="4") as api:
        await readiness(api, 200)
        await api.person("moody", "AUROR")
        await api.person("luna")
        number = (await api.report("moody"))["id"]
        holder = await asyncpg.connect(database)
        async with holder.transaction():
            await holder.execute("SELECT FROM incidents WHERE id = $1 FOR UPDATE", number)
            writers = await _changes(api, number, 30)
            reads = []
            while not all(writer.done() for writer in writers):
                reads.append((await api.call("GET", "/api/incidents", user="luna")).status)
                reads.append((await api.call("GET", f"/api/incidents/{number}/comments", user="luna")).status)
                assert (await api.call("GET", "/health/ready")).status == 200
            refused = [writer.result() for writer in writers]
        await holder.close()

        assert set(reads) == {200}
        assert {reply.status for reply in refused} == {503}
        assert {reply.headers["Retry-After"] for reply in refused} == {"1"}
        freed = await api.call("PATCH", f"/api/incidents/{number}", user="moody", json={"witnessCount": 1})
        assert freed.status == 200


async def test_reads_go_on_beside_an_account_that_somebody_holds(database: str) -> None:
    """Single statements that write wait in the same line."""
    async with running_api(database, DB_POOL_SIZE="2") as api:
        await readiness(api, 200)
        await api.person("moody", "AUROR")
        await api.person("luna")
        holder = await asyncpg.connect(database)
        async with holder.transaction():
            await holder.execute("SELECT FROM users WHERE email = 'moody@hogwarts.edu' FOR UPDATE")
            reports = [
                asyncio.create_task(
                    api.call(
                        "POST", "/api/incidents", user="moody", json={"title": "x", "location": "HOGWARTS"}
                    )
                )
                for _ in range(10)
            ]
            await _waiting(api)
            reads = []
            while not all(report.done() for report in reports):
                reads.append((await api.call("GET", "/api/incidents", user="luna")).status)
        await holder.close()

        assert set(reads) == {200}
        assert {report.result().status for report in reports} == {503}


async def test_what_one_caller_asks_for_at_once_does_not_keep_others_waiting(database: str) -> None:
    """Forty changes of a row that somebody holds are in line, for a second each: the next turn is another caller's."""
    async with running_api(database, DB_POOL_SIZE="4") as api:
        await readiness(api, 200)
        await api.person("moody", "AUROR")
        await api.person("luna")
        number = (await api.report("moody"))["id"]
        other = (await api.report("luna"))["id"]
        holder = await asyncpg.connect(database)
        async with holder.transaction():
            await holder.execute("SELECT FROM incidents WHERE id = $1 FOR UPDATE", number)
            writers = await _changes(api, number, 40)
            changed = await api.call(
                "PATCH", f"/api/incidents/{other}", user="luna", json={"witnessCount": 1}
            )
            refused = await asyncio.gather(*writers)
        await holder.close()

        assert changed.status == 200
        assert {reply.status for reply in refused} == {503}


async def test_a_statement_that_takes_too_long_means_busy_not_away(database: str) -> None:
    """The database is there: its own limit for a statement says so, as when waiting for a row and its waiters adds up."""
    async with running_api(database) as api:
        await readiness(api, 200)
        await api.person("moody", "AUROR")
        number = (await api.report("moody"))["id"]
        await api.sql(
            "CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$"
        )
        await api.sql(
            "CREATE TRIGGER slowly BEFORE UPDATE ON incidents FOR EACH ROW EXECUTE FUNCTION slowly()"
        )
        before = await api.call("GET", f"/api/incidents/{number}", user="moody")
        slow = await api.call("PATCH", f"/api/incidents/{number}", user="moody", json={"witnessCount": 2})

        assert (slow.status, slow.headers["Retry-After"]) == (503, "1")
        assert "very busy" in slow.body["error"]["message"]
        after = await api.call("GET", f"/api/incidents/{number}", user="moody")
        assert after.status == 200
        # It counts: it is no sign that the service is away, and who repeats it keeps the database busy.
        left = [int(reply.headers["X-RateLimit-Remaining"]) for reply in (before, slow, after)]
        assert left == [left[0], left[0] - 1, left[0] - 2]


async def test_a_frozen_database_is_a_503_after_one_wait(
    own_postgres: LocalPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connections stay open and nobody answers, as when its node hangs."""
    # Who asks stays known: the one request that tries a broken circuit might wait for them, and then for what it is about.
    monkeypatch.setattr(accounts, "USER_CACHE_SECONDS", PATIENCE_SECONDS)
    url = own_postgres.create_database("map")
    await migrate(url, shipped_migrations())
    async with running_api(url) as api:
        await readiness(api, 200)
        await api.person("moody", "AUROR")
        await api.report("moody")
        loop = asyncio.get_running_loop()

        async def timed(method: str, path: str, body: object = None) -> tuple[int, float]:
            started = loop.time()
            reply = await api.call(method, path, user="moody", json=body)
            return reply.status, loop.time() - started

        async def one_wait() -> float:
            """What it takes just now on this machine, which may be busy: with a password hashed before, and last in line."""
            started = loop.time()
            await api.service.auth._passwords.hash("I solemnly swear")
            await asyncio.sleep(db.ANSWER_SECONDS)
            await api.call("GET", "/health/live")
            return loop.time() - started

        async def refused(*requests: tuple[str, str, object]) -> None:
            waiting = asyncio.create_task(one_wait())
            found = await asyncio.gather(*(timed(*request) for request in requests))
            assert [status for status, _ in found] == [503] * len(requests)
            assert max(seconds for _, seconds in found) < await waiting + SPARE_SECONDS

        await asyncio.to_thread(own_postgres.pause)
        try:
            # While the breaker is closed: each waits for the database itself.
            await refused(*EVERYTHING)
            body = {"title": "x", "location": "HOGWARTS"}
            for _ in range(2):
                await refused(
                    *(("GET", f"/api/incidents?limit={n}", None) for n in range(1, 9)),
                    *(("POST", "/api/incidents", body) for _ in range(8)),
                    *(("PATCH", "/api/incidents/1", {"witnessCount": n}) for n in range(8)),
                    *(("GET", "/api/incidents?search=prank", None) for _ in range(2)),
                )
            api.forget_users()  # then who is asking cannot be looked up either
            await refused(("GET", "/api/incidents?limit=9", None))
        finally:
            await asyncio.to_thread(own_postgres.resume)

        async def well() -> bool:
            return (await timed("POST", "/api/incidents", body))[0] == 201

        await until(well)


async def test_a_migration_that_gets_no_lock_is_to_be_tried_again(database: str) -> None:
    await revert(database, shipped_migrations(), to=2)
    holder = await asyncpg.connect(database)
    async with holder.transaction():
        await holder.execute("LOCK TABLE events IN ACCESS SHARE MODE")
        code, out, _ = await run("migrate", {"DATABASE_URL": database})
    await holder.close()

    assert code == 75
    assert "others use what it changes" in out
    assert (await run("migrate", {"DATABASE_URL": database}))[0] == 0


async def _waiting(api: Api) -> None:
    """Until somebody waits for a lock."""

    async def holds() -> bool:
        rows = await api.sql("SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        return len(rows) > 0

    await until(holds)
