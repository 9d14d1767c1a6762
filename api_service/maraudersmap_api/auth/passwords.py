"""Passwords: argon2id, off the event loop, two at once.

A hash takes 19 MiB and some 20 ms of a core. Two at once bound both, whatever arrives; a long line is refused rather
than kept, because a client that waits there has given up long before their turn. Callers take turns, and none may fill it:
one who registers hundreds of accounts at once would keep everybody from signing in.
"""

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from maraudersmap_api.errors import RateLimited, Unavailable
from maraudersmap_api.infra.turns import FairSemaphore, asking

T = TypeVar("T")

AT_ONCE = 2
LONGEST_LINE = 200
PARTS = 4
"""One caller may have one part in so many of it while they are alone, as many as may fail to sign in from one address; and
less the less is left, so that there is room for the next one."""


class Passwords:
    """Hashes and verifies. Close it to end its threads."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="argon2")
        self._turns = FairSemaphore(AT_ONCE)
        self._line: Counter[str] = Counter()  # by caller
        self._stand_in: str | None = None

    async def hash(self, password: str) -> str:
        """The encoded hash. Raises Unavailable when too many are waiting, RateLimited when they are one caller's."""
        return await self._off_loop(partial(self._hasher.hash, password))

    async def verify(self, encoded: str | None, password: str) -> bool:
        """Does the password fit? None, for an unknown user, costs as much as a wrong password and is False.

        Raises Unavailable and RateLimited as `hash`.
        """
        return await self._off_loop(partial(self._verify, encoded, password))

    def close(self) -> None:
        """End the threads; a hash that runs is waited for."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _verify(self, encoded: str | None, password: str) -> bool:
        if encoded is None:
            if self._stand_in is None:
                self._stand_in = self._hasher.hash("no account has this password")
            self._fits(self._stand_in, password)
            return False
        return self._fits(encoded, password)

    def _fits(self, encoded: str, password: str) -> bool:
        try:
            return self._hasher.verify(encoded, password)
        except (Argon2Error, InvalidHashError):
            return False

    async def _off_loop(self, work: partial[T]) -> T:
        caller = asking.get()
        mine, left = self._line[caller] + 1, LONGEST_LINE - self._line.total() - 1
        if mine > 1 and mine * (PARTS - 1) > left:
            raise RateLimited("Too many people are signing in where you are, please try again", retry_after=5)
        if left < 0:
            raise Unavailable("Too many people are signing in just now, please try again", retry_after=5)
        self._line[caller] += 1
        try:
            await self._turns.acquire()
            try:
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
            finally:
                self._turns.release()
        finally:
            self._line[caller] -= 1
            if not self._line[caller]:
                del self._line[caller]
