"""The database: one wrapper owns the pool, the turn-taking, the time-outs, the histogram and the state.

Callers take turns, and each of them is served in the order in which they came, or under load some would starve (p99 of about
1 s at 64 clients), and one who sends hundreds of requests at once would keep all others waiting; the health check steps to
the front: it must not report a busy database as a dead one. Writers have one turn less than there are: a row that
somebody holds makes them wait, however many they are, and reads go on beside them.

No one waits longer than ANSWER_SECONDS, for a turn and all statements together. The server's own limit for a statement is
shorter, so one who gets no word in that time talks to a server that is frozen or cut off: its connection is dropped, and
when no one else has had a word either, the next ones are refused at once.

Errors leave here as `Unavailable` when the database is away (a client may try again), never as driver text.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeAlias

import asyncpg

from maraudersmap_api.errors import Unavailable
from maraudersmap_api.infra.breaker import Breaker
from maraudersmap_api.infra.connecting import SET_LOCAL, Connector
from maraudersmap_api.infra.connections import Connections
from maraudersmap_api.infra.metrics import Metrics
from maraudersmap_api.infra.turns import FairSemaphore
from maraudersmap_api.settings import SettingsError

Row: TypeAlias = Mapping[str, Any]
"""A row by column name (asyncpg.Record, which has no types)."""

ANSWER_SECONDS = 2.5
SILENT_SECONDS = 2.0  # no one has had a word from the server for so long, though someone asked

AWAY_ERRORS: tuple[type[BaseException], ...] = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,  # "connection is closed", "pool is closing"
    asyncpg.InternalClientError,  # see Database.connection
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # starting up, shutting down, a session that was idle for too long
    asyncpg.TooManyConnectionsError,
    asyncpg.InvalidAuthorizationSpecificationError,  # password not yet rotated here
    asyncpg.InvalidCatalogNameError,  # database not yet created
    asyncpg.ProtocolViolationError,  # a pooler that refuses how we connect: found out by the next attempt
    asyncpg.ReadOnlySQLTransactionError,  # 25006: a failover left us on the replica
    SettingsError,  # the address cannot be used, or not any more: a certificate has gone
)
"""What means "the database is away or of no use just now", as opposed to a mistake of ours."""

CONTENDED_ERRORS: tuple[type[BaseException], ...] = (
    asyncpg.LockNotAvailableError,
    asyncpg.TransactionRollbackError,  # deadlocks, and on a standby reads that recovery cannot wait for
)

NO_ROOM_ERRORS: tuple[type[BaseException], ...] = (
    asyncpg.DiskFullError,
    asyncpg.OutOfMemoryError,
    asyncpg.ConfigurationLimitExceededError,  # temp_file_limit
    asyncpg.PostgresSystemError,  # its disk cannot be read or written
)
"""What others ask for may fit, and most reads do."""

NEUTRAL_ERRORS: tuple[type[BaseException], ...] = (
    asyncpg.QueryCanceledError,  # statement_timeout
    asyncpg.IdleInTransactionSessionTimeoutError,
    *CONTENDED_ERRORS,
    *NO_ROOM_ERRORS,
)
"""What the database answers when it is there but cannot do this one thing now: 503 too, but no sign of its death."""


class Executor(Protocol):
    """What repositories use: a connection in a transaction, or the database itself for single statements."""

    async def fetch(self, query: str, *args: Any) -> list[Row]: ...
    async def fetchrow(self, query: str, *args: Any) -> Row | None: ...
    async def fetchval(self, query: str, *args: Any) -> Any: ...
    async def execute(self, query: str, *args: Any) -> str: ...


class Database:
    """A bounded, fair pool. Making it needs no reachable database: connections are made when first used."""

    def __init__(
        self,
        connector: Connector,
        *,
        pool_size: int,
        metrics: Metrics,
        measured: Callable[[Any, Metrics], "MeasuredConnection"] | None = None,
    ) -> None:
        """`measured` makes what a user of a connection gets; see tracing.py."""
        self._connector = connector
        self._size = pool_size
        self._metrics = metrics
        self._measured = measured or MeasuredConnection
        self._turns = FairSemaphore(pool_size)
        self._writers = FairSemaphore(max(1, pool_size - 1))
        self._heard_at = 0.0
        self._connections = Connections(connector.connect)
        self.available = False  # set by the health check: while False, requests are refused at once
        self.breaker = Breaker("database", metrics)

    async def close(self) -> None:
        """Close every connection; those in use get a short grace, then are cut."""
        await self._connections.close()

    def reconnect(self) -> None:
        """Replace every connection when it is next used: those we have lead to the wrong server."""
        self._connections.expire()

    @property
    def writer(self) -> "Writer":
        """For single statements that may wait for a row somebody else holds; see `connection`."""
        return Writer(self)

    @asynccontextmanager
    async def connection(
        self, *, urgent: bool = False, writes: bool = False
    ) -> AsyncIterator["MeasuredConnection"]:
        """A connection of one's own, for at most ANSWER_SECONDS. `writes`: it may wait for a row that is locked.

        `urgent` goes ahead of everyone waiting and ignores `available` and the breaker. Raises Unavailable when the
        database is away or no turn came in time.
        """
        if not urgent and not (self.available and self.breaker.allow()):
            raise _away()
        until = asyncio.get_running_loop().time() + ANSWER_SECONDS
        held = await self._wait_for_turns(until, urgent=urgent, writes=writes)
        try:
            async with asyncio.timeout_at(until):
                connection = await self._connections.take()
                try:
                    yield self._measured(connection, self._metrics)
                except asyncpg.InternalClientError:
                    # The server ended this connection while it was idle, and asyncpg has read the farewell but not
                    # yet the end: it then takes itself to be busy. Nothing was sent; no one can use it again.
                    connection.terminate()
                    raise
                except asyncio.CancelledError:
                    connection.terminate()  # it may be in the middle of a statement, of a server that is frozen
                    raise
                finally:
                    self._connections.give_back(connection)
            self._heard(well=True)
        except NEUTRAL_ERRORS as error:
            self._heard(well=False)
            if isinstance(error, CONTENDED_ERRORS):
                raise _contended() from error
            raise (_away() if isinstance(error, NO_ROOM_ERRORS) else _busy(worked=True)) from error
        except asyncpg.ReadOnlySQLTransactionError as error:
            self.breaker.failure()
            # Every pooled connection points at the same replica: make them all again.
            self.reconnect()
            raise _away() from error
        except AWAY_ERRORS as error:
            if isinstance(error, ValueError):
                raise  # asyncpg's name for "this argument does not fit": our mistake, though an InterfaceError
            if isinstance(error, TimeoutError):
                if not self._is_silent():  # it answers others: this one came late to its turn
                    raise _busy() from error
                self.breaker.trip()
            self.breaker.failure()
            raise _away() from error
        except Exception:
            self._heard(well=True)  # a refusal of ours, or one that only a living database can give
            raise
        finally:
            for line in held:
                line.release()

    async def _wait_for_turns(self, until: float, *, urgent: bool, writes: bool) -> list[FairSemaphore]:
        """One's turn, at the latest at `until` (loop time), to be released in every line of the answer; writers wait among
        themselves first. Raises Unavailable."""
        started = time.perf_counter()
        held: list[FairSemaphore] = []
        try:
            for line in (self._writers, self._turns) if writes else (self._turns,):
                if not line.take():
                    async with asyncio.timeout_at(until):
                        await line.acquire(urgent=urgent)
                held.append(line)
        except BaseException as error:
            for line in held:
                line.release()
            if isinstance(error, TimeoutError):
                raise _busy() from error
            raise
        self._metrics.connection_wait.observe(time.perf_counter() - started)
        return held

    def _heard(self, *, well: bool) -> None:
        """The server has answered."""
        self._heard_at = asyncio.get_running_loop().time()
        if well:
            self.breaker.success()

    def _is_silent(self) -> bool:
        return asyncio.get_running_loop().time() - self._heard_at > SILENT_SECONDS

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Executor]:
        """All or nothing, in at most ANSWER_SECONDS. Raises Unavailable."""
        async with self.connection(writes=True) as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                if self._connector.pooled:  # the session cannot have them
                    await connection.execute(SET_LOCAL)
                yield connection
                await transaction.commit()
            except asyncio.CancelledError:
                raise  # no time is left to ask for a rollback: dropping the connection, or giving it back, is one
            except BaseException:
                await transaction.rollback()
                raise

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


class Writer:
    """The database, for single statements that write."""

    __slots__ = ("_db",)

    def __init__(self, db: Database) -> None:
        self._db = db

    async def fetch(self, query: str, *args: Any) -> list[Row]:
        async with self._db.connection(writes=True) as connection:
            return await connection.fetch(query, *args)

    async def fetchrow(self, query: str, *args: Any) -> Row | None:
        async with self._db.connection(writes=True) as connection:
            return await connection.fetchrow(query, *args)

    async def fetchval(self, query: str, *args: Any) -> Any:
        async with self._db.connection(writes=True) as connection:
            return await connection.fetchval(query, *args)

    async def execute(self, query: str, *args: Any) -> str:
        async with self._db.connection(writes=True) as connection:
            return await connection.execute(query, *args)


class MeasuredConnection:
    """A connection whose statements are measured."""

    __slots__ = ("_connection", "_histogram")

    def __init__(self, connection: Any, metrics: Metrics) -> None:
        self._connection = connection
        self._histogram = metrics.query_duration

    def transaction(self) -> Any:
        # Who has waited for a row goes on with it as it is then; a stricter default would refuse them.
        return self._connection.transaction(isolation="read_committed")

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


def _busy(*, worked: bool = False) -> Unavailable:
    return Unavailable("The map is very busy, please try again", retry_after=1, worked=worked)


def _contended() -> Unavailable:
    return Unavailable("Someone else is changing the same thing, please try again", retry_after=1)


def _away() -> Unavailable:
    return Unavailable("The map cannot reach its records just now, please try again")
