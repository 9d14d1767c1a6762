"""Simulated time for an event loop: it moves when all that runs waits for time, and then at once.

So what the product limits with `asyncio.timeout` takes its time in a test too, in the same order, and none of the machine's.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from typing import Any, cast

from .clock import Clock

LEAST = 1e-6


class SimulatedTime:
    """Takes the place of the loop's selector and clock from `install` to `remove`. `pass_time`: lets seconds pass."""

    def __init__(self, clock: Clock, pass_time: Callable[[float], None]) -> None:
        self._clock = clock
        self._pass_time = pass_time
        self._idle: list[asyncio.Future[None]] = []

    def install(self) -> None:
        self._loop = cast("Any", asyncio.get_running_loop())
        self._real: selectors.BaseSelector = self._loop._selector
        self._real_time = self._loop.time
        self._loop._selector = self
        self._loop.time = lambda: self._clock.ticks

    def remove(self) -> None:
        self._loop._selector = self._real
        self._loop.time = self._real_time

    async def idle(self) -> None:
        """Until all that runs beside the caller waits for time."""
        waiting = self._loop.create_future()
        self._idle.append(waiting)
        await waiting

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = self._real.select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self._idle:
            for waiting in self._idle:
                if not waiting.done():
                    waiting.set_result(None)
            self._idle.clear()
            return []
        if timeout is None:
            return self._real.select(None)
        self._pass_time(max(round(timeout, 6), LEAST))
        return []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)
