"""Rate limits: so many requests to one caller in a window that starts with their first.

The counters are in Redis, one atomic script per hit, so they are exact across pods. All hits of one turn of the event
loop travel in one pipeline: a round trip each would halve the throughput. While Redis is away each pod counts on its
own: limits are then looser by the number of pods, and no request fails for it.
"""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from maraudersmap_api.infra.logs import log
from maraudersmap_api.infra.redis import Redis

REDIS_SECONDS = 0.5
LOCAL_KEYS = 50_000

_SCRIPT = """
local hits = redis.call('INCR', KEYS[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  left = tonumber(ARGV[1])
end
return {hits, left}
"""


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
    """Counts one hit on `key`: hits in the present window, and seconds until it ends."""

    async def hit(self, key: str) -> tuple[int, float]: ...


class RateLimiter:
    """Redis when it is there, this process otherwise."""

    def __init__(
        self,
        local: Counter,
        shared: Counter | None,
        shared_usable: Callable[[], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._local = local
        self._shared = shared
        self._shared_usable = shared_usable
        self._clock = clock

    async def hit(self, key: str, limit: int) -> Allowance:
        """Count one request of `key`. Never raises for a missing Redis."""
        hits, left = await self._count(key)
        return Allowance(limit, hits, math.ceil(self._clock() + left))

    async def _count(self, key: str) -> tuple[int, float]:
        if self._shared is not None and self._shared_usable():
            try:
                return await self._shared.hit(key)
            except Exception as error:  # noqa: BLE001 - whatever the client raises: a limit must not cost an answer
                log.warning("Rate limit counted locally", extra={"context": {"reason": type(error).__name__}})
        return await self._local.hit(key)


class LocalCounter:
    """Windows of this process, bounded: the oldest go first."""

    def __init__(self, window_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._window = window_seconds
        self._clock = clock
        self._windows: dict[
            str, tuple[int, float]
        ] = {}  # in order of their start, which is that of their end

    async def hit(self, key: str) -> tuple[int, float]:
        """Count one hit."""
        now = self._clock()
        hits, ends = self._windows.get(key, (0, 0.0))
        if ends <= now:
            self._windows.pop(key, None)
            hits, ends = 0, now + self._window
            self._forget(now)
        self._windows[key] = (hits + 1, ends)
        return hits + 1, ends - now

    def _forget(self, now: float) -> None:
        while self._windows:
            oldest = next(iter(self._windows))
            if self._windows[oldest][1] > now and len(self._windows) < LOCAL_KEYS:
                return
            del self._windows[oldest]


class RedisCounter:
    """Windows that all pods share. Raises what the client raises, and TimeoutError."""

    def __init__(self, redis: Redis, window_seconds: float) -> None:
        self._redis = redis
        self._milliseconds = int(window_seconds * 1000)
        self._waiting: list[tuple[str, asyncio.Future[tuple[int, float]]]] = []
        self._flushes: set[asyncio.Task[None]] = set()

    async def hit(self, key: str) -> tuple[int, float]:
        """Count one hit, together with all others of this turn of the loop."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[tuple[int, float]] = loop.create_future()
        self._waiting.append((key, answer))
        if len(self._waiting) == 1:
            loop.call_soon(self._start_flush)
        return await answer

    def _start_flush(self) -> None:
        batch, self._waiting = self._waiting, []
        task = asyncio.create_task(self._flush(batch))
        self._flushes.add(task)  # the loop itself keeps only a weak reference
        task.add_done_callback(self._flushes.discard)

    async def _flush(self, batch: list[tuple[str, asyncio.Future[tuple[int, float]]]]) -> None:
        try:
            async with asyncio.timeout(REDIS_SECONDS):
                pipeline = self._redis.client.pipeline(transaction=False)
                for key, _ in batch:
                    pipeline.eval(_SCRIPT, 1, f"ratelimit:{key}", self._milliseconds)
                results = await pipeline.execute()
        except Exception as error:  # noqa: BLE001 - handed to everyone who waits
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
            return
        for (_, answer), (hits, left) in zip(batch, results, strict=True):
            if not answer.done():
                answer.set_result((int(hits), int(left) / 1000))
