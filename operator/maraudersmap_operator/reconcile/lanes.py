"""Keys that wait for a worker, each once, in two lanes: what is news, and what can wait for it.

A fleet's routine (looks at what no watch shows, verification after a restart) comes in hundreds; a change by a user must not
stand behind it. Nor may the routine starve while there is news without end.
"""

from __future__ import annotations

import asyncio

from maraudersmap_operator.cluster import Key

# So many of the news, then one of the routine, while there are both.
NEWS_IN_A_ROW = 4


class Lanes:
    def __init__(self) -> None:
        self._news: dict[Key, None] = {}
        self._routine: dict[Key, None] = {}
        self._there = asyncio.Semaphore(0)
        self._in_a_row = 0

    def __contains__(self, key: object) -> bool:
        return key in self._news or key in self._routine

    def __len__(self) -> int:
        return len(self._news) + len(self._routine)

    def put(self, key: Key, *, news: bool) -> None:
        """Wait behind what is in the lane already. News about a key in the routine lane takes it out of there."""
        if key in self._news:
            return
        if key not in self._routine:
            self._there.release()
        elif news:
            del self._routine[key]
        (self._news if news else self._routine)[key] = None

    async def take(self) -> tuple[Key, bool]:
        """The next key, and whether it is news."""
        await self._there.acquire()
        routine = not self._news or (bool(self._routine) and self._in_a_row >= NEWS_IN_A_ROW)
        self._in_a_row = 0 if routine else self._in_a_row + 1
        lane = self._routine if routine else self._news
        key = next(iter(lane))
        del lane[key]
        return key, not routine
