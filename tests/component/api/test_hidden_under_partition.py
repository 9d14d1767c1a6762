"""What was hidden is hidden everywhere within a second, no matter which pod is cut off from Redis in which direction."""

import asyncio
from collections.abc import Iterator

import pytest
from dev.local_services import LocalRedis, local_redis
from tests.component.conftest import Api, readiness, running_api, until
from tests.component.partition import Link, link_to

HIDDEN_WITHIN_SECONDS = 1.0
WATCHED_SECONDS = 4.0  # a shared answer used to live for 30


@pytest.fixture
def own_redis() -> Iterator[LocalRedis]:
    """A server with nobody else's answers in it."""
    with local_redis() as server:
        yield server


async def reads(api: Api, source: str) -> float:
    text = (await api.call("GET", "/metrics")).body.decode()
    line = f'read_cache_reads_total{{source="{source}"}} '
    return sum(float(row.removeprefix(line)) for row in text.splitlines() if row.startswith(line))


async def sees(api: Api, user: str, incident_id: int) -> bool:
    """In the list, or by its id."""
    listed = await api.call("GET", "/api/incidents", user=user)
    shown = await api.call("GET", f"/api/incidents/{incident_id}", user=user)
    assert listed.status == 200
    assert shown.status in (200, 403)
    return incident_id in [one["id"] for one in listed.body["data"]] or shown.status == 200


@pytest.mark.parametrize("direction", ["requests", "answers", "both"])
@pytest.mark.parametrize("cut_off", ["writer", "reader"])
async def test_an_escalation_is_hidden_everywhere_within_a_second(
    database: str, own_redis: LocalRedis, cut_off: str, direction: str
) -> None:
    async with (
        link_to(own_redis) as first,
        link_to(own_redis) as second,
        running_api(database, REDIS_URL=first.url) as writer,
        running_api(database, REDIS_URL=second.url) as reader,
    ):
        for api in (writer, reader):
            await readiness(api, 200, cache="healthy")
        await writer.person("moody", "AUROR")
        await writer.person("harry")
        reader.tokens = writer.tokens
        number = (await writer.report("moody", "Boggart in the wardrobe"))["id"]

        async def shared() -> bool:
            await sees(reader, "harry", number)
            return await reads(reader, "shared") > 0

        await until(shared)  # else there would be nothing old to serve
        # given
        link: Link = first if cut_off == "writer" else second
        link.loses_requests = direction in ("requests", "both")
        link.loses_answers = direction in ("answers", "both")
        # when
        path = f"/api/incidents/{number}"
        changed = await writer.call("PATCH", path, user="moody", json={"severity": "DANGEROUS"})
        assert changed.status == 200
        clock = asyncio.get_running_loop().time
        answered = clock()

        # then
        async def watched() -> bool:
            since = clock() - answered  # when it is asked, not when it is answered
            if await sees(reader, "harry", number):
                assert since < HIDDEN_WITHIN_SECONDS
            return since > WATCHED_SECONDS

        await until(watched)
        # and when it heals, changes are announced and answers shared again
        link.heal()
        another = (await writer.report("moody", "another"))["id"]

        async def shared_again() -> bool:
            before = await reads(reader, "shared")
            seen = await sees(reader, "harry", another)
            assert not await sees(reader, "harry", number)
            return seen and await reads(reader, "shared") > before

        await until(shared_again)


async def test_who_cannot_announce_says_so(
    database: str, own_redis: LocalRedis, caplog: pytest.LogCaptureFixture
) -> None:
    async with link_to(own_redis) as link, running_api(database, REDIS_URL=link.url) as api:
        await readiness(api, 200, cache="healthy")
        await api.person("moody", "AUROR")
        link.loses_requests = True
        for _ in range(3):
            await api.report("moody")

        async def said() -> bool:
            text = (await api.call("GET", "/metrics")).body.decode()
            return any(
                row.startswith("read_cache_unannounced_total ") and float(row.split()[1]) >= 1
                for row in text.splitlines()
            )

        await until(said)
        reported = [r for r in caplog.records if "Changes cannot be announced" in r.getMessage()]
        assert len(reported) == 1
