"""One connection to Redis for many callers: each gets the answer to what it asked, whatever happens to the connection."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from dev.local_services import LocalRedis, local_redis

from maraudersmap_api.infra import redis as module
from maraudersmap_api.infra.breaker import Circuit
from maraudersmap_api.infra.metrics import Metrics
from maraudersmap_api.infra.names import Names
from maraudersmap_api.infra.redis import CacheAway, Redis


@pytest.fixture
def server() -> Iterator[LocalRedis]:
    """A server of one's own: tests freeze it and ask it who is connected."""
    with local_redis() as running:
        yield running


@pytest.fixture
async def redis(server: LocalRedis) -> AsyncIterator[Redis]:
    made = Redis(server.url, Metrics(), Names("hogwarts"))
    yield made
    await made.close()


async def connections(redis: Redis) -> int:
    """How many `send` holds; the one that asks is not counted."""
    asked: list[dict[str, str]] = await redis.client.client_list()
    return len(asked) - 1


async def test_many_at_once_share_a_connection_and_each_gets_its_own_answer(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CALL_SECONDS", 30.0)  # how fast they come is not what this is about

    async def own(number: int) -> bool:
        await redis.send(("SET", f"k{number}", f"v{number}"))
        if number % 3 == 0:
            await asyncio.sleep(0)  # another turn of the loop, so another batch
        stored, counted = await redis.send(("GET", f"k{number}"), ("INCR", f"n{number}"))
        return bool(stored == b"v%d" % number and counted == 1)

    assert all(await asyncio.gather(*(own(number) for number in range(1200))))
    assert await connections(redis) == 1


async def test_one_that_is_refused_does_not_spoil_the_others(redis: Redis) -> None:
    await redis.send(("SET", "text", "potion"))
    found: list[object] = await asyncio.gather(
        redis.send(("GET", "text")),
        redis.send(("INCR", "text")),
        redis.send(("STRLEN", "text")),
        return_exceptions=True,
    )

    assert (found[0], found[2]) == ([b"potion"], [6])
    assert isinstance(found[1], CacheAway)
    assert redis.breaker.state is Circuit.CLOSED


async def test_a_connection_that_was_closed_meanwhile_is_made_again(redis: Redis) -> None:
    await redis.send(("SET", "k", "v"))
    await redis.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    assert await redis.send(("GET", "k")) == [b"v"]
    assert redis.breaker.state is Circuit.CLOSED


async def test_a_frozen_server_holds_no_one_longer_than_calls_may_take(
    redis: Redis, server: LocalRedis
) -> None:
    """Nor those who come while others wait; and what it answers late is no one's answer."""
    await redis.send(("SET", "k", "v"))
    server.pause()
    try:
        started = time.monotonic()
        first = [asyncio.create_task(redis.send(("INCR", "n"))) for _ in range(3)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not redis._waiting, "they should be on their way"
        later = [asyncio.create_task(redis.send(("GET", "k"))) for _ in range(3)]
        found = await asyncio.gather(*first, *later, return_exceptions=True)
        took = time.monotonic() - started
    finally:
        server.resume()  # a frozen one could not be stopped
    assert [type(answer) for answer in found] == [CacheAway] * 6
    assert took < 10 * module.CALL_SECONDS, "no time-out ended it"
    assert redis.breaker.state is Circuit.OPEN, "each of the six counts, not their batch"

    await redis.ping()
    assert await redis.send(("GET", "k")) == [b"v"]
