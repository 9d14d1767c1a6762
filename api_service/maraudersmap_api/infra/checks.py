"""What the health monitors ask of database and cache."""

from collections.abc import Awaitable, Callable

from maraudersmap_api.infra.db import Database
from maraudersmap_api.infra.health import CheckFailed
from maraudersmap_api.infra.migrate import read_schema, schema_problem
from maraudersmap_api.infra.redis import Redis

Check = Callable[[], Awaitable[None]]


def database_check(db: Database, schema_version: int) -> Check:
    """Reachable, writable (a replica after a failover is not), and with a schema that this code can use."""

    async def check() -> None:
        # Urgent: a database that is only busy must not look dead, or load alone would empty the Service.
        async with db.connection(urgent=True) as connection:
            if await connection.fetchval("SELECT current_setting('transaction_read_only') = 'on'"):
                db.reconnect()
                raise CheckFailed("the database is read-only: a replica, or a failover that has not ended")
            problem = schema_problem(await read_schema(connection.fetchrow), schema_version)
        if problem is not None:
            raise CheckFailed(problem)

    return check


def cache_check(redis: Redis) -> Check:
    """It answers."""
    return redis.ping
