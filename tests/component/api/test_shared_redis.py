"""One Redis for much: what limits count survives a cache that fills it, and installations keep apart."""

import asyncio
import logging
from functools import partial

import pytest
from dev.local_services import LocalPostgres, LocalRedis, local_redis
from redis import Redis
from tests.component.api.sockets import connected
from tests.component.conftest import PASSWORD, Api, readiness, running_api, until

from maraudersmap_api.infra.migrate import migrate, shipped_migrations

pytestmark = pytest.mark.usefixtures("unhurried")

MEGABYTE = 1024 * 1024
A_LARGE_ONE = """INSERT INTO incidents (title, location, reported_by, evidence_urls)
                 SELECT 'large', 'HOGWARTS', id, ARRAY['https://hogwarts.edu/' || repeat('x', 190000)]
                 FROM users, generate_series(1, $1)"""


async def guesses(api: Api, count: int, name: str = "moody") -> list[int]:
    """Statuses of so many wrong passwords, one after the other."""
    body = {"email": f"{name}@hogwarts.edu", "password": "alohomora"}
    return [(await api.call("POST", "/api/auth/login", json=body)).status for _ in range(count)]


async def test_lists_that_fill_redis_do_not_make_failed_logins_forgotten(database: str) -> None:
    with local_redis("16mb") as small:
        async with running_api(database, REDIS_URL=small.url) as api:
            await readiness(api, 200, cache="healthy")
            await api.person("moody", "AUROR")
            await api.sql(A_LARGE_ONE, 120)
            assert await guesses(api, 5) == [401] * 5

            read = 0
            for page in range(1, 121):
                reply = await api.call("GET", f"/api/incidents?limit=1&page={page}", user="moody")
                read += len(reply.body["data"][0]["evidenceUrls"][0])

            assert read > 16 * MEGABYTE
            assert await guesses(api, 5) == [429] * 5


async def test_an_instance_of_their_own_outlives_the_cache(database: str) -> None:
    with local_redis() as cache, local_redis() as limits:
        async with (
            running_api(database, REDIS_URL=cache.url, LIMITS_REDIS_URL=limits.url) as one,
            running_api(database, REDIS_URL=cache.url, LIMITS_REDIS_URL=limits.url) as two,
        ):
            for api in (one, two):
                await readiness(api, 200, cache="healthy")
            await one.person("moody", "AUROR")
            assert await guesses(one, 3) + await guesses(two, 2) == [401] * 5

            await asyncio.to_thread(cache.stop)

            assert await guesses(one, 1) + await guesses(two, 1) == [429] * 2


async def test_sharing_is_warned_of_once_and_an_evicting_instance_too(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    def warnings() -> list[str]:
        return [r.getMessage() for r in caplog.records if "LIMITS_REDIS_URL" in r.getMessage()]

    async def warned() -> bool:
        return len(warnings()) > 0

    with caplog.at_level(logging.WARNING), local_redis() as cache, local_redis() as limits:
        async with running_api(database, REDIS_URL=cache.url) as api:
            await readiness(api, 200, cache="healthy")
            assert len(warnings()) == 1
            assert "set LIMITS_REDIS_URL to an instance of their own" in warnings()[0]
        caplog.clear()
        async with running_api(database, REDIS_URL=cache.url, LIMITS_REDIS_URL=limits.url) as api:
            await readiness(api, 200, cache="healthy")
            await until(warned)
            assert "set its maxmemory-policy to noeviction" in warnings()[0]
        caplog.clear()
        async with running_api(database) as api:
            await readiness(api, 200)
            assert warnings() == []


SAME = ("", "")
NUMBERED = ("?db=0", "?db=1")


@pytest.mark.parametrize(
    ("numbers", "prefixes"),
    [
        pytest.param(SAME, ("hogwarts", "durmstrang"), id="same URL, a prefix each"),
        pytest.param(NUMBERED, ("hogwarts", "durmstrang"), id="two numbers, a prefix each"),
        pytest.param(SAME, ("", ""), id="same URL"),
        pytest.param(NUMBERED, ("", ""), id="two numbers"),
    ],
)
async def test_two_installations_on_one_redis_never_mix(
    postgres: LocalPostgres, redis: LocalRedis, numbers: tuple[str, str], prefixes: tuple[str, str]
) -> None:
    urls = [postgres.create_database(name) for name in ("hogwarts", "durmstrang")]
    for url in urls:
        await migrate(url, shipped_migrations())
    here, there = (
        {"REDIS_URL": redis.url + number, "REDIS_PREFIX": prefix, "RATE_LIMIT_ANONYMOUS": "30"}
        for number, prefix in zip(numbers, prefixes, strict=True)
    )
    try:
        async with (
            running_api(urls[0], schema_version=None, **here) as ours,
            running_api(urls[1], schema_version=None, **there) as theirs,
            running_api(urls[1], schema_version=None, **there) as their_other_pod,
        ):
            for api in (ours, theirs, their_other_pod):
                await readiness(api, 200, cache="healthy")
                await until(partial(_listens, api))
            for api in (ours, theirs):
                await api.person("moody", "AUROR")
                await api.report("moody")
            their_other_pod.tokens = theirs.tokens
            await theirs.report("moody")
            async with connected(theirs, "moody") as client:
                # lists: an Auror's are shared by all Aurors
                totals = [
                    (await api.call("GET", "/api/incidents", user="moody")).body["total"]
                    for _ in range(3)
                    for api in (ours, theirs)
                ]
                assert totals == [1, 2] * 3
                # events: incident 1 is there on both sides
                changed = await ours.call("PATCH", "/api/incidents/1", user="moody", json={"title": "ours"})
                assert changed.status == 200
                marker = await their_other_pod.report("moody", "marker")  # travels behind it
                frame = await client.expect("incident:created")
                assert frame["data"]["id"] == marker["id"]
                assert client.kept == []
                # presence
                online = await ours.call("GET", "/api/presence/online", user="moody")
                assert online.body["total"] == 0
            # failed logins, and the allowance of an address
            assert await guesses(ours, 6) == [401] * 5 + [429]
            assert await guesses(theirs, 1) == [401]
            assert 429 in [(await ours.call("GET", "/api/nothing")).status for _ in range(30)]
            signed_in = await theirs.call(
                "POST", "/api/auth/login", json={"email": "moody@hogwarts.edu", "password": PASSWORD}
            )
            assert signed_in.status == 200
    finally:
        for name in ("hogwarts", "durmstrang"):
            postgres.drop_database(name)
        # each database number is its own; the next case starts without what this one counted
        with Redis.from_url(redis.url) as client:
            client.flushall()


async def _listens(api: Api) -> bool:
    return api.service.domain.realtime.hears_others
