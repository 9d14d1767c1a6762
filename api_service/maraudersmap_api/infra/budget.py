"""Memory as something to queue for: large work takes its bytes from one purse per process, and gives them back.

Counting requests does not bound memory, because one answer may weigh a thousand times as much as another. What
reads or renders something large holds a share while it works, and never while it waits for a client: a reader that
takes nothing must not keep others from being served (http/slow_readers.py deals with those).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from maraudersmap_api.errors import RateLimited, Unavailable
from maraudersmap_api.infra.turns import Lines

WAIT_SECONDS = 10.0
"""Longer than those ahead can take: each of them is bounded by the database's time-outs."""


class ByteBudget:
    """So many bytes at once, for callers who take turns. One event loop only."""

    def __init__(self, most: int, parts: int = 1) -> None:
        """`parts`: all shares of one holder may have together one part in so many while no one else has any, and less the
        less there is left: however many take all they may, there is something for the next."""
        self._most = most
        self._parts = parts
        self._free = most
        self._held: dict[str, int] = {}  # in shares, by holder
        self._line: Lines[tuple[int, asyncio.Future[None]]] = Lines()

    @property
    def free(self) -> int:
        """Bytes that are not held."""
        return self._free

    @asynccontextmanager
    async def hold(self, size: int) -> AsyncIterator[None]:
        """Have `size` bytes (all there are, if it is more) for as long as the block takes.

        Raises Unavailable when no turn came within WAIT_SECONDS.
        """
        size = min(size, self._most)
        await self._take(size)
        try:
            yield
        finally:
            self._give(size)

    def share(self, holder: str) -> "Share":
        """A share that begins empty and grows with what arrives; for what is not worth a queue."""
        return Share(self, holder)

    async def _take(self, size: int) -> None:
        if not self._line and size <= self._free:
            self._free -= size
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.add((size, turn))
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await turn
        except (TimeoutError, asyncio.CancelledError) as error:
            if turn.done() and not turn.cancelled():
                self._give(size)  # the turn came in the very moment we gave up
            else:
                self._next()  # we may have been in the way of smaller ones
            if isinstance(error, TimeoutError):
                raise Unavailable("The map is very busy, please try again", retry_after=1) from error
            raise

    def take_now(self, holder: str, size: int) -> None:
        """`size` bytes at once; give them back with `give_back`.

        Raises RateLimited when it would be too much for one, Unavailable when there are not so many or others wait.
        """
        held = self._held.get(holder, 0)
        left = self._free - size
        for_others = (held + size) * (self._parts - 1)
        if held and for_others > max(left, 0):
            raise RateLimited("Too much of yours is being sent at once, please try again", retry_after=1)
        if for_others > left or self._line:
            raise Unavailable("Too much is being sent just now, please try again", retry_after=1)
        self._free = left
        self._held[holder] = held + size

    def give_back(self, holder: str, size: int) -> None:
        """What `take_now` gave."""
        held = self._held.pop(holder, 0) - size
        if held > 0:
            self._held[holder] = held
        self._give(size)

    def _give(self, size: int) -> None:
        self._free += size
        self._next()

    def _next(self) -> None:
        """Turns for those who are next for whom there is enough; none overtakes."""
        while self._line:
            size, turn = self._line.next()
            if turn.done():  # gave up
                self._line.pop()
            elif size <= self._free:
                self._line.pop()
                self._free -= size
                turn.set_result(None)
            else:
                return


class Share:
    """What one holds of a budget, byte by byte: who sends slowly holds no more than has arrived."""

    __slots__ = ("_budget", "_holder", "_size")

    def __init__(self, budget: ByteBudget, holder: str) -> None:
        self._budget = budget
        self._holder = holder
        self._size = 0

    def grow(self, size: int) -> None:
        """`size` bytes more, at once or not at all. Raises RateLimited and Unavailable as `take_now`."""
        self._budget.take_now(self._holder, size)
        self._size += size

    def release(self) -> None:
        """Give everything back; a second time nothing."""
        self._budget.give_back(self._holder, self._size)
        self._size = 0
