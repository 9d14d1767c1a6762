"""The database: one wrapper owns the pool, the turn-taking, the time-outs, the histogram and the state.

asyncpg's own pool hands a freed connection to whoever asks next, so under load some callers starve (p99 of about
1 s at 64 clients). A first-in-first-out semaphore in front of it makes waiting fair, and lets the health check step
to the front: it must not report a busy database as a dead one.

Errors leave here as `Unavailable` when the database is away (a client may try again), never as driver text.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeAlias

import asyncpg

from maraudersmap_api.errors import Unavailable
from maraudersmap_api.infra.breaker import Breaker
from maraudersmap_api.infra.metrics import Metrics

Row: TypeAlias = Mapping[str, Any]
"""A row by column name (asyncpg.Record, which has no types)."""

CONNECT_SECONDS = 3.0
TURN_SECONDS = 3.0  # how long a request waits for its turn at a connection
STATEMENT_SECONDS = 5.0

AWAY_ERRORS: tuple[type[BaseException], ...] = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,  # "connection is closed", "pool is closing"
    asyncpg.InternalClientError,  # see Database.connection
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,  # starting up or shutting down
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InvalidAuthorizationSpecificationError,  # password not yet rotated here
    asyncpg.InvalidCatalogNameError,  # database not yet created
    asyncpg.ReadOnlySQLTransactionError,  # 25006: a failover left us on the replica
)
"""What means "the database is away or of no use just now", as opposed to a mistake of ours."""

NEUTRAL_ERRORS: tuple[type[BaseException], ...] = (
    asyncpg.QueryCanceledError,  # statement_timeout
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.LockNotAvailableError,
)
"""What the database says when it is there but too slow for this one request: 503 too, but no sign of its death."""


class Executor(Protocol):
    """What repositories use: a connection in a transaction, or the database itself for single statements."""

    async def fetch(self, query: str, *args: Any) -> list[Row]: ...
    async def fetchrow(self, query: str, *args: Any) -> Row | None: ...
    async def fetchval(self, query: str, *args: Any) -> Any: ...
    async def execute(self, query: str, *args: Any) -> str: ...


class Database:
    """A bounded, fair pool. Opening needs no reachable database: connections are made when first used."""

    def __init__(self, url: str, *, pool_size: int, metrics: Metrics) -> None:
        self._url = url
        self._size = pool_size
        self._metrics = metrics
        self._turns = FairSemaphore(pool_size)
        self._pool: asyncpg.Pool | None = None
        self.available = False  # set by the health check: while False, requests are refused at once
        self.breaker = Breaker("database", metrics)

    async def open(self) -> None:
        """Prepare the pool; connects to nothing."""
        self._pool = await asyncpg.create_pool(
            self._url,
            min_size=0,
            max_size=self._size,
            timeout=CONNECT_SECONDS,
            command_timeout=STATEMENT_SECONDS,
            max_inactive_connection_lifetime=120,
            reset=_leave_clean,
            server_settings={
                "application_name": "marauders-map-api",
                "statement_timeout": str(int(STATEMENT_SECONDS * 1000)),
                "idle_in_transaction_session_timeout": str(int(STATEMENT_SECONDS * 1000)),
                "timezone": "UTC",
                "jit": "off",  # compiling costs more than any of our queries
                # In the default 4 MB the matches of a common word are kept by page, not by row, and all rows of those
                # pages tested again: 280 ms instead of 110 for two such words in a million incidents.
                "work_mem": "16MB",
            },
        )

    async def close(self) -> None:
        """Close every connection; those in use get a short grace, then are cut."""
        if self._pool is None:
            return
        try:
            async with asyncio.timeout(2):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    async def reconnect(self) -> None:
        """Replace every connection when it is next used: those we have point at the wrong server."""
        if self._pool is not None:
            await self._pool.expire_connections()

    @asynccontextmanager
    async def connection(self, *, urgent: bool = False) -> AsyncIterator["MeasuredConnection"]:
        """A connection of one's own. `urgent` goes ahead of everyone waiting and ignores `available` and the breaker.

        Raises Unavailable when the database is away or no turn came in time.
        """
        if not urgent and not (self.available and self.breaker.allow()):
            raise _away()
        if self._pool is None:
            raise RuntimeError("Database.open() was not called")
        started = time.perf_counter()
        if not self._turns.take():
            try:
                async with asyncio.timeout(TURN_SECONDS):
                    await self._turns.acquire(urgent=urgent)
            except TimeoutError as error:
                raise Unavailable("The map is very busy, please try again", retry_after=1) from error
        try:
            self._metrics.connection_wait.observe(time.perf_counter() - started)
            async with self._pool.acquire(timeout=CONNECT_SECONDS) as connection:
                try:
                    yield MeasuredConnection(connection, self._metrics)
                except asyncpg.InternalClientError:
                    # The server ended this connection while it was idle, and asyncpg has read the farewell but not
                    # yet the end: it then takes itself to be busy. Nothing was sent; nobody can use it again.
                    connection.terminate()
                    raise
            self.breaker.success()
        except NEUTRAL_ERRORS as error:
            raise _away() from error
        except asyncpg.ReadOnlySQLTransactionError as error:
            self.breaker.failure()
            # Every pooled connection points at the same replica: make them all anew.
            await self.reconnect()
            raise _away() from error
        except AWAY_ERRORS as error:
            if isinstance(error, ValueError):
                raise  # asyncpg's name for "this argument does not fit": our mistake, though an InterfaceError
            self.breaker.failure()
            raise _away() from error
        except Exception:
            self.breaker.success()  # a refusal of ours, or one that only a living database can give
            raise
        finally:
            self._turns.release()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Executor]:
        """All or nothing, in at most STATEMENT_SECONDS. Raises Unavailable."""
        async with self.connection() as connection:
            try:
                async with asyncio.timeout(STATEMENT_SECONDS), connection.transaction():
                    yield connection
            except asyncpg.SerializationError as error:
                raise Unavailable(
                    "Somebody changed the same thing, please try again", retry_after=1
                ) from error

    async def fetch(self, query: str, *args: Any) -> list[Row]:
        """All rows of one statement."""
        async with self.connection() as connection:
            return await connection.fetch(query, *args)

    async def fetchrow(self, query: str, *args: Any) -> Row | None:
        """The first row, or None."""
        async with self.connection() as connection:
            return await connection.fetchrow(query, *args)

    async def fetchval(self, query: str, *args: Any) -> Any:
        """The first column of the first row, or None."""
        async with self.connection() as connection:
            return await connection.fetchval(query, *args)

    async def execute(self, query: str, *args: Any) -> str:
        """Run one statement and return its command tag."""
        async with self.connection() as connection:
            return await connection.execute(query, *args)


class FairSemaphore:
    """First come, first served; `urgent` steps to the front of the line. One event loop only."""

    def __init__(self, turns: int) -> None:
        self._free = turns
        self._line: deque[asyncio.Future[None]] = deque()

    def take(self) -> bool:
        """A turn, if one is free. One is free only while nobody waits."""
        free = self._free > 0
        self._free -= free
        return free

    async def acquire(self, *, urgent: bool = False) -> None:
        """Wait for a turn."""
        if self.take():
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if urgent:
            self._line.appendleft(turn)
        else:
            self._line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.release()  # the turn came in the very moment we gave up: pass it on
            raise  # a cancelled turn stays in line; release() steps over it

    def release(self) -> None:
        """Hand the turn straight to the first in line, so nobody can slip in between."""
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class MeasuredConnection:
    """A connection whose statements are measured."""

    __slots__ = ("_connection", "_histogram")

    def __init__(self, connection: Any, metrics: Metrics) -> None:
        self._connection = connection
        self._histogram = metrics.query_duration

    def transaction(self) -> Any:
        return self._connection.transaction()

    async def fetch(self, query: str, *args: Any) -> list[Row]:
        with self._histogram.time():
            rows: list[Row] = await self._connection.fetch(query, *args)
            return rows

    async def fetchrow(self, query: str, *args: Any) -> Row | None:
        with self._histogram.time():
            row: Row | None = await self._connection.fetchrow(query, *args)
            return row

    async def fetchval(self, query: str, *args: Any) -> Any:
        with self._histogram.time():
            return await self._connection.fetchval(query, *args)

    async def execute(self, query: str, *args: Any) -> str:
        with self._histogram.time():
            tag: str = await self._connection.execute(query, *args)
            return tag


async def _leave_clean(connection: Any) -> None:
    """Instead of asyncpg's reset query: a round trip for each release, while we set no session state at all."""
    if connection.is_in_transaction():
        await connection.execute("ROLLBACK")


def _away() -> Unavailable:
    return Unavailable("The map cannot reach its records just now, please try again")
