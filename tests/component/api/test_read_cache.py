"""The read cache over a real Redis: two processes' worth of it, and every way an old answer could come back."""

import asyncio
import gc
import json
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from dev.local_services import LocalRedis, local_redis
from tests.component.conftest import PATIENCE_SECONDS, until

from maraudersmap_api.errors import Unavailable
from maraudersmap_api.infra import cache as module
from maraudersmap_api.infra import shared_tier
from maraudersmap_api.infra.cache import Hit, ReadCache
from maraudersmap_api.infra.metrics import Metrics
from maraudersmap_api.infra.names import Names
from maraudersmap_api.infra.redis import Redis

pytestmark = pytest.mark.usefixtures("unhurried")

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
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.asked < times:  # noqa: ASYNC110 - a count is what the tests are about
                await asyncio.sleep(0)

    async def away(self) -> bytes:
        raise Unavailable("away")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Past:
    """What a process has read of the database's history: all of it up to this moment, unless a test stops it."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.floor = 10
        self.newest_change = 0
        self.stopped_at: float | None = None
        self.hurried = 0
        self.server = "first"

    def hurry(self) -> None:
        self.hurried += 1

    @property
    def read_at(self) -> float:
        return self.clock.now + 0.001 if self.stopped_at is None else self.stopped_at

    def change(self) -> None:
        """One is committed, and read of at once."""
        self.newest_change = self.floor
        self.floor += 1


NAMES = Names("hogwarts")


@asynccontextmanager
async def process(server: LocalRedis, past: Past, names: Names = NAMES) -> AsyncIterator[ReadCache]:
    """One process's cache, subscribed."""
    redis = Redis(server.url, Metrics(), names)
    cache = ReadCache(redis, Metrics(), past, past.clock)
    cache.start()
    assert cache._subscriber is not None
    subscriber = cache._subscriber

    async def subscribed() -> bool:
        return subscriber.subscribed

    try:
        await until(subscribed)
        yield cache
    finally:  # uvloop waits for ever for what is open when a failed test leaves
        await cache.stop()
        await redis.close()


@pytest.fixture
def server() -> Iterator[LocalRedis]:
    """A server of one's own: some tests stop it."""
    with local_redis() as running:
        yield running


async def test_one_query_serves_everybody_for_a_while(server: LocalRedis) -> None:
    store, past = Store(), Past(Clock())
    async with process(server, past) as one, process(server, past) as two:
        hits = await asyncio.gather(*(one.get("k", LISTS, store.load) for _ in range(50)))
        assert ({hit.value for hit in hits}, store.asked) == ({b"first"}, 1)

        assert one._redis is not None
        client = one._redis.client

        async def shared() -> bool:
            return bool(await client.exists("hogwarts:cache:first:k"))

        await until(shared)
        assert (await two.get("k", LISTS, store.load)).value == b"first"
        assert store.asked == 1
        past.clock.now += module.LOCAL_SECONDS  # the shared one still stands
        assert (await one.get("k", LISTS, store.load)).value == b"first"
        assert store.asked == 1


async def test_a_writer_reads_its_own_write_and_the_other_process_soon(server: LocalRedis) -> None:
    store, past = Store(), Past(Clock())
    async with process(server, past) as one, process(server, past) as two:
        for cache in (one, two):
            await cache.get("k", LISTS, store.load)
        store.value = b"second"
        past.change()
        one.invalidate(LISTS)

        assert (await one.get("k", LISTS, store.load)).value == b"second"  # at once
        await one.settled()

        async def heard() -> bool:
            return (await two.get("k", LISTS, store.load)).value == b"second"

        await until(heard)


async def test_a_fill_that_a_write_overtook_is_never_read(server: LocalRedis) -> None:
    store, past = Store(), Past(Clock())
    async with process(server, past) as one, process(server, past) as two:
        store.gate.clear()
        slow = asyncio.create_task(one.get("k", LISTS, store.load))
        await store.was_asked(1)
        store.value = b"second"
        past.change()
        two.invalidate(LISTS)
        await two.settled()
        store.gate.set()

        assert (await slow).value == b"first"  # it asked before the write
        past.clock.now += module.LOCAL_SECONDS
        for cache in (one, two):
            assert (await cache.get("k", LISTS, store.load)).value == b"second"


async def test_readers_after_a_write_do_not_join_a_query_from_before_it(server: LocalRedis) -> None:
    store, past = Store(), Past(Clock())
    async with process(server, past) as cache:
        store.gate.clear()
        before = asyncio.create_task(cache.get("k", LISTS, store.load))
        await store.was_asked(1)
        store.value = b"second"
        past.change()
        cache.invalidate(LISTS)
        after = asyncio.create_task(cache.get("k", LISTS, store.load))
        await store.was_asked(2)
        store.gate.set()

        assert ((await before).value, (await after).value) == (b"first", b"second")
        assert (await cache.get("k", LISTS, store.load)).value == b"second"


@asynccontextmanager
async def with_an_answer_in_redis(server: LocalRedis, past: Past, store: Store) -> AsyncIterator[ReadCache]:
    """A process whose own copy of a shared answer is over."""
    async with process(server, past) as cache:
        assert cache._redis is not None
        client = cache._redis.client

        async def filled() -> bool:
            await cache.get("k", LISTS, store.load)
            return bool(await client.exists("hogwarts:cache:first:k"))

        await until(filled)
        past.clock.now += module.LOCAL_SECONDS
        yield cache


async def test_a_change_that_nobody_announced_counts_as_soon_as_it_is_read(server: LocalRedis) -> None:
    """Its process died or cannot reach Redis: the old answer is still there, and nothing was published."""
    store, past = Store(), Past(Clock())
    async with with_an_answer_in_redis(server, past, store) as cache:
        store.value = b"second"
        past.change()

        assert (await cache.get("k", LISTS, store.load)).value == b"second"


async def test_nothing_shared_is_served_by_who_does_not_know_what_happened(server: LocalRedis) -> None:
    store, past = Store(), Past(Clock())
    async with with_an_answer_in_redis(server, past, store) as cache:
        assert (await cache.get("k", LISTS, store.load)).value == b"first"
        past.clock.now += 2 * module.LOCAL_SECONDS
        past.stopped_at = past.clock.now - module.TRUSTED_SECONDS
        store.value = b"second"

        assert (await cache.get("k", LISTS, store.load)).value == b"second"


async def test_what_was_shared_before_a_failover_is_not_served_by_who_knows_the_new_server_only(
    server: LocalRedis,
) -> None:
    """It may have a change that was lost, and numbers of transactions that are given a second time."""
    store, clock = Store(), Clock()
    before, after = Past(clock), Past(clock)
    after.server = "promoted"
    async with (
        process(server, before) as one,
        process(server, before) as two,
        process(server, after) as three,
    ):
        await one.get("k", LISTS, store.load)
        assert one._redis is not None
        client = one._redis.client

        async def shared() -> bool:
            return bool([key async for key in client.scan_iter("hogwarts:cache:*k")])

        await until(shared)
        store.value = b"without what was lost"
        assert (await two.get("k", LISTS, store.load)).value == b"first"
        assert (await three.get("k", LISTS, store.load)).value == b"without what was lost"


async def test_a_copy_of_a_shared_answer_is_as_old_as_what_is_known(server: LocalRedis) -> None:
    """Half a second old when it was copied: it counts for the other half only."""
    store, past = Store(), Past(Clock())
    async with with_an_answer_in_redis(server, past, store) as cache:
        past.stopped_at = past.clock.now - 0.5
        asked = store.asked
        await cache.get("k", LISTS, store.load)
        past.clock.now += 0.4
        assert (await cache.get("k", LISTS, store.load)).value == b"first"
        assert store.asked == asked
        past.clock.now += 0.2
        store.value = b"second"

        assert (await cache.get("k", LISTS, store.load)).value == b"second"


async def test_an_announcement_closes_the_shared_tier_until_the_change_was_read(server: LocalRedis) -> None:
    store, past = Store(), Past(Clock())
    async with with_an_answer_in_redis(server, past, store) as cache:
        past.stopped_at = past.clock.now  # the reading that knows of it comes later
        store.value = b"second"
        cache._heard(b'["hogwarts/another", ["lists", "change:7"]]')
        assert past.hurried == 0

        assert (await cache.get("k", LISTS, store.load)).value == b"second"
        assert past.hurried == 1, "somebody could use that reading"


async def test_a_change_takes_effect_once_however_often_it_is_heard_of(server: LocalRedis) -> None:
    store, past = Store(), Past(Clock())
    async with process(server, past) as cache:
        past.change()
        cache.invalidate(LISTS, [7])
        await cache.get("k", LISTS, store.load, shared=False)
        asked = store.asked
        cache.committed(7, LISTS)
        await cache.get("k", LISTS, store.load, shared=False)
        assert store.asked == asked
        past.change()
        cache.committed(8, LISTS)  # nobody announced this one
        await cache.get("k", LISTS, store.load, shared=False)
        assert store.asked == asked + 1


async def test_a_query_that_takes_too_long_is_not_joined_for_ever(server: LocalRedis) -> None:
    """Somebody may have changed something since it began, unheard."""
    store, past = Store(), Past(Clock())
    async with process(server, past) as cache:
        store.gate.clear()
        slow = asyncio.create_task(cache.get("k", LISTS, store.load))
        await store.was_asked(1)
        past.clock.now += module.LOCAL_SECONDS
        later = asyncio.create_task(cache.get("k", LISTS, store.load))
        await store.was_asked(2)
        store.gate.set()
        assert (await slow).value == (await later).value == b"first"


async def test_without_redis_it_goes_on_and_says_that_it_cannot_announce(server: LocalRedis) -> None:
    store, past = Store(), Past(Clock())
    async with process(server, past) as cache:
        await cache.get("k", LISTS, store.load)
        await asyncio.to_thread(server.stop)
        store.value = b"second"
        past.change()
        cache.invalidate(LISTS)
        await cache.settled()  # gives up
        assert (await cache.get("k", LISTS, store.load)).value == b"second"

        async def said() -> bool:
            return b"read_cache_unannounced_total 1.0" in cache._metrics.render()

        await until(said)
        await asyncio.to_thread(server.start)
        assert cache._delivery is not None
        await cache._delivery  # nothing is owed: a process that did not hear reads it in the database


async def test_installations_on_one_redis_neither_share_nor_hear_each_other(server: LocalRedis) -> None:
    """With a prefix each, and without one, when channels have the names of the release before."""
    for one, two in (
        (Names("hogwarts"), Names("durmstrang")),
        (Names("map-1", bridging=True), Names("map-2", bridging=True)),
    ):
        past = Past(Clock())
        here, there = Store(), Store()
        there.value = b"theirs"
        async with process(server, past, one) as ours, process(server, past, two) as theirs:
            await ours.get("k", LISTS, here.load)
            assert (await theirs.get("k", LISTS, there.load)).value == b"theirs"
            here.value = b"second"
            past.clock.now += 0.1
            ours.invalidate(LISTS)
            await ours.settled()
            # something of their own, heard after it
            async with process(server, past, two) as neighbour:
                neighbour.invalidate(("other",))
                await until(lambda: _has_heard(theirs, "other"))
            assert "lists" not in theirs._generations


async def _has_heard(cache: ReadCache, tag: str) -> bool:
    return tag in cache._generations


async def test_the_release_before_understands_what_this_one_announces(server: LocalRedis) -> None:
    """It takes a sender and tags from a channel without prefix, and relies on a generation in Redis."""
    past = Past(Clock())
    async with process(server, past, Names("map-1", bridging=True)) as cache:
        assert cache._redis is not None
        client = cache._redis.client
        channel = client.pubsub()
        await channel.subscribe("cache:invalidated")
        before = await client.get("cache:generation:lists")
        cache.invalidate(("lists", "incident:7"), [12])
        await cache.settled()
        while True:
            message = await channel.get_message(ignore_subscribe_messages=True, timeout=10)
            if message is not None:
                break
        sender, tags = json.loads(message["data"])
        assert isinstance(sender, str)
        assert {"lists", "incident:7"} <= set(tags)
        assert await client.get("cache:generation:lists") != before
        # and the other way round
        await client.publish("cache:invalidated", json.dumps(["0123456789abcdef", ["incident:9"]]))
        await until(lambda: _has_heard(cache, "incident:9"))
        await channel.aclose()


async def test_what_is_shared_is_bounded_below_what_redis_may_keep() -> None:
    """Else a full Redis evicts what was not used for longest: the count of failed logins."""
    past = Past(Clock())
    with local_redis("16mb") as small:
        async with process(small, past) as cache:
            assert cache._redis is not None
            client = cache._redis.client
            await client.set("hogwarts:ratelimit:login", 5)
            for number in range(200):  # 38 MB
                store = Store()
                store.value = b"x" * 190_000
                await cache.get(f"list {number}", LISTS, store.load)
                await asyncio.gather(*(cache._shared.filling if cache._shared else ()))

            kept = [key async for key in client.scan_iter("hogwarts:cache:first:list *")]
            assert 5 <= len(kept) <= 16 * 1024 * 1024 / 8 / 190_000
            assert await client.get("hogwarts:ratelimit:login") == b"5"
            assert (await client.info("stats"))["evicted_keys"] == 0
            # what is too large to be kept by many is not kept at all
            store.value = b"x" * (shared_tier.MOST_ENTRY_BYTES + 1)
            await cache.get("large", LISTS, store.load)
            await asyncio.gather(*(cache._shared.filling if cache._shared else ()))
            assert not await client.exists("hogwarts:cache:first:large")


async def test_alone_it_keeps_nothing_because_others_may_be_writing() -> None:
    store, cache = Store(), ReadCache(None, Metrics(), Past(Clock()))

    for expected in (1, 2):
        assert (await cache.get("k", LISTS, store.load)).value == b"first"
        assert store.asked == expected


async def test_when_the_database_is_away_what_stands_is_served_marked_stale() -> None:
    store, past = Store(), Past(Clock())
    cache = ReadCache(None, Metrics(), past, past.clock)
    await cache.get("k", LISTS, store.load)
    past.clock.now += 60

    assert await cache.get("k", LISTS, store.away) == Hit(b"first", stale=True, age=60)
    with pytest.raises(Unavailable):
        await cache.get("other", LISTS, store.away)
    cache.invalidate(LISTS)  # now it is known to be wrong
    with pytest.raises(Unavailable):
        await cache.get("k", LISTS, store.away)


@pytest.mark.parametrize("value", [b"", b"x" * 75, b"x" * 5000])
async def test_the_local_tier_is_bounded(monkeypatch: pytest.MonkeyPatch, value: bytes) -> None:
    """In memory, not only in what answers have: most pages that somebody asks for may be empty."""
    megabyte = 1024 * 1024
    monkeypatch.setattr(module, "LOCAL_BYTES", megabyte)
    cache = ReadCache(None, Metrics(), Past(Clock()))

    async def load() -> bytes:
        return bytes(bytearray(value))  # one of its own for each

    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(15_000):
            await cache.get(f"page:STUDENT:00000000-0000-0000-0000-000000000000:{number:032}", LISTS, load)
        gc.collect()
        now, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert megabyte // 2 < now - before < megabyte + megabyte // 4


async def test_an_error_reaches_everyone_who_waits_and_is_not_kept() -> None:
    cache = ReadCache(None, Metrics(), Past(Clock()))
    store = Store()

    results = await asyncio.gather(
        *(cache.get("k", LISTS, store.away) for _ in range(3)), return_exceptions=True
    )

    assert [type(result) for result in results] == [Unavailable] * 3
    assert (await cache.get("k", LISTS, store.load)).value == b"first"


async def test_a_reader_who_leaves_does_not_take_the_answer_along() -> None:
    cache, store = ReadCache(None, Metrics(), Past(Clock())), Store()
    store.gate.clear()
    leaving = asyncio.create_task(cache.get("k", LISTS, store.load))
    staying = asyncio.create_task(cache.get("k", LISTS, store.load))
    await store.was_asked(1)
    leaving.cancel()
    store.gate.set()

    assert (await staying).value == b"first"
    assert store.asked == 1
