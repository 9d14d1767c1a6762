"""Schema migrations: numbered SQL files, each applied once, in order, in a transaction of its own.

A file starts with header comments; everything else is plain SQL:

    -- serves code from: 1     least SCHEMA_VERSION of code that may still run on this schema (required)
    -- transaction: none       for statements such as CREATE INDEX CONCURRENTLY (optional); they are sent one by one,
                               so each ends with a semicolon at the end of its line

Beside each lies `<same name>.down.sql`, which takes it back: for developers and tests. A release that is rolled back
keeps its schema, which is why nothing here is ever run down by the product.

Two runners at once are safe: one works, the others poll a try-lock. A runner waiting *inside* pg_advisory_lock would
hold a snapshot, for which CREATE INDEX CONCURRENTLY waits in turn: a deadlock. The lock is a transaction's, on a connection
of its own: a session's would be worth nothing behind a pooler that lends servers by the transaction.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any

import asyncpg

from maraudersmap_api.infra.connecting import connect_plainly
from maraudersmap_api.infra.logs import log

DOWN = ".down.sql"
LOCK_KEY = 0x4D41_5241_5544  # "MARAUD": one lock for this service in its database
APPLICATION = "marauders-map-migrate"
POLL_SECONDS = 0.2
LOCK_PATIENCE_SECONDS = 600.0


class MigrationError(Exception):
    """The migrations cannot go on; the message names the file and what to do."""


class Contended(MigrationError):
    """Others use what is to be changed, or another runner is at it: nothing is wrong, trying again will help."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file. `serves_from` is the least code version that may run once it is applied."""

    version: int
    name: str
    sql: str
    checksum: str
    serves_from: int
    in_transaction: bool
    down: str = ""


@dataclass(frozen=True, slots=True)
class SchemaState:
    """What a database has: newest version applied, and the least code version it serves. Zero: nothing yet."""

    version: int
    serves_from: int


def shipped_migrations() -> tuple[Migration, ...]:
    """The files that came with this code, in order."""
    folder = resources.files("maraudersmap_api.migrations")
    texts = {f.name: f.read_text(encoding="utf-8") for f in folder.iterdir() if f.name.endswith(".sql")}
    ups = sorted((name, text) for name, text in texts.items() if not name.endswith(DOWN))
    return tuple(
        replace(migration, down=texts.get(f"{migration.version:04d}_{migration.name}{DOWN}", ""))
        for migration in parse_migrations(ups)
    )


def parse_migrations(files: Sequence[tuple[str, str]]) -> tuple[Migration, ...]:
    """(file name, content) pairs as migrations. Raises MigrationError on gaps, bad names or missing headers."""
    migrations: list[Migration] = []
    for expected, (file_name, sql) in enumerate(files, start=1):
        match = re.fullmatch(r"(\d{4})_([a-z0-9_]+)\.sql", file_name)
        if match is None or int(match[1]) != expected:
            raise MigrationError(f"{file_name}: expected a file named {expected:04d}_<what_it_does>.sql")
        serves = re.search(r"^-- serves code from: (\d+)\s*$", sql, re.MULTILINE)
        if serves is None:
            raise MigrationError(f"{file_name}: the line '-- serves code from: <version>' is missing")
        migrations.append(
            Migration(
                version=expected,
                name=match[2],
                sql=sql,
                checksum=hashlib.sha256(sql.encode()).hexdigest(),
                serves_from=int(serves[1]),
                in_transaction=re.search(r"^-- transaction: none\s*$", sql, re.MULTILINE) is None,
            )
        )
    return tuple(migrations)


async def migrate(url: str, migrations: Sequence[Migration]) -> list[int]:
    """Bring the database up to the newest migration; returns the versions applied now.

    Raises MigrationError when a file was changed after it was applied, or fails, and Contended when a lock did not come
    in time; driver errors about an unreachable database pass through. The caller answers each with its exit code.
    """
    async with _alone(url) as connection:
        await connection.execute(_LEDGER)
        done = await connection.fetch(
            "SELECT version, name, checksum FROM schema_migrations ORDER BY version"
        )
        pending = plan(migrations, {row["version"]: row["checksum"] for row in done})
        for migration in pending:
            await _apply(connection, migration)
        return [migration.version for migration in pending]


def plan(migrations: Sequence[Migration], applied: dict[int, str]) -> list[Migration]:
    """What is still to do, given the checksums applied. Pure. Raises MigrationError.

    Versions newer than ours are left alone: the database was migrated by a later release.
    """
    for migration in migrations:
        checksum = applied.get(migration.version)
        if checksum is not None and checksum != migration.checksum:
            raise MigrationError(
                f"{migration.version:04d}_{migration.name}.sql was changed after it was applied: "
                "restore the file and put the change into a new migration"
            )
    pending = [migration for migration in migrations if migration.version not in applied]
    newest = max(applied, default=0)
    for migration in pending:
        if migration.version < newest:
            raise MigrationError(
                f"{migration.version:04d}_{migration.name}.sql is missing below version {newest}: "
                "migrations are applied in order"
            )
    return pending


async def revert(url: str, migrations: Sequence[Migration], *, to: int) -> list[int]:
    """Take back what is newer than version `to`, newest first; returns the versions taken back.

    Raises MigrationError. For developers and tests; data that only the newer schema can hold is lost.
    """
    async with _alone(url) as connection:
        done = {row["version"] for row in await connection.fetch("SELECT version FROM schema_migrations")}
        taken = [m for m in reversed(migrations) if m.version > to and m.version in done]
        for migration in taken:
            forget = ("DELETE FROM schema_migrations WHERE version = $1", migration.version)
            await _run(connection, migration, migration.down, forget)
        return [migration.version for migration in taken]


async def read_schema(fetchrow: Callable[[str], Awaitable[Any]]) -> SchemaState:
    """What the database has. `fetchrow` runs one query; no ledger at all counts as nothing applied."""
    try:
        row = await fetchrow(
            "SELECT max(version) AS version, max(serves_from) AS serves_from FROM schema_migrations"
        )
    except asyncpg.UndefinedTableError:
        return SchemaState(0, 0)
    return SchemaState(row["version"] or 0, row["serves_from"] or 0)


def schema_problem(state: SchemaState, code_version: int) -> str | None:
    """Why code of `code_version` may not run on this schema, or None when it may. Pure."""
    if state.version < code_version:
        return f"schema version {state.version} is older than the {code_version} this code needs: run migrate"
    if state.serves_from > code_version:
        return f"the schema serves code from version {state.serves_from} on, this is {code_version}: upgrade"
    return None


_LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version     integer PRIMARY KEY,
    name        text NOT NULL,
    checksum    text NOT NULL,
    serves_from integer NOT NULL,
    applied_at  timestamptz(3) NOT NULL DEFAULT now()
)
"""


@asynccontextmanager
async def _alone(url: str) -> AsyncIterator[Any]:
    """A connection, while no other runner has one. Raises Contended."""
    keeper = await connect_plainly(url, 10, APPLICATION)
    try:
        try:
            async with asyncio.timeout(LOCK_PATIENCE_SECONDS):
                while not await _locked(keeper):  # noqa: ASYNC110 - the holder is another process
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise Contended(f"another runner held the lock for {LOCK_PATIENCE_SECONDS:.0f} s") from None
        connection = await connect_plainly(url, 10, APPLICATION)
        try:
            yield connection
        finally:
            await connection.close(timeout=5)
    finally:
        await keeper.close(timeout=5)  # and with it the lock


async def _locked(keeper: Any) -> bool:
    """Take the lock, if it is free, for a transaction that stays open."""
    await keeper.execute("BEGIN")
    if not await keeper.fetchval("SELECT pg_try_advisory_xact_lock($1)", LOCK_KEY):
        await keeper.execute("ROLLBACK")
        return False
    # This also ends the statement above, whose snapshot CREATE INDEX CONCURRENTLY would wait for.
    await keeper.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
    return True


async def _apply(connection: Any, migration: Migration) -> None:
    record = (
        "INSERT INTO schema_migrations (version, name, checksum, serves_from) VALUES ($1, $2, $3, $4)",
        migration.version,
        migration.name,
        migration.checksum,
        migration.serves_from,
    )
    await _run(connection, migration, migration.sql, record)
    log.info("Migration applied", extra={"context": {"version": migration.version, "name": migration.name}})


async def _run(connection: Any, migration: Migration, sql: str, record: tuple[Any, ...]) -> None:
    """The statements of one file and its line in the ledger."""
    try:
        if migration.in_transaction:
            async with connection.transaction():
                # DDL that waits for a lock makes every later query wait behind it: give up early instead.
                await connection.execute("SET LOCAL lock_timeout = '5s'")
                await connection.execute(sql)
                await connection.execute(*record)
        else:
            # Several statements sent as one would be one transaction after all.
            for statement in filter(str.strip, re.split(r";[ \t]*$", sql, flags=re.MULTILINE)):
                await connection.execute(statement)
            await connection.execute(*record)
    except asyncpg.PostgresConnectionError:
        raise
    except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
        raise Contended(
            f"{migration.version:04d}_{migration.name}.sql: others use what it changes"
        ) from error
    except asyncpg.PostgresError as error:
        raise MigrationError(f"{migration.version:04d}_{migration.name}.sql failed: {error}") from error
