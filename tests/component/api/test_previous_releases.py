"""Two revisions live side by side in every rollout: the newest schema must also serve the code that came before.

`recorded/<schema version>.json` holds every statement of the release that shipped that schema (dev/record_queries.py).
"""

import json
from pathlib import Path

import asyncpg
import pytest

from maraudersmap_api.infra.migrate import migrate, shipped_migrations

RECORDED = {int(file.stem): file for file in Path(__file__).with_name("recorded").glob("*.json")}
SERVES_FROM = max(migration.serves_from for migration in shipped_migrations())
SERVED = sorted(version for version in RECORDED if version >= SERVES_FROM)
# What an INSERT must name, or the database refuses it.
REQUIRED = """SELECT table_name, column_name FROM information_schema.columns
               WHERE table_schema = 'public' AND is_nullable = 'NO' AND column_default IS NULL
                 AND is_identity = 'NO' AND is_generated = 'NEVER'"""
TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"


def test_the_release_before_is_recorded() -> None:
    assert any(version < len(shipped_migrations()) for version in SERVED)


@pytest.mark.parametrize("version", SERVED)
async def test_each_of_its_statements_still_means_something(empty_database: str, version: int) -> None:
    await migrate(empty_database, shipped_migrations())
    statements = json.loads(RECORDED[version].read_text())
    refused = []
    connection = await asyncpg.connect(empty_database)
    for statement in statements:
        try:
            await connection.prepare(statement)
        except asyncpg.PostgresError as error:
            refused.append((str(error), statement))
    await connection.close()

    assert len(statements) > 10
    assert refused == []


@pytest.mark.parametrize("version", SERVED)
async def test_nothing_is_required_that_it_does_not_know(empty_database: str, version: int) -> None:
    """A column that it does not write may be new, but then it has a default or may be empty."""
    await migrate(empty_database, shipped_migrations()[:version])
    connection = await asyncpg.connect(empty_database)
    tables = {row["table_name"] for row in await connection.fetch(TABLES)}
    before = {tuple(row.values()) for row in await connection.fetch(REQUIRED)}
    await migrate(empty_database, shipped_migrations())
    after = {tuple(row.values()) for row in await connection.fetch(REQUIRED)}
    await connection.close()

    assert {place for place in after - before if place[0] in tables} == set()
