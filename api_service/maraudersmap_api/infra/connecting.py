"""Connecting to PostgreSQL: straight to the server, or through a pooler that lends a server for one transaction at a time.

Behind such a pooler (pgbouncer with `pool_mode = transaction`) the next statement may meet another server: what a session
would remember (settings, prepared statements, session locks) is lost or, worse, somebody else's, and a setting at the
start of a connection is refused. So nothing of the kind is used there: settings go into each transaction, statements
are parsed each time. Whether there is a pooler is found out unless it is set: a server's process id is not the one
that the pooler gives.
"""

from typing import Any

import asyncpg

from maraudersmap_api.settings import Pooler, SettingsError

CONNECT_SECONDS = 2.5
STATEMENT_MILLISECONDS = 2000
"""What the server allows a statement: less than a request waits for it, so the server is the first to give up."""

LOCK_MILLISECONDS = 1000
"""How long a statement waits for a row that somebody else holds."""

APPLICATION = "marauders-map-api"

_TIME_OUTS = {
    "statement_timeout": str(STATEMENT_MILLISECONDS),
    "lock_timeout": str(LOCK_MILLISECONDS),
    "idle_in_transaction_session_timeout": "5000",
}
_SESSION = {
    **_TIME_OUTS,
    "timezone": "UTC",
    # Others who share the database may have set something else for it.
    "default_transaction_isolation": "read committed",
    "standard_conforming_strings": "on",
    "jit": "off",  # compiling costs more than any of our queries
    # In the default 4 MB the matches of a common word are kept by page, not by row, and all rows of those
    # pages tested again: 280 ms instead of 110 for two such words in a million incidents.
    "work_mem": "16MB",
}
SET_LOCAL = "; ".join(f"SET LOCAL {name} = '{value}'" for name, value in _TIME_OUTS.items())
"""The same for one transaction."""


class Connector:
    """Makes connections."""

    def __init__(self, url: str, pooler: Pooler, statement_cache: int | None) -> None:
        """`statement_cache`: statements kept prepared in each connection; None: 100, and none behind a pooler."""
        self._url = url
        self._pooler = pooler
        self._statement_cache = statement_cache
        self._found: bool | None = None

    @property
    def pooled(self) -> bool:
        """Does each transaction meet a server of its own choice? Known once a connection was made."""
        return self._pooler is Pooler.TRANSACTION or bool(self._found)

    async def connect(self) -> Any:
        """A connection, made within CONNECT_SECONDS. Raises SettingsError and what asyncpg does."""
        if self._pooler is Pooler.AUTO and self._found is None:
            self._found = await self._is_pooled()
        cache = self._statement_cache
        if cache is None:
            cache = 0 if self.pooled else 100
        settings = {"application_name": APPLICATION, **({} if self.pooled else _SESSION)}
        try:
            return await _connect(self._url, CONNECT_SECONDS, settings, cache)
        except asyncpg.ProtocolViolationError:
            self._found = None  # a pooler has come between: it refuses settings at the start
            raise

    async def _is_pooled(self) -> bool:
        connection = await connect_plainly(self._url, CONNECT_SECONDS)
        try:
            server: int = await connection.fetchval("SELECT pg_backend_pid()")
            return bool(server != connection.get_server_pid())
        finally:
            await connection.close(timeout=CONNECT_SECONDS)


async def connect_plainly(url: str, seconds: float, application: str = APPLICATION) -> Any:
    """A connection that needs nothing of its session, so it works through any pooler. Raises SettingsError and what asyncpg
    does.
    """
    return await _connect(url, seconds, {"application_name": application}, 0)


async def _connect(url: str, seconds: float, settings: dict[str, str], cache: int) -> Any:
    try:
        return await asyncpg.connect(
            url, timeout=seconds, server_settings=settings, statement_cache_size=cache
        )
    except asyncpg.ClientConfigurationError as error:
        reason, *_ = str(error).splitlines()
        raise SettingsError([f"DATABASE_URL cannot be used: {reason}"]) from None
