"""What the cache must never do: show an old answer to a writer, or anything to those who may no longer see it."""

import asyncio

import pytest
from dev.local_services import LocalPostgres, LocalRedis
from tests.component.conftest import PATIENCE_SECONDS, Api, readiness, running_api, until

from maraudersmap_api.infra import cache
from maraudersmap_api.infra.migrate import migrate, shipped_migrations


async def cache_reads(api: Api, source: str) -> float:
    text = (await api.call("GET", "/metrics")).body.decode()
    prefix = f'read_cache_reads_total{{source="{source}"}} '
    return sum(float(line.removeprefix(prefix)) for line in text.splitlines() if line.startswith(prefix))


async def _hears_of_changes(api: Api) -> bool:
    """Else every answer is asked for each time."""
    subscriber = api.service.domain._reads._cache._subscriber
    return subscriber is not None and subscriber.subscribed


async def test_a_writer_reads_what_was_written_and_other_processes_follow(
    database: str, redis: LocalRedis
) -> None:
    async with (
        running_api(database, REDIS_URL=redis.url) as one,
        running_api(database, REDIS_URL=redis.url) as two,
    ):
        for api in (one, two):
            await readiness(api, 200, cache="healthy")
        await one.person("moody", "AUROR")
        two.tokens = one.tokens
        made = await one.report("moody", title="before")
        path = f"/api/incidents/{made['id']}"
        for api in (one, two):
            assert (await api.call("GET", path, user="moody")).body["title"] == "before"
            assert (await api.call("GET", "/api/incidents", user="moody")).body["total"] == 1

        for number in range(20):
            changed = await one.call("PATCH", path, user="moody", json={"title": f"after {number}"})
            assert changed.status == 200
            shown = await one.call("GET", path, user="moody")
            listed = await one.call("GET", "/api/incidents", user="moody")
            assert shown.body["title"] == listed.body["data"][0]["title"] == f"after {number}"
            assert shown.headers["ETag"] == changed.headers["ETag"]

        async def followed() -> bool:
            shown = await two.call("GET", path, user="moody")
            listed = await two.call("GET", "/api/incidents", user="moody")
            return bool(shown.body["title"] == listed.body["data"][0]["title"] == "after 19")

        await until(followed)
        await one.report("moody", title="another")
        assert (await one.call("GET", "/api/incidents", user="moody")).body["total"] == 2

        async def served_from_memory() -> bool:
            await one.call("GET", path, user="moody")
            return await cache_reads(one, "local") > 0

        await until(served_from_memory)


async def test_a_cached_incident_is_judged_for_each_reader(api: Api) -> None:
    await api.person("harry")
    await api.person("ron")
    await api.person("moody", "AUROR")
    mine = await api.report("harry")
    path = f"/api/incidents/{mine['id']}"
    for user in ("harry", "ron", "moody"):
        assert (await api.call("GET", path, user=user)).status == 200

    await api.call("PATCH", path, user="moody", json={"severity": "UNFORGIVABLE"})

    hidden = await api.call("GET", path, user="ron")
    assert hidden.status == 403
    assert "UNFORGIVABLE" not in str(hidden.body)
    assert (await api.call("GET", path, user="harry")).status == 200
    assert (await api.call("GET", "/api/incidents", user="ron")).body["total"] == 0
    await api.call("DELETE", path, user="moody")
    assert (await api.call("GET", path, user="harry")).status == 404


async def test_readers_share_a_query_but_not_across_what_they_may_view(
    database: str, redis: LocalRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The four readers need longer than the second for which an answer counts, on a busy machine.
    monkeypatch.setattr(cache, "LOCAL_SECONDS", PATIENCE_SECONDS)
    async with running_api(database, REDIS_URL=redis.url) as api:
        await readiness(api, 200, cache="healthy")
        await until(lambda: _hears_of_changes(api))
        for name, role in (("harry", "STUDENT"), ("ron", "STUDENT"), ("moody", "AUROR"), ("tonks", "AUROR")):
            await api.person(name, role)
        await api.report("harry", severity="DANGEROUS")

        totals = {
            name: (await api.call("GET", "/api/incidents", user=name)).body["total"]
            for name in ("moody", "harry", "ron", "tonks")
        }

        assert totals == {"moody": 1, "harry": 1, "ron": 0, "tonks": 1}
        assert await cache_reads(api, "loaded") == 3


async def test_while_the_database_is_away_known_reads_are_served_marked_stale(
    own_postgres: LocalPostgres,
) -> None:
    url = own_postgres.create_database("map")
    await migrate(url, shipped_migrations())
    async with running_api(url) as api:
        await readiness(api, 200)
        await api.person("moody", "AUROR")
        await api.person("harry")
        made = await api.report("moody")
        path = f"/api/incidents/{made['id']}"
        for known in (path, "/api/incidents"):
            assert (await api.call("GET", known, user="harry")).status == 200
            assert "Warning" not in (await api.call("GET", known, user="moody")).headers

        await asyncio.to_thread(own_postgres.stop)
        await readiness(api, 503)

        for known in (path, "/api/incidents"):
            reply = await api.call("GET", known, user="moody")
            assert (reply.status, reply.headers["Warning"]) == (200, '110 - "Response is Stale"')
            assert int(reply.headers["Age"]) >= 1
            # Only this process may be cut off, and others hide things meanwhile; from Aurors nothing is hidden.
            assert (await api.call("GET", known, user="harry")).status == 503
        for method, unknown in (("GET", "/api/incidents?limit=7"), ("PATCH", path)):
            reply = await api.call(method, unknown, user="moody", json={} if method == "PATCH" else None)
            assert (reply.status, reply.body["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
        await asyncio.to_thread(own_postgres.start)
        await readiness(api, 200)
        assert "Warning" not in (await api.call("GET", path, user="moody")).headers
