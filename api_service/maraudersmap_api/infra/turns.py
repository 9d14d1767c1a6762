"""Taking turns at what there is little of: connections to the database, threads that hash."""

import asyncio
from collections import OrderedDict, deque
from contextvars import ContextVar

asking: ContextVar[str] = ContextVar("asking", default="")
"""Who calls: a user, else their place (of IPv6 a /48); empty for work that nobody asked for."""


class FairSemaphore:
    """Callers take turns, and each of them has a line, first come, first served: who asks for a thousand things at once
    waits behind themselves. `urgent` steps to the front. One event loop only."""

    def __init__(self, turns: int) -> None:
        self._free = turns
        self._urgent: deque[asyncio.Future[None]] = deque()
        self._lines: OrderedDict[str, deque[asyncio.Future[None]]] = (
            OrderedDict()
        )  # whose turn is next comes first

    def take(self) -> bool:
        """A turn, if one is free. One is free only while no one waits."""
        free = self._free > 0
        self._free -= free
        return free

    async def acquire(self, *, urgent: bool = False) -> None:
        """Wait for a turn."""
        if self.take():
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line = self._urgent if urgent else self._lines.setdefault(asking.get(), deque())
        line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.release()  # the turn came in the very moment we gave up: pass it on
            raise  # a cancelled turn stays in line; release() steps over it

    def release(self) -> None:
        """Hand the turn straight to whose it is, so no one can slip in between."""
        while (turn := self._next()) is not None:
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _next(self) -> "asyncio.Future[None] | None":
        """The first in line of the next caller, who is the last of the callers then; None when no one waits."""
        if self._urgent:
            return self._urgent.popleft()
        if not self._lines:
            return None
        caller, line = self._lines.popitem(last=False)
        turn = line.popleft()
        if line:
            self._lines[caller] = line
        return turn
