"""The read cache: bytes of answers, in this process over Redis.

Correct first. Every entry belongs to tags (`incident:7`, `lists`), every tag has a generation, and an entry counts only
while the generations that were read *before* its query still stand: a fill that was overtaken by a write is never
read. A write calls `invalidate(tags)` after its commit, which takes effect in this process at once; `settled()` then
waits until Redis and, through pub/sub, the other processes know, and is awaited before the write is answered.
Generations are random, because Redis may evict one: a counter that begins anew would revive old entries.

In-process entries live for LOCAL_SECONDS, so even a lost message costs no more than that; none is used without a
subscription, and all go when one comes back. Readers of the same missing entry share one query. When the database is
away, an entry whose generation stands may be served beyond its time, marked stale. Redis away or none: readers at the
same moment still share a query, and nothing fails.
"""

import asyncio
import json
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from maraudersmap_api.errors import Unavailable
from maraudersmap_api.infra.breaker import Circuit
from maraudersmap_api.infra.metrics import Metrics
from maraudersmap_api.infra.pubsub import Subscriber
from maraudersmap_api.infra.redis import CacheAway, Command, Redis
from maraudersmap_api.infra.tasks import end

LOCAL_SECONDS = 1.0
SHARED_SECONDS = 30
GENERATION_SECONDS = 3600
STALE_SECONDS = 300.0
LOCAL_BYTES = 16 * 1024 * 1024
MOST_TAGS = 50_000
RETRY_SECONDS = 0.25
CHANNEL = "cache:invalidated"


@dataclass(frozen=True, slots=True)
class Hit:
    """What was found or loaded. `age` is in whole seconds; a `stale` one outlived its time because nothing newer can
    be had."""

    value: bytes
    stale: bool = False
    age: int = 0


@dataclass(frozen=True, slots=True)
class _Entry:
    value: bytes
    stored_at: float
    generations: tuple[int, ...]


Load = Callable[[], Awaitable[bytes]]


class ReadCache:
    """See above. One per process; start and stop it with the service."""

    def __init__(
        self, redis: Redis | None, metrics: Metrics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._redis = redis
        self._metrics = metrics
        self._clock = clock
        self._me = secrets.token_hex(8)
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._bytes = 0
        self._generations: dict[str, int] = {}
        self._turn = 0
        self._epoch = 0
        self._loading: dict[str, asyncio.Task[Hit]] = {}
        self._owed: set[str] = set()  # tags whose invalidation Redis has not heard of
        self._owed_unshared: set[str] = set()
        self._sending = False
        self._waiters: list[asyncio.Future[None]] = []
        self._delivery: asyncio.Task[None] | None = None
        self._fills: set[asyncio.Task[None]] = set()
        self._subscriber = (
            Subscriber(redis, {CHANNEL: self._heard}, self.clear) if redis is not None else None
        )

    def start(self) -> None:
        """Listen to what other processes invalidate."""
        if self._subscriber is not None:
            self._subscriber.start()

    async def stop(self) -> None:
        """End all background work."""
        if self._subscriber is not None:
            await self._subscriber.stop()
        tasks = [task for task in (self._delivery, *self._fills, *self._loading.values()) if task]
        await end(tasks)

    async def get(self, key: str, tags: tuple[str, ...], load: Load, *, shared: bool = True) -> Hit:
        """The bytes of `key`, from wherever they are; `load` makes them. Raises what `load` raises.

        `key` must name everything the answer depends on, the reader's visibility included. `shared` False keeps it
        out of Redis: for what is cheaper to query than to fetch.
        """
        entry = self._entries.get(key)
        if entry is not None:
            age = self._clock() - entry.stored_at
            if age < self._fresh_seconds() and entry.generations == self._of(tags):
                self._count("local")
                return Hit(entry.value)
        # Only readers who began after the last invalidation may share a flight.
        flight = f"{key}|{self._of(tags)}"
        task = self._loading.get(flight)
        if task is None:
            task = asyncio.create_task(self._fetch(key, tags, load, shared=shared))
            self._loading[flight] = task
            task.add_done_callback(lambda done: self._landed(flight, done))
        else:
            self._count("joined")
        # Shielded: one reader who goes away must not take the others' answer along.
        return await asyncio.shield(task)

    def invalidate(self, tags: Iterable[str], *, unshared: Iterable[str] = ()) -> None:
        """These have changed, and the change is committed. In this process from now on; see `settled`.

        `unshared`: tags of entries that are never in Redis; the other processes hear of them all the same.
        """
        tags, unshared = tuple(tags), tuple(unshared)
        self._bump((*tags, *unshared))
        if self._redis is None:
            return
        self._owed.update(tags)
        self._owed_unshared.update(unshared)
        if self._delivery is None or self._delivery.done():
            self._delivery = asyncio.create_task(self._deliver(self._redis))

    async def settled(self) -> None:
        """Wait until the others know; gives up soon when Redis is away. Costs nothing when nothing is owed."""
        if self._redis is None or not (self._owed or self._owed_unshared or self._sending):
            return
        if self._redis.breaker.state is not Circuit.CLOSED:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(RETRY_SECONDS):
                await waiter
        except TimeoutError:
            return  # this process stays off the shared tier until it is delivered; the others are late by LOCAL_SECONDS

    def clear(self) -> None:
        """Forget everything that is in this process."""
        self._epoch += 1  # so that nothing under way is kept or joined
        self._generations.clear()
        self._entries.clear()
        self._bytes = 0

    async def _fetch(self, key: str, tags: tuple[str, ...], load: Load, *, shared: bool) -> Hit:
        before = self._of(tags)
        redis = self._redis if shared and not (self._owed or self._sending) else None
        stamp: str | None = None
        if redis is not None:
            try:
                value, stamp = await _read_shared(redis, key, tags)
            except CacheAway:
                redis = None
            else:
                if value is not None:
                    self._count("shared")
                    self._keep(key, value, tags, before)
                    return Hit(value)
        try:
            value = await load()
        except Unavailable as error:
            return self._outdated(key, tags, error)
        self._count("loaded")
        self._keep(key, value, tags, before)
        if redis is not None and stamp is not None:
            fill = asyncio.create_task(_write_shared(redis, key, stamp, value))
            self._fills.add(fill)
            fill.add_done_callback(self._fills.discard)
        return Hit(value)

    def _outdated(self, key: str, tags: tuple[str, ...], error: Unavailable) -> Hit:
        """What was true when the database was last seen; raises `error` when there is nothing."""
        entry = self._entries.get(key)
        age = self._clock() - entry.stored_at if entry else 0.0
        if entry is None or age > STALE_SECONDS or entry.generations != self._of(tags):
            raise error
        self._count("stale")
        return Hit(entry.value, stale=True, age=int(age))

    def _fresh_seconds(self) -> float:
        """Nothing is fresh while nobody could tell us that it changed: other processes may be writing."""
        return LOCAL_SECONDS if self._subscriber is not None and self._subscriber.subscribed else 0.0

    def _of(self, tags: tuple[str, ...]) -> tuple[int, ...]:
        return (self._epoch, *(self._generations.get(tag, 0) for tag in tags))

    def _bump(self, tags: Iterable[str]) -> None:
        if len(self._generations) > MOST_TAGS:
            self.clear()
        for tag in tags:
            self._turn += 1
            self._generations[tag] = self._turn

    def _keep(self, key: str, value: bytes, tags: tuple[str, ...], before: tuple[int, ...]) -> None:
        """Store it. One that a write has overtaken would never be read, and must not push out a newer one."""
        if self._of(tags) != before:
            return
        old = self._entries.pop(key, None)
        self._bytes += len(value) - (len(old.value) if old else 0)
        self._entries[key] = _Entry(value, self._clock(), before)
        while self._bytes > LOCAL_BYTES:
            _, dropped = self._entries.popitem(last=False)
            self._bytes -= len(dropped.value)

    def _landed(self, flight: str, task: asyncio.Task[Hit]) -> None:
        self._loading.pop(flight, None)
        if not task.cancelled():
            task.exception()  # whoever waits gets it; without this, nobody waiting would be a warning

    def _heard(self, payload: bytes) -> None:
        origin, tags = json.loads(payload)
        if origin != self._me:
            self._bump(tags)

    async def _deliver(self, redis: Redis) -> None:
        while self._owed or self._owed_unshared or self._waiters:
            tags, self._owed = self._owed, set()
            unshared, self._owed_unshared = self._owed_unshared, set()
            waiters, self._waiters = self._waiters, []
            if tags or unshared:
                self._sending = True
                payload = json.dumps([self._me, sorted(tags | unshared)])
                try:
                    await redis.send(*map(_begin_anew, sorted(tags)), ("PUBLISH", CHANNEL, payload))
                except CacheAway:
                    self._owed |= tags
                    self._owed_unshared |= unshared
                    self._waiters = waiters + self._waiters
                    await asyncio.sleep(RETRY_SECONDS)
                    continue
                finally:
                    self._sending = False
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    def _count(self, source: str) -> None:
        self._metrics.cache_reads.labels(source).inc()


async def _read_shared(redis: Redis, key: str, tags: tuple[str, ...]) -> tuple[bytes | None, str]:
    """The value if its generations stand, and the stamp for a new one."""
    names = [_generation(tag) for tag in tags]
    [(stored, *generations)] = await redis.send(("MGET", f"cache:{key}", *names))
    if None in generations:
        begin = [("SET", name, secrets.token_hex(8), "NX", "EX", GENERATION_SECONDS) for name in names]
        generations = (await redis.send(*begin, ("MGET", *names)))[-1]
        generations = [found or secrets.token_hex(8).encode() for found in generations]
        stored = None
    stamp = b".".join(generations)
    if stored is not None:
        written, _, value = stored.partition(b"|")
        if written == stamp:
            return value, stamp.decode()
    return None, stamp.decode()


async def _write_shared(redis: Redis, key: str, stamp: str, value: bytes) -> None:
    with suppress(CacheAway):  # then the next reader queries again
        await redis.send(("SET", f"cache:{key}", stamp.encode() + b"|" + value, "EX", SHARED_SECONDS))


def _begin_anew(tag: str) -> Command:
    return ("SET", _generation(tag), secrets.token_hex(8), "EX", GENERATION_SECONDS)


def _generation(tag: str) -> str:
    return f"cache:generation:{tag}"
