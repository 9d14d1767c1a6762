"""The read cache's entries in Redis: bounded in bytes, so that they never push out what must stay.

A Redis that is full evicts what was not used for longest, and a count of failed logins is exactly that. So what the
cache writes in any WINDOWS windows is bounded by a share of `maxmemory`, over all processes; entries live no longer than
two windows. Beyond that, answers are simply not shared.

An entry has up to where its answer is complete: see cache.History.
"""

import asyncio
import re
import time
from collections.abc import Callable
from contextlib import suppress

from maraudersmap_api.infra.redis import CacheAway, Redis

ENTRY_SECONDS = 30
WINDOW_SECONDS = 15
WINDOWS = 3  # the present one, and as many as an entry's life can reach back
# Of maxmemory at most one part in so many: Redis needs up to half as much again to keep entries and to send them.
SHARE = 8
MOST_BYTES = 64 * 1024 * 1024
MOST_BYTES_UNASKED = 8 * 1024 * 1024  # where Redis does not give its maxmemory
# What many processes read at once is in Redis's output buffers, and counts as its memory too.
MOST_ENTRY_BYTES = 256 * 1024
OVERHEAD_BYTES = 200  # of a key
ASK_AGAIN_SECONDS = 60.0
_ENTRY = re.compile(rb"([0-9]{1,20})\|(.+)", re.DOTALL)

# KEYS: the entry, then the windows from the present one back. ARGV: the value, its life in s, its bytes, the budget.
_FILL = """
local written = 0
for i = 2, #KEYS do written = written + tonumber(redis.call('GET', KEYS[i]) or 0) end
if written + tonumber(ARGV[3]) > tonumber(ARGV[4]) then return 0 end
redis.call('INCRBY', KEYS[2], ARGV[3])
redis.call('EXPIRE', KEYS[2], 60)
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
"""


class SharedTier:
    """Entries that all processes of an installation share."""

    def __init__(self, redis: Redis, clock: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._clock = clock
        self._budget = MOST_BYTES_UNASKED
        self._asked_at: float | None = None
        self._fills: set[asyncio.Task[None]] = set()

    async def get(self, key: str) -> tuple[int, bytes] | None:
        """An entry's floor and value; None also for what is not one of ours. Raises CacheAway."""
        [stored] = await self._redis.send(("GET", self._entry(key)))
        entry = _ENTRY.fullmatch(stored or b"")
        return None if entry is None else (int(entry[1]), entry[2])

    def put(self, key: str, floor: int, value: bytes) -> None:
        """Store it soon, if it fits. Never waits."""
        if len(value) > MOST_ENTRY_BYTES:
            return
        fill = asyncio.create_task(self._fill(key, b"%d|%b" % (floor, value)))
        self._fills.add(fill)  # the loop itself keeps only a weak reference
        fill.add_done_callback(self._fills.discard)

    @property
    def filling(self) -> tuple[asyncio.Task[None], ...]:
        """What is under way."""
        return tuple(self._fills)

    async def _fill(self, key: str, stored: bytes) -> None:
        now = self._clock()
        names = self._redis.names
        window = int(now // WINDOW_SECONDS)
        windows = [names.key(f"cache:written:{window - back}") for back in range(WINDOWS)]
        size = len(stored) + OVERHEAD_BYTES
        with suppress(CacheAway):  # then the next reader queries again
            if self._asked_at is None or now - self._asked_at > ASK_AGAIN_SECONDS:
                self._asked_at = now
                self._budget = await budget(self._redis)
            keys = (self._entry(key), *windows)
            await self._redis.send(
                ("EVAL", _FILL, len(keys), *keys, stored, ENTRY_SECONDS, size, self._budget)
            )

    def _entry(self, key: str) -> str:
        return self._redis.names.key(f"cache:{key}")


async def budget(redis: Redis) -> int:
    """How many bytes the cache may keep there. Raises CacheAway when Redis is away."""
    memory = await memory_of(redis)
    if memory is None:
        return MOST_BYTES_UNASKED
    most = int(memory["maxmemory"])
    return min(MOST_BYTES, most // SHARE) if most else MOST_BYTES


async def memory_of(redis: Redis) -> dict[str, str] | None:
    """`maxmemory` and `maxmemory_policy`; None where it does not give them. Raises CacheAway when Redis is away."""
    [answer] = await redis.send(("INFO", "memory"))
    lines = answer.decode(errors="replace").splitlines() if isinstance(answer, bytes) else ()
    found = dict(line.partition(":")[::2] for line in lines)
    if "maxmemory" not in found:
        return None
    return {name: found.get(name, "") for name in ("maxmemory", "maxmemory_policy")}
