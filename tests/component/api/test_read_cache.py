"""The read cache over a real Redis: two processes' worth of it, and every way an old answer could come back."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from dev.local_services import LocalRedis, local_redis
from tests.component.conftest import until

from maraudersmap_api.errors import Unavailable
from maraudersmap_api.infra import cache as module
from maraudersmap_api.infra.cache import Hit, ReadCache
from maraudersmap_api.infra.metrics import Metrics
from maraudersmap_api.infra.redis import Redis

LISTS = ("lists",)


class Store:
    """What stands for the database: a value, and how often it was asked."""

    def __init__(self) -> None:
        self.value = b"first"
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def load(self) -> bytes:
        self.asked += 1
        seen = self.value
        await self.gate.wait()
        return seen

    async def was_asked(self, times: int) -> None:
        async with asyncio.timeout(10):
            while self.asked < times:  # noqa: ASYNC110 - a count is what the tests are about
                await asyncio.sleep(0)

    async def away(self) -> bytes:
        raise Unavailable("away")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def process(server: LocalRedis, clock: Clock) -> AsyncIterator[ReadCache]:
    """One process's cache, subscribed."""
    redis = Redis(server.url, Metrics())
    cache = ReadCache(redis, Metrics(), clock)
    cache.start()
    assert cache._subscriber is not None
    subscriber = cache._subscriber

    async def subscribed() -> bool:
        return subscriber.subscribed

    await until(subscribed)
    yield cache
    await cache.stop()
    await redis.close()


@pytest.fixture
def server() -> Iterator[LocalRedis]:
    """A server of one's own: some tests stop it."""
    with local_redis() as running:
        yield running


async def test_one_query_serves_everybody_for_a_while(server: LocalRedis) -> None:
    store, clock = Store(), Clock()
    async with process(server, clock) as one, process(server, clock) as two:
        hits = await asyncio.gather(*(one.get("k", LISTS, store.load) for _ in range(50)))
        assert ({hit.value for hit in hits}, store.asked) == ({b"first"}, 1)

        async def shared() -> bool:
            return (await two.get("k", LISTS, store.load)).value == b"first" and store.asked == 1

        await until(shared)
        clock.now += module.LOCAL_SECONDS  # the shared one still stands
        assert (await one.get("k", LISTS, store.load)).value == b"first"
        assert store.asked == 1


async def test_a_writer_reads_its_own_write_and_the_other_process_soon(server: LocalRedis) -> None:
    store, clock = Store(), Clock()
    async with process(server, clock) as one, process(server, clock) as two:
        for cache in (one, two):
            await cache.get("k", LISTS, store.load)
        store.value = b"second"
        one.invalidate(LISTS)

        assert (await one.get("k", LISTS, store.load)).value == b"second"  # at once
        await one.settled()

        async def heard() -> bool:
            return (await two.get("k", LISTS, store.load)).value == b"second"

        await until(heard)


async def test_a_fill_that_a_write_overtook_is_never_read(server: LocalRedis) -> None:
    store, clock = Store(), Clock()
    async with process(server, clock) as one, process(server, clock) as two:
        store.gate.clear()
        slow = asyncio.create_task(one.get("k", LISTS, store.load))
        await store.was_asked(1)
        store.value = b"second"
        two.invalidate(LISTS)
        await two.settled()
        store.gate.set()

        assert (await slow).value == b"first"  # it asked before the write
        clock.now += module.LOCAL_SECONDS
        for cache in (one, two):
            assert (await cache.get("k", LISTS, store.load)).value == b"second"


async def test_readers_after_a_write_do_not_join_a_query_from_before_it(server: LocalRedis) -> None:
    store, clock = Store(), Clock()
    async with process(server, clock) as cache:
        store.gate.clear()
        before = asyncio.create_task(cache.get("k", LISTS, store.load))
        await store.was_asked(1)
        store.value = b"second"
        cache.invalidate(LISTS)
        after = asyncio.create_task(cache.get("k", LISTS, store.load))
        await store.was_asked(2)
        store.gate.set()

        assert ((await before).value, (await after).value) == (b"first", b"second")
        assert (await cache.get("k", LISTS, store.load)).value == b"second"


async def test_an_evicted_generation_does_not_revive_old_entries(server: LocalRedis) -> None:
    store, clock = Store(), Clock()
    async with process(server, clock) as cache:
        assert cache._redis is not None
        client = cache._redis.client

        async def filled() -> bool:
            await cache.get("k", LISTS, store.load)
            return bool(await client.exists("cache:k"))

        await until(filled)
        store.value = b"second"
        await client.delete("cache:generation:lists")
        clock.now += module.LOCAL_SECONDS

        assert (await cache.get("k", LISTS, store.load)).value == b"second"


async def test_without_redis_it_goes_on_and_catches_up(server: LocalRedis) -> None:
    store, clock = Store(), Clock()
    async with process(server, clock) as cache:
        await cache.get("k", LISTS, store.load)
        await asyncio.to_thread(server.stop)
        store.value = b"second"
        cache.invalidate(LISTS)
        await cache.settled()  # gives up
        assert (await cache.get("k", LISTS, store.load)).value == b"second"
        await asyncio.to_thread(server.start)

        async def delivered() -> bool:
            assert cache._redis is not None
            return not cache._owed and bool(await cache._redis.client.exists("cache:generation:lists"))

        await until(delivered)


async def test_alone_it_keeps_nothing_because_others_may_be_writing() -> None:
    store, cache = Store(), ReadCache(None, Metrics())

    for expected in (1, 2):
        assert (await cache.get("k", LISTS, store.load)).value == b"first"
        assert store.asked == expected


async def test_when_the_database_is_away_what_stands_is_served_marked_stale() -> None:
    store, clock = Store(), Clock()
    cache = ReadCache(None, Metrics(), clock)
    await cache.get("k", LISTS, store.load)
    clock.now += 60

    assert await cache.get("k", LISTS, store.away) == Hit(b"first", stale=True, age=60)
    with pytest.raises(Unavailable):
        await cache.get("other", LISTS, store.away)
    cache.invalidate(LISTS)  # now it is known to be wrong
    with pytest.raises(Unavailable):
        await cache.get("k", LISTS, store.away)


async def test_the_local_tier_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOCAL_BYTES", 100)
    store, cache = Store(), ReadCache(None, Metrics())

    for number in range(1000):
        await cache.get(str(number), LISTS, store.load)

    assert sum(len(entry.value) for entry in cache._entries.values()) == cache._bytes <= 100


async def test_an_error_reaches_everyone_who_waits_and_is_not_kept() -> None:
    cache = ReadCache(None, Metrics())
    store = Store()

    results = await asyncio.gather(
        *(cache.get("k", LISTS, store.away) for _ in range(3)), return_exceptions=True
    )

    assert [type(result) for result in results] == [Unavailable] * 3
    assert (await cache.get("k", LISTS, store.load)).value == b"first"


async def test_a_reader_who_leaves_does_not_take_the_answer_along() -> None:
    cache, store = ReadCache(None, Metrics()), Store()
    store.gate.clear()
    leaving = asyncio.create_task(cache.get("k", LISTS, store.load))
    staying = asyncio.create_task(cache.get("k", LISTS, store.load))
    await store.was_asked(1)
    leaving.cancel()
    store.gate.set()

    assert (await staying).value == b"first"
    assert store.asked == 1
