"""`smoke` against candidates that are good, and bad in every way that users would find out."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import asyncpg
import pytest
from aiohttp import web
from dev.free_port import free_port
from dev.local_services import LocalPostgres
from tests.component.api.sockets import connected
from tests.component.conftest import Api, environment, program, readiness, run, running_api, until

from maraudersmap_api import visitors
from maraudersmap_api.app import build
from maraudersmap_api.infra.metrics import Metrics
from maraudersmap_api.infra.migrate import migrate, shipped_migrations
from maraudersmap_api.settings import load_settings
from maraudersmap_api.upkeep import Upkeep

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Fault = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]

REJECTS, ENVIRONMENT = 1, 75

# Else a candidate answers 503 where a busy machine makes it wait for the database, and is rejected for that, as it should be.
pytestmark = pytest.mark.usefixtures("unhurried")


@dataclass
class Revision:
    """An API in this process that may misbehave, with what it was asked."""

    url: str
    asked: list[tuple[str, str]] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def writes(self) -> list[tuple[str, str]]:
        """What was not merely read."""
        return [(method, path) for method, path in self.asked if method != "GET"]


@asynccontextmanager
async def revision(database: str, fault: Fault | None = None) -> AsyncIterator[Revision]:
    """Ready; `fault` sees each request beneath /api and /ws first."""
    service = build(load_settings(environment(database)))
    made = Revision("")

    @web.middleware
    async def noted(request: web.Request, handler: Handler) -> web.StreamResponse:
        made.asked.append((request.method, request.path))
        if fault is None or request.path.startswith("/health"):
            return await handler(request)
        # What hangs must not hold the end of the test up.
        answering = asyncio.ensure_future(fault(request, handler))
        ending = asyncio.create_task(made.over.wait())
        await asyncio.wait((answering, ending), return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        answering.cancel()
        return await answering

    service.app.middlewares.append(noted)
    made.url = f"http://127.0.0.1:{await service.server.start('127.0.0.1', 0)}"
    try:
        async with aiohttp.ClientSession(made.url) as http:
            await readiness(Api(service, http, database), 200)
        made.asked.clear()
        yield made
    finally:
        made.over.set()
        await service.server.stop()


def one_in_five_fails() -> Fault:
    numbers = itertools.count(1)

    async def fault(request: web.Request, handler: Handler) -> web.StreamResponse:
        return web.Response(status=500) if next(numbers) % 5 == 0 else await handler(request)

    return fault


def takes(seconds: float, *, after: int = 0, later: float = 0.0) -> Fault:
    """Answers take so long, and `later` from the request of number `after` on."""
    numbers = itertools.count(1)

    async def fault(request: web.Request, handler: Handler) -> web.StreamResponse:
        await asyncio.sleep(later if after and next(numbers) > after else seconds)
        return await handler(request)

    return fault


async def hangs(_request: web.Request, _handler: Handler) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def hangs_up(request: web.Request, _handler: Handler) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def closes_websockets(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.path != "/ws":
        return await handler(request)
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.close(code=1011)
    return socket


async def fails_to_store(request: web.Request, handler: Handler) -> web.StreamResponse:
    if (request.method, request.path) == ("POST", "/api/incidents"):
        await handler(request)  # and the answer is lost
        return web.Response(status=500)
    return await handler(request)


async def shows_too_much(request: web.Request, handler: Handler) -> web.StreamResponse:
    answer = await handler(request)
    if request.path == "/api/incidents" and isinstance(answer, web.Response) and answer.status == 200:
        assert isinstance(answer.body, bytes)
        answer.body = answer.body.replace(b'"MISCHIEF"', b'"UNFORGIVABLE"')
    return answer


async def smoke(
    database: str, candidate: str, baseline: str | None = None, *, rate: float = 20, seconds: float = 3
) -> tuple[int, dict[str, Any]]:
    """Exit code and summary; what the run left in the database is looked at too."""
    command = f"smoke --candidate {candidate} --requests-per-second {rate} --seconds {seconds}"
    if baseline is not None:
        command += f" --baseline {baseline}"
    code, out, err = await run(command, {"DATABASE_URL": database})
    summary: dict[str, Any] = json.loads(out.splitlines()[-1])
    assert summary["exitCode"] == code, err
    return code, summary


async def left(api: Api) -> dict[str, int]:
    """Rows of accounts of runs."""
    tables = ("users", "incidents", "incident_history", "refresh_tokens", "idempotency_keys")
    return {table: (await api.sql(f"SELECT count(*) FROM {table}"))[0][0] for table in tables}  # noqa: S608 - ours


async def test_a_good_candidate_passes_and_nothing_is_left(database: str) -> None:
    async with (
        running_api(database) as api,
        # What a busy machine adds to so much is neither slowness of one nor suffering of the other.
        revision(database, takes(0.1)) as candidate,
        revision(database, takes(0.1)) as baseline,
    ):
        await readiness(api, 200)
        await api.person("harry")
        await api.report("harry", "Dungbombs")
        before = await left(api)

        async with connected(api, "harry") as watching:
            code, summary = await smoke(database, candidate.url, baseline.url, seconds=5)
            # Who heard of the report hears that it is gone; it may be gone before anyone hears of it.
            await watching.expect("incident:deleted")

        assert (code, summary["outcome"], summary["reasons"]) == (0, "passes", [])
        assert await left(api) == before
        assert summary["accountRemoved"] is True
        assert summary["pairs"] >= 20
        assert summary["candidate"]["failures"] == summary["baseline"]["failures"] == 0
        # One of each, and to the candidate only.
        writes = [("POST", "/api/auth/login"), ("POST", "/api/incidents")]
        assert [write for write in candidate.writes if write[0] == "POST"] == writes
        assert [method for method, _ in candidate.writes] == ["POST", "POST", "PATCH"]
        assert baseline.writes == []
        # The account is in the audit trail, made and removed.
        rows = await api.sql("SELECT command, details FROM admin_actions ORDER BY id")
        assert [row["command"] for row in rows] == ["smoke", "smoke"]
        assert json.loads(rows[0]["details"])["after"]["role"] == "STUDENT"


async def test_without_a_baseline_the_walk_alone_judges(database: str) -> None:
    async with revision(database) as good, revision(database, one_in_five_fails()) as bad:
        assert (await smoke(database, good.url))[0] == 0
        code, summary = await smoke(database, bad.url)
    assert (code, summary["outcome"]) == (REJECTS, "rejects")
    assert "500" in summary["reasons"][0]


async def test_an_error_in_every_fifth_answer_is_rejected(database: str) -> None:
    async with revision(database, one_in_five_fails()) as candidate, revision(database) as baseline:
        assert (await smoke(database, candidate.url, baseline.url))[0] == REJECTS


async def test_errors_that_only_load_brings_are_rejected(database: str) -> None:
    """The walk is clean: it takes fewer than fifty requests, and of those after them every fifth fails."""
    numbers = itertools.count(1)

    async def tires(request: web.Request, handler: Handler) -> web.StreamResponse:
        number = next(numbers)
        await asyncio.sleep(0.1)  # or what a busy machine adds would look as if the baseline suffered
        return web.Response(status=500) if number > 50 and number % 5 == 0 else await handler(request)

    async with revision(database, tires) as candidate, revision(database, takes(0.1)) as baseline:
        # It ends once the candidate is found out; a busy machine sends fewer a second.
        code, summary = await smoke(database, candidate.url, baseline.url, seconds=20)
    assert code == REJECTS
    assert "under load" in summary["reasons"][0]


async def test_answers_that_take_five_times_as_long_are_rejected(database: str) -> None:
    async with (
        # Far above what a busy machine adds; after the walk, which would take half a minute.
        revision(database, takes(0, after=50, later=0.6)) as candidate,
        revision(database, takes(0.12)) as baseline,
    ):
        code, summary = await smoke(database, candidate.url, baseline.url, rate=8, seconds=5)
    assert code == REJECTS, summary
    assert "times as long" in summary["reasons"][0]


async def test_a_candidate_that_hangs_is_rejected(database: str) -> None:
    async with revision(database, hangs) as candidate, revision(database) as baseline:
        code, summary = await smoke(database, candidate.url, baseline.url)
    assert code == REJECTS
    assert summary["reasons"] == ["sign-in: no answer within 5 s"]


async def test_a_candidate_that_hangs_up_is_rejected(database: str) -> None:
    async with revision(database, hangs_up) as candidate, revision(database) as baseline:
        assert (await smoke(database, candidate.url, baseline.url))[0] == REJECTS


async def test_a_candidate_that_closes_websockets_is_rejected(database: str) -> None:
    async with revision(database, closes_websockets) as candidate:
        code, summary = await smoke(database, candidate.url)
    assert (code, summary["reasons"]) == (REJECTS, ["socket: was closed with 1011"])


async def test_a_candidate_that_shows_too_much_is_rejected(database: str) -> None:
    async with running_api(database) as api, revision(database, shows_too_much) as candidate:
        await readiness(api, 200)
        await api.person("harry")
        await api.report("harry")
        code, summary = await smoke(database, candidate.url)
    assert code == REJECTS
    assert "above MISCHIEF" in summary["reasons"][0]


async def test_a_report_whose_answer_was_lost_is_undone_too(database: str) -> None:
    async with running_api(database) as api, revision(database, fails_to_store) as candidate:
        await readiness(api, 200)
        code, summary = await smoke(database, candidate.url)
        assert code == REJECTS
        assert summary["accountRemoved"] is True
        assert set((await left(api)).values()) == {0}
    assert candidate.writes.count(("POST", "/api/incidents")) == 1


async def test_nothing_listens_where_the_candidate_should_be(database: str) -> None:
    async with revision(database) as baseline:
        code, summary = await smoke(database, f"http://127.0.0.1:{free_port()}", baseline.url)
    assert code == REJECTS
    assert "liveness" in summary["reasons"][0]


async def test_a_baseline_that_is_as_sick_is_no_reason_to_reject(database: str) -> None:
    async with (
        revision(database, one_in_five_fails()) as candidate,
        revision(database, one_in_five_fails()) as baseline,
    ):
        code, summary = await smoke(database, candidate.url, baseline.url)
    assert (code, summary["outcome"]) == (ENVIRONMENT, "environment")
    assert "the baseline fails too" in summary["reasons"][0]


async def test_both_hang(database: str) -> None:
    async with revision(database, hangs) as candidate, revision(database, hangs) as baseline:
        code, summary = await smoke(database, candidate.url, baseline.url)
    assert (code, summary["outcome"]) == (ENVIRONMENT, "environment")


async def test_the_load_stops_when_the_baseline_slows_down(database: str) -> None:
    async with (
        revision(database) as candidate,
        revision(database, takes(0.002, after=40, later=0.3)) as baseline,
    ):
        code, summary = await smoke(database, candidate.url, baseline.url, seconds=20)
    assert summary["loadStopped"].startswith("the baseline slows down")
    assert code == (0 if summary["pairs"] >= 20 else ENVIRONMENT)
    assert len(baseline.asked) < 100, "of 400"


async def test_what_is_missing_is_the_environment(database: str) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    async with revision(database) as candidate:
        code, summary = await smoke(database, candidate.url, nowhere)
        assert (code, summary["accountRemoved"]) == (ENVIRONMENT, True)
        assert "the baseline cannot be reached" in summary["reasons"][0]
        assert candidate.asked == []

        away = f"postgresql://u:p@127.0.0.1:{free_port()}/map"
        code, summary = await smoke(away, candidate.url)
        assert (code, summary["accountRemoved"]) == (ENVIRONMENT, None)
        assert "the database cannot be reached" in summary["reasons"][0]

    code, out, _ = await run(f"smoke --candidate {nowhere}", {})
    assert (code, json.loads(out)["reasons"][0].split()[0]) == (ENVIRONMENT, "DATABASE_URL")
    assert (await run("smoke --candidate candidate", {"DATABASE_URL": database}))[0] == 2


async def test_without_a_schema_no_account_can_be_made(empty_database: str) -> None:
    code, summary = await smoke(empty_database, f"http://127.0.0.1:{free_port()}")
    assert (code, summary["accountRemoved"]) == (ENVIRONMENT, None)
    assert "the database refuses" in summary["reasons"][0]


async def test_a_database_that_goes_away_meanwhile(own_postgres: LocalPostgres) -> None:
    """The candidate's 503s are not its own, and upkeep finds the account later."""
    database = own_postgres.create_database("map")
    await migrate(database, shipped_migrations())

    stopped = False

    async def breaks(request: web.Request, handler: Handler) -> web.StreamResponse:
        nonlocal stopped
        if request.path == "/api/incidents" and not stopped:
            stopped = True
            await asyncio.to_thread(own_postgres.stop)
        return await handler(request)

    async with revision(database, breaks) as candidate:
        code, summary = await smoke(database, candidate.url)
    assert (code, summary["accountRemoved"]) == (ENVIRONMENT, False)
    assert "the database cannot be reached" in summary["reasons"][0]


async def test_sigterm_removes_the_account(database: str) -> None:
    async with running_api(database) as api, revision(database, hangs) as candidate:
        await readiness(api, 200)
        async with program(f"smoke --candidate {candidate.url}", {"DATABASE_URL": database}) as running:
            await until(lambda: _asked(candidate))
            assert (await left(api))["users"] == 1
            running.terminate()
            running.terminate()
            code, out, _ = await running.ended()
        assert (code, json.loads(out)["accountRemoved"]) == (ENVIRONMENT, True)
        assert (await left(api))["users"] == 0


async def test_what_a_killed_run_left_is_removed_later(database: str) -> None:
    """By upkeep and by the next run, after an hour; accounts of people with such a name never."""
    async with running_api(database) as api, revision(database, hangs_at_changes) as candidate:
        await readiness(api, 200)
        await api.person("smoke.0123456789abcdef")
        await api.report("smoke.0123456789abcdef")
        everything = await left(api)
        command = f"smoke --candidate {candidate.url}"
        async with program(command, {"DATABASE_URL": database}) as running:
            await until(lambda: _changing(candidate))
            running.child.kill()
            await running.ended()
        assert (await left(api))["users"] == 2
        assert (await left(api))["incidents"] == 2

        upkeep = Upkeep(api.service.domain._db, Metrics())
        now = datetime.now(UTC)
        await upkeep.once(now + timedelta(minutes=58))
        assert (await left(api))["users"] == 2
        await upkeep.once(now + timedelta(minutes=60, seconds=30))
        rows = await api.sql("SELECT count(*) FROM incidents WHERE deleted_at IS NULL")
        assert ((await left(api))["users"], rows[0][0]) == (2, 1), "out of sight first"
        await upkeep.once(now + timedelta(minutes=62))
        assert {**(await left(api)), "refresh_tokens": 1} == {**everything, "refresh_tokens": 1}


async def test_the_next_run_removes_what_is_an_hour_old(database: str) -> None:
    async with running_api(database) as api, revision(database) as candidate:
        await readiness(api, 200)
        await _admitted(database, "smoke.old@hogwarts.edu")
        await _admitted(database, "smoke.new@hogwarts.edu")
        long_ago = datetime.now(UTC) - timedelta(hours=2)
        await api.sql("UPDATE users SET created_at = $1 WHERE email LIKE 'smoke.old%'", long_ago)
        await api.sql("UPDATE admin_actions SET at = $1 WHERE email LIKE 'smoke.old%'", long_ago)
        assert (await smoke(database, candidate.url))[0] == 0
        rows = await api.sql("SELECT email FROM users")
        assert [row["email"] for row in rows] == ["smoke.new@hogwarts.edu"]


async def _admitted(database: str, email: str) -> None:
    connection = await asyncpg.connect(database)
    async with connection.transaction():
        await visitors.admit(connection, email, "no hash", "test")
    await connection.close()


async def hangs_at_changes(request: web.Request, handler: Handler) -> web.StreamResponse:
    return await (hangs(request, handler) if request.method == "PATCH" else handler(request))


async def _asked(candidate: Revision) -> bool:
    return ("POST", "/api/auth/login") in candidate.asked


async def _changing(candidate: Revision) -> bool:
    return any(method == "PATCH" for method, _ in candidate.asked)
