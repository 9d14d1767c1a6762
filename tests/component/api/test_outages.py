"""Dependencies that die and come back, under a process that does not."""

import asyncio

import pytest
from dev.local_services import LocalPostgres, LocalRedis, local_redis
from tests.component.conftest import Api, readiness, running_api

from maraudersmap_api.infra.migrate import migrate, shipped_migrations

CUT = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE application_name = 'marauders-map-api' AND datname = current_database()"""


async def test_a_dead_database_is_503_everywhere_and_heals(own_postgres: LocalPostgres) -> None:
    # given
    url = own_postgres.create_database("map")
    await migrate(url, shipped_migrations())
    async with running_api(url) as api:
        await readiness(api, 200)
        await api.person("harry")
        # when
        await asyncio.to_thread(own_postgres.stop)
        # then: requests are refused at once, even before readiness turns
        early = await api.call("GET", "/api/incidents", user="harry")
        assert (early.status, early.body["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
        assert int(early.headers["Retry-After"]) >= 1
        body = await readiness(api, 503)
        assert body["checks"]["database"] == "unhealthy"
        assert (await api.call("GET", "/health/live")).status == 200
        login = await api.call(
            "POST", "/api/auth/login", json={"email": "x@hogwarts.edu", "password": "12345678"}
        )
        assert login.status == 503
        # and when it is back
        await asyncio.to_thread(own_postgres.start)
        await readiness(api, 200)
        assert (await api.call("GET", "/api/incidents", user="harry")).status == 200


async def test_a_database_missing_at_start_is_waited_for(own_postgres: LocalPostgres) -> None:
    url = own_postgres.create_database("map")
    await migrate(url, shipped_migrations())
    await asyncio.to_thread(own_postgres.stop)
    async with running_api(url) as api:
        await readiness(api, 503)
        assert (await api.call("GET", "/health/live")).status == 200

        await asyncio.to_thread(own_postgres.start)

        await readiness(api, 200)


async def test_a_read_only_database_is_no_database(database: str) -> None:
    """What is left after a failover answers reads; the service must not call itself ready on it."""
    async with running_api(database) as api:
        await readiness(api, 200)
        await api.person("harry")
        name = database.split("?")[0].rsplit("/", 1)[1]
        await api.sql(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        await api.sql(CUT)

        reply = await api.call(
            "POST", "/api/incidents", user="harry", json={"title": "x", "location": "HOGWARTS"}
        )
        assert reply.status == 503
        await readiness(api, 503)

        await api.sql(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
        await readiness(api, 200)


@pytest.mark.usefixtures("unhurried")
async def test_a_busy_database_is_not_a_dead_one(database: str) -> None:
    async with running_api(database, DB_POOL_SIZE="1") as api:
        await readiness(api, 200)
        await api.person("harry")
        replies = await asyncio.gather(*(api.call("GET", "/api/incidents", user="harry") for _ in range(200)))
        assert {reply.status for reply in replies} == {200}
        assert (await api.call("GET", "/health/ready")).status == 200


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("then", ["LOGIN", "NOLOGIN"])
async def test_a_server_that_gives_no_more_connections_is_no_dead_one(database: str, then: str) -> None:
    """Others have taken what there is, a rollout has twice as many pods, or the password is another one by now: what is left
    serves everybody, in turns."""
    async with running_api(database) as api:
        await readiness(api, 200)
        await api.sql("CREATE ROLE few LOGIN CONNECTION LIMIT 1")
        await api.sql("GRANT postgres TO few")
        few = database.replace("//postgres:", "//few:", 1)
        try:
            async with running_api(few, DB_POOL_SIZE="4", DATABASE_POOLER="none") as crowded:
                await readiness(crowded, 200)
                await crowded.person("harry")
                await api.sql(f"ALTER ROLE few {then}")
                for _ in range(5):
                    questions = (
                        crowded.call("GET", f"/api/incidents?limit={number}", user="harry")
                        for number in range(1, 41)
                    )
                    assert {reply.status for reply in await asyncio.gather(*questions)} == {200}
                    assert (await crowded.call("GET", "/health/ready")).status == 200
        finally:
            await api.sql("DROP OWNED BY few")
            await api.sql("DROP ROLE few")


@pytest.mark.parametrize("code", ["53100", "53200", "53400", "58030", "40001"])
async def test_a_database_without_room_refuses_what_it_cannot_store_and_goes_on(api: Api, code: str) -> None:
    """Its disk is full, its memory, its temporary files; it cannot read its disk; a standby has put recovery first."""
    # given
    await api.person("moody", "AUROR")
    incident = await api.report("moody")
    report = {"title": "Another", "location": "HOGWARTS"}
    await api.sql(
        f"""CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'could not extend file "base/16384/16400"' USING ERRCODE = '{code}'; END $$"""
    )
    await api.sql(
        "CREATE TRIGGER no_room AFTER INSERT OR UPDATE ON incidents FOR EACH ROW EXECUTE FUNCTION no_room()"
    )
    # when: a single statement, and a transaction; more often than opens the circuit
    address = f"/api/incidents/{incident['id']}"
    made = [await api.call("POST", "/api/incidents", user="moody", json=report) for _ in range(6)]
    changed = [await api.call("PATCH", address, user="moody", json={"title": "x"}) for _ in range(6)]
    # then
    for refused in (*made, *changed):
        assert (refused.status, refused.body["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
        assert int(refused.headers["Retry-After"]) >= 1
        assert "base/" not in str(refused.body)
    assert (await api.call("GET", address, user="moody")).body == incident
    # and when there is room again
    await api.sql("DROP TRIGGER no_room ON incidents")
    assert (await api.call("POST", "/api/incidents", user="moody", json=report)).status == 201
    assert (await api.call("GET", "/api/incidents", user="moody")).body["total"] == 2


async def test_connections_cut_under_load_are_never_a_500(api: Api) -> None:
    await api.person("harry")
    done = asyncio.Event()
    statuses: set[int] = set()

    async def client() -> None:
        while not done.is_set():
            body = {"title": "x", "location": "HOGWARTS"}
            statuses.add((await api.call("POST", "/api/incidents", user="harry", json=body)).status)
            statuses.add((await api.call("GET", "/api/incidents", user="harry")).status)

    async with asyncio.TaskGroup() as clients:
        for _ in range(6):
            clients.create_task(client())
        for _ in range(20):
            await api.sql(CUT)
        done.set()

    assert statuses <= {200, 201, 503}
    (incidents,) = await api.sql("SELECT count(*) FROM incidents")
    (history,) = await api.sql("SELECT count(*) FROM incident_history")
    (events,) = await api.sql("SELECT count(*) FROM events")
    assert (history[0], events[0]) == (2 * incidents[0], incidents[0])


async def test_without_a_cache_configured_it_is_disabled(api: Api) -> None:
    assert (await readiness(api, 200))["checks"] == {"database": "healthy", "cache": "disabled"}


async def test_a_dead_cache_degrades_and_heals(database: str) -> None:
    with local_redis() as redis:
        async with running_api(database, REDIS_URL=redis.url) as api:
            assert (await readiness(api, 200, cache="healthy"))["status"] == "ready"
            await asyncio.to_thread(redis.stop)
            assert (await readiness(api, 200, cache="unhealthy"))["status"] == "degraded"
            await api.person("harry")
            await api.report("harry")
            await asyncio.to_thread(redis.start)
            assert (await readiness(api, 200, cache="healthy"))["status"] == "ready"


async def test_the_strict_reading_needs_the_cache(database: str, redis: LocalRedis) -> None:
    async with running_api(database, READINESS_REQUIRES="database,cache") as api:
        await readiness(api, 503)
    async with running_api(database, READINESS_REQUIRES="database,cache", REDIS_URL=redis.url) as api:
        await readiness(api, 200)
