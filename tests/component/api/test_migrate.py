"""The migrations runner and what readiness makes of the schema."""

import asyncio
import json

import asyncpg
import pytest
from tests.component.conftest import PATIENCE_SECONDS, readiness, run, running_api

from maraudersmap_api.app import SCHEMA_VERSION
from maraudersmap_api.infra import migrate as migrations
from maraudersmap_api.infra.migrate import MigrationError, migrate, parse_migrations, shipped_migrations

NEVER = "postgresql://nobody:secret@127.0.0.1:1/none"
SLOW = ("0001_slow.sql", "-- serves code from: 1\nCREATE TABLE things (id int); SELECT pg_sleep(0.3);")
CONCURRENT = (
    "0002_index.sql",
    "-- serves code from: 1\n-- transaction: none\nCREATE INDEX CONCURRENTLY things_id ON things (id)",
)


async def test_migrate_twice_is_migrate_once(empty_database: str) -> None:
    first = await run("migrate", {"DATABASE_URL": empty_database})
    second = await run("migrate", {"DATABASE_URL": empty_database})

    assert (first[0], second[0]) == (0, 0)
    assert json.loads(first[1].splitlines()[-1])["context"]["applied"] == list(range(1, SCHEMA_VERSION + 1))
    assert json.loads(second[1].splitlines()[-1])["context"]["applied"] == []


async def test_an_unreachable_database_is_75_and_never_shows_the_password() -> None:
    code, out, err = await run("migrate", {"DATABASE_URL": NEVER})

    assert code == 75
    assert "secret" not in out + err


async def test_bad_configuration_is_2_and_names_the_variable() -> None:
    code, _, err = await run("migrate", {})

    assert code == 2
    assert "DATABASE_URL is not set" in err


@pytest.mark.parametrize(
    "command", ["migrate", "create-user --email x@hogwarts.edu", "deactivate --email x@hogwarts.edu"]
)
async def test_an_address_that_cannot_be_used_is_2_and_without_a_traceback(command: str) -> None:
    url = "postgresql://u:secret@/none?host=one,two&port=1,2,3"
    code, out, err = await run(command, {"DATABASE_URL": url}, stdin="constant vigilance\n")

    assert (code, out) == (2, "")
    assert err.startswith(
        "configuration: DATABASE_URL cannot be used: could not match 3 port numbers to 2 hosts"
    )
    assert "Traceback" not in err
    assert "secret" not in err


async def test_a_changed_file_is_refused_with_1(empty_database: str) -> None:
    await migrate(empty_database, shipped_migrations())
    connection = await asyncpg.connect(empty_database)
    await connection.execute("UPDATE schema_migrations SET checksum = 'other' WHERE version = 1")
    await connection.close()

    code, out, _ = await run("migrate", {"DATABASE_URL": empty_database})

    assert code == 1
    assert "was changed after it was applied" in out


async def test_two_runners_at_once_apply_each_file_once(empty_database: str) -> None:
    """Also with CREATE INDEX CONCURRENTLY, which a runner waiting inside the lock would block for ever."""
    files = parse_migrations([SLOW, CONCURRENT])

    async with asyncio.timeout(PATIENCE_SECONDS):
        applied = await asyncio.gather(*(migrate(empty_database, files) for _ in range(3)))

    assert sorted(applied) == [[], [], [1, 2]]


async def test_a_failing_file_leaves_nothing_behind_and_can_be_tried_again(empty_database: str) -> None:
    bad = parse_migrations(
        [("0001_bad.sql", "-- serves code from: 1\nCREATE TABLE half (id int); SELECT 1/0;")]
    )
    with pytest.raises(MigrationError, match=r"0001_bad\.sql failed: division by zero"):
        await migrate(empty_database, bad)

    good = parse_migrations([("0001_good.sql", "-- serves code from: 1\nCREATE TABLE half (id int)")])
    assert await migrate(empty_database, good) == [1]


async def test_the_lock_is_given_back(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    holder = await asyncpg.connect(empty_database)
    await holder.execute("SELECT pg_advisory_lock($1)", migrations.LOCK_KEY)
    monkeypatch.setattr(migrations, "LOCK_PATIENCE_SECONDS", 0.3)
    with pytest.raises(MigrationError, match="another runner"):
        await migrate(empty_database, shipped_migrations())
    await holder.close()

    monkeypatch.setattr(migrations, "LOCK_PATIENCE_SECONDS", 30)
    await migrate(empty_database, shipped_migrations())
    assert await migrate(empty_database, shipped_migrations()) == []


async def test_without_a_schema_the_api_is_unready_and_heals_when_it_appears(empty_database: str) -> None:
    async with running_api(empty_database) as api:
        body = await readiness(api, 503)
        assert body["status"] == "not_ready"
        assert body["checks"]["database"] == "unhealthy"
        assert (await api.call("GET", "/health/live")).status == 200

        await migrate(empty_database, shipped_migrations())

        assert (await readiness(api, 200))["status"] == "ready"


async def test_code_older_than_the_schema_serves_is_unready_and_newer_schemas_are_fine(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        async with running_api(database) as api:
            await readiness(api, 200)
            later = SCHEMA_VERSION + 1
            insert = "INSERT INTO schema_migrations (version, name, checksum, serves_from) VALUES ($1, 'x', 'x', $2)"
            await connection.execute(insert, later, SCHEMA_VERSION)
            assert (await api.call("GET", "/health/ready")).status == 200

            await connection.execute(insert, later + 1, later)

            await readiness(api, 503)
            assert (await api.call("GET", "/health/live")).status == 200
    finally:
        await connection.close()


async def test_code_newer_than_the_schema_waits_for_the_migration(database: str) -> None:
    async with running_api(database, schema_version=SCHEMA_VERSION + 1) as api:
        assert (await readiness(api, 503))["checks"]["database"] == "unhealthy"
