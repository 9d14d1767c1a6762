"""Rate limits: so many requests to one caller in a window that starts with their first.

The counters are in Redis, behind an atomic script, so they are exact across processes and pods. All hits of one turn of
the event loop travel together (`Redis.send`). While Redis is away each process
counts on its own: limits are then looser by the number of processes, and no request fails for it.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from maraudersmap_api.errors import RateLimited
from maraudersmap_api.infra.metrics import Metrics
from maraudersmap_api.infra.redis import CacheAway, Redis

LOCAL_KEYS = 50_000

# KEYS[1]: whose; ARGV[1]: the window in ms. Gives hits, and ms that are left.
_HIT = """
local hits = redis.call('INCR', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  left = tonumber(ARGV[1])
end
return {hits, left}
"""
# Not below zero: the window that was counted in may be over.
_REFUND = (
    "if tonumber(redis.call('GET', KEYS[1]) or 0) > 0 then return redis.call('DECR', KEYS[1]) end return 0"
)


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


def refuse_exceeded(allowance: Allowance) -> None:
    """Raises RateLimited when this hit was one too many."""
    if allowance.exceeded:
        wait = max(1, math.ceil(allowance.reset - time.time()))
        raise RateLimited("Too many requests: the map needs a rest", retry_after=wait)


class Counter(Protocol):
    """Counts hits on keys in windows."""

    async def hit(self, key: str) -> tuple[int, float]:
        """Hits in the present window, this one included, and seconds until it ends."""

    async def refund(self, key: str) -> None:
        """Take one hit back."""

    async def forget(self, key: str) -> None:
        """Start from nothing with the next hit."""


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
        """Start from nothing with the next hit."""
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
        """Start from nothing with the next hit."""
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

    async def hit(self, key: str) -> tuple[int, float]:
        """Count one hit."""
        [(hits, left)] = await self._redis.send(("EVAL", _HIT, 1, self._name(key), self._milliseconds))
        return int(hits), int(left) / 1000

    async def refund(self, key: str) -> None:
        """Take one hit back."""
        await self._redis.send(("EVAL", _REFUND, 1, self._name(key)))

    async def forget(self, key: str) -> None:
        """Start from nothing with the next hit."""
        await self._redis.send(("DEL", self._name(key)))

    def _name(self, key: str) -> str:
        return self._redis.names.key(f"ratelimit:{key}")
