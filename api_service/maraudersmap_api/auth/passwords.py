"""Passwords: argon2id, off the event loop, two at once.

A hash takes 19 MiB and some 20 ms of a core. Two at once bound both, whatever arrives; a long line is refused rather
than kept, because a client that waits there has given up long before their turn.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from maraudersmap_api.errors import Unavailable

T = TypeVar("T")

AT_ONCE = 2
LONGEST_LINE = 200


class Passwords:
    """Hashes and verifies. Close it to end its threads."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="argon2")
        self._line = 0
        self._stand_in: str | None = None

    async def hash(self, password: str) -> str:
        """The encoded hash. Raises Unavailable when too many are waiting."""
        return await self._off_loop(partial(self._hasher.hash, password))

    async def verify(self, encoded: str | None, password: str) -> bool:
        """Does the password fit? None, for an unknown user, costs as much as a wrong password and is False."""
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
        if self._line >= LONGEST_LINE:
            raise Unavailable("Too many people are signing in just now, please try again", retry_after=5)
        self._line += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._line -= 1
