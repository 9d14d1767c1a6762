"""The real servers stopped and frozen under load: never a 500, the right 503, and recovery without a restart."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from dev.local_services import LocalPostgres, LocalRedis, local_redis
from tests.component.conftest import PATIENCE_SECONDS, Api, readiness, running_api, until

from maraudersmap_api.infra.migrate import migrate, shipped_migrations


@asynccontextmanager
async def load(api: Api, statuses: "Counter[tuple[str, int]]") -> AsyncIterator[None]:
    """Readers and writers without pause, until the block ends."""
    done = asyncio.Event()

    async def client(name: str, method: str, path: str, body: object) -> None:
        while not done.is_set():
            reply = await api.call(method, path, user="moody" if name != "login" else None, json=body)
            statuses[name, reply.status] += 1
            if reply.status == 503:
                assert int(reply.headers["Retry-After"]) >= 1
            await asyncio.sleep(0.02)  # a client that is refused at once must not fill the loop

    body = {"title": "x", "location": "HOGWARTS"}
    sign_in = {"email": "nobody@hogwarts.edu", "password": "alohomora"}
    async with asyncio.TaskGroup() as clients:
        for arguments in (
            ("list", "GET", "/api/incidents", None),
            ("list", "GET", "/api/incidents?limit=3", None),
            ("get", "GET", "/api/incidents/1", None),
            ("create", "POST", "/api/incidents", body),
            ("create", "POST", "/api/incidents", body),
            ("login", "POST", "/api/auth/login", sign_in),
        ):
            clients.create_task(client(*arguments))
        yield
        done.set()


async def metric(api: Api, line: str) -> float:
    text = (await api.call("GET", "/metrics")).body.decode()
    return next((float(row.rpartition(" ")[2]) for row in text.splitlines() if row.startswith(line)), 0.0)


async def served(
    api: Api, statuses: "Counter[tuple[str, int]]", name: str, status: int, more: int = 5
) -> None:
    """Wait until so many more of these answers have been given."""
    before = statuses[name, status]

    async def holds() -> bool:
        return statuses[name, status] >= before + more

    await until(holds)


@pytest.mark.parametrize("fault", ["stop", "pause"])
async def test_the_database_goes_and_comes_back_under_load(own_postgres: LocalPostgres, fault: str) -> None:
    url = own_postgres.create_database("map")
    await migrate(url, shipped_migrations())
    harm: Callable[[], None] = own_postgres.stop if fault == "stop" else own_postgres.pause
    heal: Callable[[], None] = own_postgres.start if fault == "stop" else own_postgres.resume
    statuses: Counter[tuple[str, int]] = Counter()
    async with running_api(url) as api:
        await readiness(api, 200)
        await api.person("moody", "AUROR")
        await api.report("moody")
        async with load(api, statuses):
            await served(api, statuses, "create", 201)
            await asyncio.to_thread(harm)
            try:
                body = await readiness(api, 503)
                assert body["checks"]["database"] == "unhealthy"
                assert (await api.call("GET", "/health/live")).status == 200
                await served(api, statuses, "create", 503)
                assert await metric(api, 'dependency_up{dependency="database"}') == 0
                assert (
                    await metric(api, 'circuit_breaker_transitions_total{dependency="database",state="open"}')
                    > 0
                )
            finally:
                await asyncio.to_thread(heal)
            await readiness(api, 200)
            await served(api, statuses, "create", 201)
            await served(api, statuses, "list", 200)
            assert await metric(api, 'circuit_breaker_state{dependency="database",state="closed"}') == 1
            assert await metric(api, 'dependency_up{dependency="database"}') == 1
        assert {status for _, status in statuses} <= {200, 201, 401, 429, 503}
        assert statuses["get", 404] == 0
        # nothing is half-written
        (incidents,) = await api.sql("SELECT count(*) FROM incidents")
        (history,) = await api.sql("SELECT count(*) FROM incident_history")
        assert history[0] == 2 * incidents[0]
        # What was answered with 201 is there; a 503 may hide one that was stored just as the connection broke.
        created = statuses["create", 201] + 1
        assert created <= incidents[0] <= created + 2


@pytest.mark.parametrize("fault", ["stop", "pause"])
async def test_the_cache_goes_and_comes_back_under_load_and_nobody_notices(database: str, fault: str) -> None:
    statuses: Counter[tuple[str, int]] = Counter()
    with local_redis() as redis:
        harm: Callable[[], None] = redis.stop if fault == "stop" else redis.pause
        heal: Callable[[], None] = redis.start if fault == "stop" else redis.resume
        async with running_api(database, REDIS_URL=redis.url) as api:
            await readiness(api, 200, cache="healthy")
            await api.person("moody", "AUROR")
            await api.report("moody")
            async with load(api, statuses):
                await served(api, statuses, "create", 201)
                await asyncio.to_thread(harm)
                try:
                    assert (await readiness(api, 200, cache="unhealthy"))["status"] == "degraded"
                    await served(api, statuses, "create", 201)
                    await served(api, statuses, "list", 200)
                    assert await metric(api, "rate_limit_local_fallbacks_total") > 0
                    assert (
                        await metric(
                            api, 'circuit_breaker_transitions_total{dependency="cache",state="open"}'
                        )
                        > 0
                    )
                finally:
                    await asyncio.to_thread(heal)
                assert (await readiness(api, 200, cache="healthy"))["status"] == "ready"

                async def closed() -> bool:
                    return await metric(api, 'circuit_breaker_state{dependency="cache",state="closed"}') == 1

                await until(closed)
                await served(api, statuses, "create", 201)
    assert {status for _, status in statuses} <= {200, 201, 401, 429}


def test_pausing_is_what_it_says(own_postgres: LocalPostgres) -> None:
    """The fault itself, or the tests above would prove nothing."""
    own_postgres.pause()
    pid = int((own_postgres._data / "postmaster.pid").read_text().split()[0])

    def state() -> str:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0]

    try:
        # The signal takes effect when the process is next scheduled, which is not at once on a busy machine.
        deadline = time.monotonic() + PATIENCE_SECONDS
        while state() != "T" and time.monotonic() < deadline:
            time.sleep(0.01)
        assert state() == "T"
    finally:
        own_postgres.resume()


def test_a_paused_cache_is_resumed(redis: LocalRedis) -> None:
    redis.pause()
    redis.resume()
    assert redis._answers()
