"""Rate limits: so many requests to one caller in a window that starts with their first.

The counters are in Redis, one atomic script per batch, so they are exact across processes and pods. All hits of one
turn of the event loop are one command: a round trip each would halve the throughput. While Redis is away each process
counts on its own: limits are then looser by the number of processes, and no request fails for it.
"""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from maraudersmap_api.infra.metrics import Metrics
from maraudersmap_api.infra.redis import CacheAway, Redis

LOCAL_KEYS = 50_000
MOST_IN_BATCH = 500  # keys of one script call: Redis does nothing else meanwhile

# KEYS: one per hit; ARGV[1]: the window in ms. Gives hits and ms left, one after the other.
_SCRIPT = """
local found = {}
for i, key in ipairs(KEYS) do
  local hits = redis.call('INCR', key)
  local left = redis.call('PTTL', key)
  if left < 0 then
    redis.call('PEXPIRE', key, ARGV[1])
    left = tonumber(ARGV[1])
  end
  found[2 * i - 1] = hits
  found[2 * i] = left
end
return found
"""
_REFUND = "if redis.call('EXISTS', KEYS[1]) == 1 then return redis.call('DECR', KEYS[1]) end return 0"


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a caller has left. `reset` is the epoch second at which the window is over, rounded up."""

    limit: int
    hits: int
    reset: int

    @property
    def exceeded(self) -> bool:
        """Was this hit one too many?"""
        return self.hits > self.limit

    @property
    def remaining(self) -> int:
        """Never below zero."""
        return max(0, self.limit - self.hits)


class Counter(Protocol):
    """Counts hits on keys in windows."""

    async def hit(self, key: str) -> tuple[int, float]:
        """Hits in the present window, this one included, and seconds until it ends."""

    async def refund(self, key: str) -> None:
        """Take one hit back."""

    async def forget(self, key: str) -> None:
        """Begin anew with the next hit."""


class RateLimiter:
    """Redis when it is there, this process otherwise."""

    def __init__(
        self,
        local: Counter,
        shared: Counter | None,
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._local = local
        self._shared = shared
        self._metrics = metrics
        self._clock = clock

    async def hit(self, key: str, limit: int) -> Allowance:
        """Count one request of `key`. Never raises for a missing Redis."""
        hits, left = await self._count(key)
        return Allowance(limit, hits, math.ceil(self._clock() + left))

    async def refund(self, key: str) -> None:
        """Take one hit back, wherever it was counted."""
        await self._local.refund(key)
        if self._shared is not None:
            try:
                await self._shared.refund(key)
            except CacheAway:
                self._metrics.limits_counted_locally.inc()

    async def forget(self, key: str) -> None:
        """Begin anew with the next hit."""
        await self._local.forget(key)
        if self._shared is not None:
            try:
                await self._shared.forget(key)
            except CacheAway:
                self._metrics.limits_counted_locally.inc()

    async def _count(self, key: str) -> tuple[int, float]:
        if self._shared is not None:
            try:
                return await self._shared.hit(key)
            except CacheAway:
                self._metrics.limits_counted_locally.inc()
        return await self._local.hit(key)


class LocalCounter:
    """Windows of this process, bounded: the oldest go first."""

    def __init__(self, window_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._window = window_seconds
        self._clock = clock
        # In order of their start, which is that of their end.
        self._windows: dict[str, tuple[int, float]] = {}

    async def hit(self, key: str) -> tuple[int, float]:
        """Count one hit."""
        now = self._clock()
        hits, ends = self._windows.get(key, (0, 0.0))
        if ends <= now:
            self._windows.pop(key, None)
            hits, ends = 0, now + self._window
            self._make_room(now)
        self._windows[key] = (hits + 1, ends)
        return hits + 1, ends - now

    async def refund(self, key: str) -> None:
        """Take one hit back."""
        hits, ends = self._windows.get(key, (0, 0.0))
        if hits > 0:
            self._windows[key] = (hits - 1, ends)

    async def forget(self, key: str) -> None:
        """Begin anew with the next hit."""
        self._windows.pop(key, None)

    def _make_room(self, now: float) -> None:
        while self._windows:
            oldest = next(iter(self._windows))
            if self._windows[oldest][1] > now and len(self._windows) < LOCAL_KEYS:
                return
            del self._windows[oldest]


class RedisCounter:
    """Windows that all processes share. Raises CacheAway."""

    def __init__(self, redis: Redis, window_seconds: float) -> None:
        self._redis = redis
        self._milliseconds = int(window_seconds * 1000)
        self._waiting: list[tuple[str, asyncio.Future[tuple[int, float]]]] = []
        self._flushes: set[asyncio.Task[None]] = set()
        self._script: Any = None

    async def hit(self, key: str) -> tuple[int, float]:
        """Count one hit, together with all others of this turn of the loop."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[tuple[int, float]] = loop.create_future()
        self._waiting.append((key, answer))
        if len(self._waiting) == 1:
            loop.call_soon(self._start_flush)
        return await answer

    async def refund(self, key: str) -> None:
        """Take one hit back."""
        await self._redis.call(lambda client: client.eval(_REFUND, 1, _name(key)))

    async def forget(self, key: str) -> None:
        """Begin anew with the next hit."""
        await self._redis.call(lambda client: client.delete(_name(key)))

    def _start_flush(self) -> None:
        batch, self._waiting = self._waiting, []
        for start in range(0, len(batch), MOST_IN_BATCH):
            task = asyncio.create_task(self._flush(batch[start : start + MOST_IN_BATCH]))
            self._flushes.add(task)  # the loop itself keeps only a weak reference
            task.add_done_callback(self._flushes.discard)

    async def _flush(self, batch: list[tuple[str, asyncio.Future[tuple[int, float]]]]) -> None:
        try:
            found = await self._redis.call(lambda client: self._run(client, [_name(key) for key, _ in batch]))
        except CacheAway as error:  # handed to everyone who waits
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(CacheAway(str(error)))
            return
        for index, (_, answer) in enumerate(batch):
            if not answer.done():
                answer.set_result((int(found[2 * index]), int(found[2 * index + 1]) / 1000))

    async def _run(self, client: Any, keys: list[str]) -> Any:
        if self._script is None:
            self._script = client.register_script(
                _SCRIPT
            )  # by its digest; loaded anew after a restart of Redis
        return await self._script(keys=keys, args=[self._milliseconds])


def _name(key: str) -> str:
    return f"ratelimit:{key}"
