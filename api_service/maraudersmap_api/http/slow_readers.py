"""Answers that their readers do not take: they lie in this process's memory, so no one may leave them there.

Every connection is looked at each second: one that took nothing for STALL_SECONDS, or has not emptied its buffer in
BUFFER_SECONDS, is closed. Should all buffers together grow beyond SOFT_BYTES, those that have stood still longest go
first, and above HARD_BYTES even those that merely are not quick. So a thousand readers that never read cost a fixed
amount, and a slow one costs the others nothing.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from maraudersmap_api.infra.logs import log

STALL_SECONDS = 15.0
"""Above what a WebSocket gets before it is closed in an orderly way (realtime/socket.py)."""
BUFFER_SECONDS = 120.0
"""For one buffer, which is one answer or one slice of a long one, 0.7 MB or so: 6 KB/s at least."""
SOFT_BYTES = 32 * 1024 * 1024
HARD_BYTES = 64 * 1024 * 1024
NOT_QUICK_SECONDS = 1.0
SWEEP_SECONDS = 1.0


@dataclass(slots=True)
class _Stall:
    """Since when (loop time) a buffer has not been empty, since when nothing was taken from it, and its size then."""

    began: float
    moved: float
    size: int


class SlowReaders:
    """All connections of a process with what they have not taken yet."""

    def __init__(self, closed: Callable[[], None] = lambda: None) -> None:
        """`closed` is called for each connection that is given up."""
        self._closed = closed
        self._transports: set[asyncio.Transport] = set()
        self._stalls: dict[asyncio.Transport, _Stall] = {}

    def watch(self, transport: asyncio.Transport) -> None:
        """Look at this connection from now on."""
        self._transports.add(transport)

    def forget(self, transport: asyncio.Transport) -> None:
        """It is gone."""
        self._transports.discard(transport)
        self._stalls.pop(transport, None)

    def full(self, transport: asyncio.Transport, now: float) -> None:
        """Its buffer is above the mark at which writers have to wait: is it all together too much?"""
        self._stalls.setdefault(transport, _Stall(now, now, transport.get_write_buffer_size()))
        self._relieve(now)

    def emptied(self, transport: asyncio.Transport) -> None:
        """Its buffer has been taken."""
        self._stalls.pop(transport, None)

    def sweep(self, now: float) -> None:
        """Give up on those who take too long. `now` is loop time; call it every second or so."""
        for transport in tuple(self._transports):
            size = transport.get_write_buffer_size()
            if not size:
                self._stalls.pop(transport, None)
                continue
            stall = self._stalls.setdefault(transport, _Stall(now, now, size))
            if size < stall.size:
                stall.moved = now
            stall.size = size
            if now - stall.moved > STALL_SECONDS or now - stall.began > BUFFER_SECONDS:
                self._give_up(transport)
        self._relieve(now)

    async def run(self) -> None:
        """Sweep for ever."""
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.sweep(clock())

    def _relieve(self, now: float) -> None:
        sizes = {transport: transport.get_write_buffer_size() for transport in self._stalls}
        unsent = sum(sizes.values())
        if unsent <= SOFT_BYTES:
            return
        for transport, stall in sorted(self._stalls.items(), key=lambda item: item[1].moved):
            if unsent <= SOFT_BYTES or (unsent <= HARD_BYTES and now - stall.moved < NOT_QUICK_SECONDS):
                return
            unsent -= sizes[transport]
            self._give_up(transport)

    def _give_up(self, transport: asyncio.Transport) -> None:
        self.forget(transport)
        # Not close(): that waits until everything is written, which is what this reader prevents.
        transport.abort()
        self._closed()
        log.info("A reader was too slow")
