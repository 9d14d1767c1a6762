"""Who is here, over all pods.

Redis holds sorted sets of `<process>|<user>` by the second at which the entry counts no more: a pod that dies is
forgotten after LIFETIME_SECONDS, and no pod can take away what another one put there. Seconds are those of Redis's clock:
pods need not agree on the time. What this process knows is always part of the answer, so without Redis presence is that of
one pod.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Iterable
from uuid import UUID

from maraudersmap_api.infra.redis import CacheAway, Redis
from maraudersmap_api.infra.redis_line import Command
from maraudersmap_api.infra.tasks import end

LIFETIME_SECONDS = 60
REFRESH_SECONDS = 20.0
SOON_SECONDS = 0.05
MOST_SHOWN = 1000
ONLINE = "presence:online"

# KEYS[1]: a set; ARGV: for how many seconds, then who.
_ANNOUNCE = """
local now = tonumber(redis.call('TIME')[1])
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[i]) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('EXPIRE', KEYS[1], 2 * ARGV[1])
"""
# KEYS[1]: a set; ARGV[1]: how many of it at most.
_HERE = "return redis.call('ZRANGEBYSCORE', KEYS[1], redis.call('TIME')[1], '+inf', 'LIMIT', 0, ARGV[1])"


def room_key(incident_id: int) -> str:
    """The set of those who are in a room."""
    return f"presence:incident:{incident_id}"


class Presence:
    """Announces to other processes who is here, and asks them. `here` maps each set's key to this process's users in it."""

    def __init__(self, redis: Redis | None, here: Callable[[], dict[str, set[UUID]]]) -> None:
        self._redis = redis
        self._here = here
        self._me = secrets.token_hex(8)
        self._announced: dict[str, set[UUID]] = {}
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to announce."""
        if self._redis is not None:
            self._task = asyncio.create_task(self._run(), name="presence")

    async def stop(self) -> None:
        """No one is here any more: announce that, if it can be."""
        if self._task is None:
            return
        await end([self._task])
        await self._announce({})

    def changed(self) -> None:
        """Somebody came or went."""
        self._changed.set()

    async def of(self, key: str) -> set[UUID]:
        """Who is in a set, at most MOST_SHOWN of other processes."""
        found = set(self._here().get(key, ()))
        if self._redis is not None:
            with contextlib.suppress(CacheAway):  # then it is this pod's presence
                [members] = await self._redis.send(("EVAL", _HERE, 1, self._redis.names.key(key), MOST_SHOWN))
                found |= set(_users(members))
        return found

    async def _run(self) -> None:
        while True:
            await self._announce(self._here())
            try:
                async with asyncio.timeout(REFRESH_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                continue
            await asyncio.sleep(SOON_SECONDS)  # a hundred clients that reconnect are announced at once
            self._changed.clear()

    async def _announce(self, here: dict[str, set[UUID]]) -> None:
        if self._redis is None:
            return
        name = self._redis.names.key
        commands: list[Command] = [
            ("EVAL", _ANNOUNCE, 1, name(key), LIFETIME_SECONDS, *map(self._member, users))
            for key, users in here.items()
        ]
        for key, users in self._announced.items():
            if gone := users - here.get(key, set()):
                commands.append(("ZREM", name(key), *map(self._member, gone)))
        try:
            if commands:
                await self._redis.send(*commands)
        except CacheAway:
            return  # the next round announces it all again; what is gone expires by itself
        self._announced = here

    def _member(self, user: UUID) -> str:
        return f"{self._me}|{user}"


def _users(members: Iterable[bytes]) -> Iterable[UUID]:
    for member in members:
        with contextlib.suppress(ValueError):  # somebody else's
            yield UUID(member.decode().partition("|")[2])
