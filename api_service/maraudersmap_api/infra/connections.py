"""The database connections of this process: those that no one uses, and how to come by another.

asyncpg's own pool spends more processor time on lending a connection than asyncpg does on a short statement: for turns,
time-outs and a clean session, which db.py sees to already. How many there are at once is what the turns there allow.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

NO_MORE = (asyncpg.TooManyConnectionsError, asyncpg.InvalidAuthorizationSpecificationError)
"""The server is there, and gives no other connection: there are as many as there may be, or the password is a new one."""

IDLE_SECONDS = 120.0
CLOSING_SECONDS = 2.0


class Connections:
    """Lends each connection to one user at a time, the one that was used last first. One event loop only."""

    def __init__(self, connect: Callable[[], Awaitable[Any]]) -> None:
        """`connect` makes a connection."""
        self._connect = connect
        # With the loop's time when it was given back, ascending.
        self._free: deque[tuple[Any, float]] = deque()
        self._lent: set[Any] = set()
        self._expired: set[Any] = set()
        self._back = asyncio.Event()  # one more was given back
        self._all_back = asyncio.Event()
        self._closing = False

    async def take(self) -> Any:
        """A connection; one is made when none is free, and where the server gives no more, one that is lent is waited for.

        Raises what asyncpg does, and ConnectionError after `close`.
        """
        if self._closing:
            raise ConnectionError("the connections are closed")
        connection = self._free_one()
        if connection is None:
            try:
                connection = await self._connect()
            except NO_MORE:
                connection = await self._given_back()
                if connection is None:
                    raise
        self._lent.add(connection)
        return connection

    def give_back(self, connection: Any) -> None:
        """Of one that was taken. In the middle of a transaction it is of no use to others: then it is cut."""
        self._lent.discard(connection)
        expired = connection in self._expired
        self._expired.discard(connection)
        if connection.is_closed():
            pass  # nothing is left of it
        elif self._closing or expired or connection.is_in_transaction():
            connection.terminate()
        else:
            now = asyncio.get_running_loop().time()
            self._free.append((connection, now))
            # The health check comes by each second, so those that no one needs any more are found.
            while now - self._free[0][1] > IDLE_SECONDS:
                self._free.popleft()[0].terminate()
        self._back.set()
        if not self._lent:
            self._all_back.set()

    def expire(self) -> None:
        """Lend none of these again: they lead to the wrong server."""
        self._expired |= self._lent
        while self._free:
            self._free.pop()[0].terminate()

    async def close(self) -> None:
        """End every connection; those that are lent are waited for, and cut after CLOSING_SECONDS."""
        self._closing = True
        idle = [connection for connection, _ in self._free]
        self._free.clear()
        try:
            async with asyncio.timeout(CLOSING_SECONDS):
                # What a broken connection raises when it is closed says nothing new.
                await asyncio.gather(*(connection.close() for connection in idle), return_exceptions=True)
                if self._lent:
                    self._all_back.clear()
                    await self._all_back.wait()
        except TimeoutError:
            for connection in (*idle, *self._lent):
                connection.terminate()

    async def _given_back(self) -> Any:
        """The next that comes back and is of use; None when there is none to wait for."""
        while (connection := self._free_one()) is None and self._lent:
            self._back.clear()
            await self._back.wait()
        return connection

    def _free_one(self) -> Any:
        while self._free:
            connection, _ = self._free.pop()
            if not connection.is_closed():
                return connection
        return None
