"""Sockets that have not signed in: few at once, and who waits behind them.

After a rollout everybody comes back in the same second, many of them from behind one address, and each signs in within
milliseconds. So a client that finds the door full waits a moment for their turn instead of being sent away.
"""

import asyncio
from collections import Counter, defaultdict, deque

MOST_UNKNOWN_OF_AN_ADDRESS = 20
MOST_WAITING_OF_AN_ADDRESS = 200
WAIT_SECONDS = 5.0


class Door:
    """Counts by address. One event loop only."""

    def __init__(self) -> None:
        self._unknown: Counter[str] = Counter()
        self._lines: dict[str, deque[asyncio.Future[None]]] = defaultdict(deque)

    async def admit(self, address: str) -> bool:
        """Count a socket that has not signed in; False when its address has too many of these for too long."""
        if self._unknown[address] < MOST_UNKNOWN_OF_AN_ADDRESS:
            self._unknown[address] += 1
            return True
        line = self._lines[address]
        if len(line) >= MOST_WAITING_OF_AN_ADDRESS:
            return False
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.append(turn)
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await turn
        except TimeoutError:
            return self._gave_up(address, turn)
        except asyncio.CancelledError:
            if self._gave_up(address, turn):
                self.known(address)
            raise
        return True

    def known(self, address: str) -> None:
        """It has signed in, or has gone: the first in line has its place."""
        line = self._lines.get(address)
        while line:
            turn = line.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._lines.pop(address, None)
        self._unknown[address] -= 1
        if self._unknown[address] <= 0:
            del self._unknown[address]

    def _gave_up(self, address: str, turn: asyncio.Future[None]) -> bool:
        """True when the turn came in the very moment."""
        if turn.done() and not turn.cancelled():
            return True
        line = self._lines[address]
        if turn in line:
            line.remove(turn)
        if not line:
            del self._lines[address]
        return False
