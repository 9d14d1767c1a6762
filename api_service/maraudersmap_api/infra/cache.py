"""The read cache: bytes of answers, in this process over Redis.

Correct first. A change may be announced to other processes, but nothing relies on its arriving: a process reads what was
committed from the database itself, several times a second (outbox/tail.py), and knows when it last did.

In this process every entry belongs to tags (`incident:7`, `lists`), every tag has a generation, and an entry counts only
while the generations that were read *before* its query still stand: a fill that was overtaken by a write is never
read. A write calls `invalidate(tags)` after its commit, which takes effect here at once; `settled()` then waits until
the announcement is out, and is awaited before the write is answered. An entry counts for LOCAL_SECONDS from before its
query, none without a subscription to announcements, and all go when one comes back.

An entry in Redis bears its *floor*: all transactions below it had ended before its query began. It counts only in a
process that has read the database's history within TRUSTED_SECONDS and after the last announcement, and found no change
at or above that floor; of the same server, since another one gives the numbers of transactions it has not a second time.
What Redis loses, keeps too long or never hears of costs a query, never an old answer.

Readers of the same missing entry share one query. When the database is away, an entry that is not known to be outdated
may be served beyond its time, marked stale, to whom nothing can have become hidden meanwhile. Redis away or none:
readers at the same moment still share a query, and nothing fails.
"""

import asyncio
import json
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from maraudersmap_api.errors import Unavailable
from maraudersmap_api.infra.breaker import Circuit
from maraudersmap_api.infra.logs import log
from maraudersmap_api.infra.metrics import Metrics
from maraudersmap_api.infra.pubsub import Subscriber
from maraudersmap_api.infra.redis import CacheAway, Redis
from maraudersmap_api.infra.redis_line import Command
from maraudersmap_api.infra.shared_tier import SharedTier
from maraudersmap_api.infra.tasks import end
from maraudersmap_api.wire import encode

LOCAL_SECONDS = 1.0
TRUSTED_SECONDS = 0.9  # below the second after which nothing may be visible that was hidden
STALE_SECONDS = 300.0
LOCAL_BYTES = 16 * 1024 * 1024
ENTRY_BYTES = 300  # what one takes beside its key and its value
MOST_TAGS = 50_000
REMEMBERED_CHANGES = 20_000
SETTLE_SECONDS = 0.25
CHANNEL = "cache:invalidated"
FORMER_GENERATION_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Hit:
    """What was found or loaded. `age` is in whole seconds; a `stale` one outlived its time because nothing newer can
    be had."""

    value: bytes
    stale: bool = False
    age: int = 0


@dataclass(frozen=True, slots=True)
class _Entry:
    """`as_of`: the moment of which the value is certainly true."""

    value: bytes
    as_of: float
    generations: tuple[int, ...]


Load = Callable[[], Awaitable[bytes]]


class History(Protocol):
    """What this process has read of what was committed to the database."""

    @property
    def read_at(self) -> float:
        """The clock's time before the last complete reading; -inf when there is none to rely on."""

    @property
    def server(self) -> str:
        """Which server's history it is; another one after a failover."""

    @property
    def floor(self) -> int:
        """All transactions below this had ended by then."""

    @property
    def newest_change(self) -> int:
        """No change at or above a floor that is greater than this has been read."""

    def hurry(self) -> None:
        """Read soon: an answer that others share can be used after that."""


_SOURCES = ("local", "shared", "loaded", "joined", "stale")


class ReadCache:
    """See above. One per process; start and stop it with the service."""

    def __init__(
        self,
        redis: Redis | None,
        metrics: Metrics,
        history: History,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = redis
        self._metrics = metrics
        # Finding a series by its label takes longer than counting in it.
        self._reads = {source: metrics.cache_reads.labels(source) for source in _SOURCES}
        self._history = history
        self._clock = clock
        self._me = f"{redis.names.installation}/{secrets.token_hex(8)}" if redis is not None else ""
        self._mine = encode([self._me]).replace(b"]", b",")
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._bytes = 0
        self._generations: dict[str, int] = {}
        self._turn = 0
        self._epoch = 0
        self._bumped_at = float("-inf")
        self._known: OrderedDict[int, None] = OrderedDict()  # changes that were announced
        self._loading: dict[str, tuple[float, asyncio.Task[Hit]]] = {}
        self._owed: set[str] = set()  # what the next announcement will carry
        self._waiters: list[asyncio.Future[None]] = []
        self._delivery: asyncio.Task[None] | None = None
        self._mute = False
        self._shared = SharedTier(redis) if redis is not None else None
        self._subscriber = (
            Subscriber(redis, {redis.names.channel(CHANNEL): self._heard}, self.clear)
            if redis is not None
            else None
        )

    def start(self) -> None:
        """Listen to what other processes invalidate."""
        if self._subscriber is not None:
            self._subscriber.start()

    async def stop(self) -> None:
        """End all background work."""
        if self._subscriber is not None:
            await self._subscriber.stop()
        loading = [task for _, task in self._loading.values()]
        filling = self._shared.filling if self._shared is not None else ()
        await end([task for task in (self._delivery, *filling, *loading) if task])

    async def get(self, key: str, tags: tuple[str, ...], load: Load, *, shared: bool = True) -> Hit:
        """The bytes of `key`, from wherever they are; `load` makes them. Raises what `load` raises.

        `key` must name everything the answer depends on, the reader's visibility included. `shared` False keeps it
        out of Redis: for what is cheaper to query than to fetch.
        """
        now, generations = self._clock(), self._of(tags)
        entry = self._entries.get(key)
        if entry is not None:
            age = now - entry.as_of
            if age < self._fresh_seconds() and entry.generations == generations:
                self._count("local")
                return Hit(entry.value)
        # Only readers who began after the last invalidation may share a flight, and none that has taken too long:
        # there may have been one that has not arrived here.
        flight = f"{key}|{generations}"
        began, task = self._loading.get(flight, (now, None))
        if task is None or now - began >= LOCAL_SECONDS:
            task = asyncio.create_task(self._fetch(key, tags, load, shared=shared))
            self._loading[flight] = now, task
            task.add_done_callback(lambda done: self._landed(flight, done))
        else:
            self._count("joined")
        # Shielded: one reader who goes away must not take the others' answer along.
        return await asyncio.shield(task)

    def invalidate(self, tags: Iterable[str], changes: Iterable[int] = ()) -> None:
        """These have changed, and the change is committed. In this process from now on; see `settled`.

        `changes` are the numbers under which `committed` will hear of it again.
        """
        tags, changes = tuple(tags), tuple(changes)
        self._bump(tags)
        self._know(changes)
        if self._redis is None:
            return
        self._owed.update(tags)
        self._owed.update(map(_change_tag, changes))
        if self._delivery is None or self._delivery.done():
            self._delivery = asyncio.create_task(self._deliver(self._redis))

    def committed(self, change: int, tags: Iterable[str]) -> None:
        """A change was found in the database, from any process: if it was not announced, it takes effect now."""
        if change not in self._known:
            self._bump(tags)

    async def settled(self) -> None:
        """Wait until the announcements are out; gives up soon when Redis is away. Costs nothing when nothing is owed."""
        if self._redis is None or self._delivery is None or self._delivery.done():
            return
        if self._redis.breaker.state is not Circuit.CLOSED:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                await waiter
        except TimeoutError:
            return  # the others read of it in the database

    def clear(self) -> None:
        """Forget everything that is in this process."""
        self._epoch += 1  # so that nothing under way is kept or joined
        self._generations.clear()
        self._entries.clear()
        self._bytes = 0

    async def _fetch(self, key: str, tags: tuple[str, ...], load: Load, *, shared: bool) -> Hit:
        before, began = self._of(tags), self._clock()
        tier = self._shared if shared else None
        if tier is not None and not self._trusted():
            self._history.hurry()
            tier = None
        floor = self._history.floor  # before the query: what had ended by then, the query sees
        name = f"{self._history.server}:{key}"
        if tier is not None:
            try:
                found = await tier.get(name)
            except CacheAway:
                tier = None
            else:
                if found is not None and self._counts(found[0]) and self._of(tags) == before:
                    self._count("shared")
                    self._keep(key, found[1], tags, before, as_of=self._history.read_at)
                    return Hit(found[1])
                began = self._clock()
        try:
            value = await load()
        except Unavailable as error:
            return self._outdated(key, tags, error)
        self._count("loaded")
        self._keep(key, value, tags, before, as_of=began)
        if tier is not None:
            tier.put(name, floor, value)
        return Hit(value)

    def _trusted(self) -> bool:
        """Is all that happened up to a moment ago known here? Announcements only carry that something happened: what
        they are about must have been read too."""
        read_at = self._history.read_at
        return read_at > self._bumped_at and self._clock() - read_at < TRUSTED_SECONDS

    def _counts(self, floor: int) -> bool:
        """May an entry of this floor be served at this moment?"""
        return self._trusted() and floor > self._history.newest_change

    def _outdated(self, key: str, tags: tuple[str, ...], error: Unavailable) -> Hit:
        """What was true when the database was last seen; raises `error` when there is nothing."""
        entry = self._entries.get(key)
        age = self._clock() - entry.as_of if entry else 0.0
        if entry is None or age > STALE_SECONDS or entry.generations != self._of(tags):
            raise error
        self._count("stale")
        return Hit(entry.value, stale=True, age=int(age))

    def _fresh_seconds(self) -> float:
        """Nothing is fresh while changes cannot be announced to us: other processes may be writing."""
        return LOCAL_SECONDS if self._subscriber is not None and self._subscriber.subscribed else 0.0

    def _of(self, tags: tuple[str, ...]) -> tuple[int, ...]:
        return (self._epoch, *(self._generations.get(tag, 0) for tag in tags))

    def _bump(self, tags: Iterable[str]) -> None:
        if len(self._generations) > MOST_TAGS:
            self.clear()
        for tag in tags:
            self._turn += 1
            self._generations[tag] = self._turn
        self._bumped_at = self._clock()

    def _know(self, changes: Iterable[int]) -> None:
        for change in changes:
            self._known[change] = None
        while len(self._known) > REMEMBERED_CHANGES:
            self._known.popitem(last=False)

    def _keep(
        self, key: str, value: bytes, tags: tuple[str, ...], before: tuple[int, ...], *, as_of: float
    ) -> None:
        """Store it. One that a write has overtaken would never be read, and must not push out a newer one."""
        if self._of(tags) != before:
            return
        old = self._entries.pop(key, None)
        self._bytes += _weight(key, value) - (_weight(key, old.value) if old else 0)
        self._entries[key] = _Entry(value, as_of, before)
        while self._bytes > LOCAL_BYTES:
            dropped_key, dropped = self._entries.popitem(last=False)
            self._bytes -= _weight(dropped_key, dropped.value)

    def _landed(self, flight: str, task: asyncio.Task[Hit]) -> None:
        if self._loading.get(flight, (0.0, None))[1] is task:
            del self._loading[flight]
        if not task.cancelled():
            task.exception()  # those who wait get it; without this, a failure with no one waiting would be a warning

    def _heard(self, payload: bytes) -> None:
        if payload.startswith(self._mine):
            return  # our own come back too: not worth reading
        sender, tags = json.loads(payload)
        installation, _, process = sender.partition("/")
        if process and installation != self._me.partition("/")[0]:
            return  # of others on the same Redis; the release before names no installation
        self._know(change for tag in tags if (change := _change_of(tag)) is not None)
        self._bump(tags)

    async def _deliver(self, redis: Redis) -> None:
        while self._owed or self._waiters:
            tags, self._owed = self._owed, set()
            waiters, self._waiters = self._waiters, []
            if tags:
                await self._announce(redis, sorted(tags))
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    async def _announce(self, redis: Redis, tags: list[str]) -> None:
        """Once: a process that did not hear it reads it in the database."""
        channel = redis.names.channel(CHANNEL)
        former = _for_the_release_before(tags) if redis.names.bridging else ()
        try:
            await redis.send(*former, ("PUBLISH", channel, encode([self._me, tags])))
        except CacheAway:
            self._metrics.unannounced.inc()
            if not self._mute:
                log.warning("Changes cannot be announced: other processes read of them in the database")
            self._mute = True
        else:
            self._mute = False

    def _count(self, source: str) -> None:
        self._reads[source].inc()


def _weight(key: str, value: bytes) -> int:
    return len(key) + len(value) + ENTRY_BYTES


def _change_tag(change: int) -> str:
    """Among the tags, because the release before takes exactly a sender and tags."""
    return f"change:{change}"


def _change_of(tag: str) -> int | None:
    kind, _, number = tag.partition(":")
    return int(number) if kind == "change" and number.isdigit() else None


def _for_the_release_before(tags: Iterable[str]) -> tuple[Command, ...]:
    """It relies on a generation in Redis for the tags of what it keeps there."""
    generation = ("SET", "cache:generation:lists", secrets.token_hex(8), "EX", FORMER_GENERATION_SECONDS)
    return (generation,) if "lists" in tags else ()
