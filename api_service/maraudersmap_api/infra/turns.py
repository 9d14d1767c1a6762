"""Taking turns at what there is little of: connections to the database, threads that hash, memory for what is large."""

import asyncio
from collections import OrderedDict, deque
from contextvars import ContextVar
from typing import Generic, TypeVar

T = TypeVar("T")

asking: ContextVar[str] = ContextVar("asking", default="")
"""Who calls: a user, else their place (of IPv6 a /48); empty for work that nobody asked for."""


class Lines(Generic[T]):
    """Who waits. Callers take turns, and each of them has a line, first come, first served: who asks for a thousand things
    at once waits behind themselves."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, deque[T]] = OrderedDict()  # whose turn is next comes first

    def __bool__(self) -> bool:
        return bool(self._lines)

    def add(self, waiting: T) -> None:
        """To the end of the line of the one who is asking."""
        self._lines.setdefault(asking.get(), deque()).append(waiting)

    def next(self) -> T:
        """Whose turn it is, who stays where they are. Raises StopIteration when no one waits."""
        return next(iter(self._lines.values()))[0]

    def pop(self) -> T:
        """Whose turn it is; their caller is the last of the callers then. Raises KeyError when no one waits."""
        caller, line = self._lines.popitem(last=False)
        turn = line.popleft()
        if line:
            self._lines[caller] = line
        return turn


class FairSemaphore:
    """So many turns at once, for those who wait as in Lines. `urgent` steps to the front. One event loop only."""

    def __init__(self, turns: int) -> None:
        self._free = turns
        self._urgent: deque[asyncio.Future[None]] = deque()
        self._lines: Lines[asyncio.Future[None]] = Lines()

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
        if urgent:
            self._urgent.append(turn)
        else:
            self._lines.add(turn)
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
        if self._urgent:
            return self._urgent.popleft()
        return self._lines.pop() if self._lines else None
