"""The shipped schema: each step up, down and up again; the previous release goes on working on it."""

import asyncio
from dataclasses import dataclass

import asyncpg
import pytest
from tests.component.conftest import PATIENCE_SECONDS, readiness, running_api

from maraudersmap_api.infra.migrate import migrate, revert, shipped_migrations

SHIPPED = shipped_migrations()

SHAPE = """
SELECT 'column', table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable
  FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'schema_migrations'
UNION ALL SELECT 'index', indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'schema_migrations'
UNION ALL SELECT 'check', conrelid::regclass || ' ' || pg_get_constraintdef(oid)
  FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid <> to_regclass('schema_migrations')
UNION ALL SELECT 'trigger', pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'function', proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
ORDER BY 1, 2
"""


async def shape(url: str) -> list[tuple[str, str]]:
    """Everything in the schema that a statement can meet."""
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(SHAPE)]
    finally:
        await connection.close()


@pytest.mark.parametrize("version", [migration.version for migration in SHIPPED])
async def test_each_migration_goes_up_down_and_up_again(empty_database: str, version: int) -> None:
    await migrate(empty_database, SHIPPED[: version - 1])
    before = await shape(empty_database)

    await migrate(empty_database, SHIPPED[:version])
    above = await shape(empty_database)
    assert await revert(empty_database, SHIPPED, to=version - 1) == [version]
    below = await shape(empty_database)
    await migrate(empty_database, SHIPPED[:version])
    again = await shape(empty_database)

    assert below == before
    assert again == above
    assert above != before, "a step that changes nothing cannot have been taken back"


async def test_all_the_way_down_leaves_nothing(empty_database: str) -> None:
    await migrate(empty_database, SHIPPED)

    await revert(empty_database, SHIPPED, to=0)

    assert await shape(empty_database) == []


async def test_an_index_whose_building_broke_off_is_built_anew(empty_database: str) -> None:
    """CREATE INDEX CONCURRENTLY leaves an invalid index behind when it is interrupted."""
    await migrate(empty_database, SHIPPED[:7])
    connection = await asyncpg.connect(empty_database)
    await connection.execute("CREATE INDEX incidents_stage_newest ON incidents (id)")
    await connection.execute(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'incidents_stage_newest'::regclass"
    )

    await migrate(empty_database, SHIPPED)

    valid = await connection.fetchval(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = 'incidents_stage_newest'::regclass"
    )
    await connection.close()
    assert valid


async def test_incidents_are_counted_while_others_write(empty_database: str) -> None:
    """No writer waits for the count, and none is counted twice or not at all."""
    await migrate(empty_database, SHIPPED[:1])
    connection = await asyncpg.connect(empty_database)
    await connection.execute(
        "INSERT INTO users (email, password_hash, first_name, last_name) VALUES ('a@hogwarts.edu', 'x', 'A', 'B')"
    )
    insert = """INSERT INTO incidents (title, location, reported_by)
                SELECT 'x', 'AZKABAN', u.id FROM users u, generate_series(1, $1::int)"""
    await connection.execute(insert, 5000)
    await migrate(empty_database, SHIPPED[:5])
    # Somebody is in the middle of writing, before, during and after the count.
    await connection.execute("UPDATE incidents SET severity = 2 WHERE id <= 100")
    writing = connection.transaction()
    await writing.start()
    await connection.execute(insert, 10)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await migrate(empty_database, SHIPPED[:6])
    await writing.commit()
    await connection.execute("UPDATE incidents SET deleted_at = now() WHERE id <= 7")

    counted = await connection.fetchrow(
        """SELECT (SELECT count(*) FROM incidents WHERE deleted_at IS NULL) AS there,
                  (SELECT sum(n) FROM (SELECT n FROM incident_tallies WHERE day = '-infinity' AND kind = 'reported'
                                       UNION ALL SELECT n FROM tally_changes WHERE kind = 'reported') AS c) AS counted,
                  (SELECT sum(n) FROM (SELECT n FROM incident_tallies WHERE day = '-infinity' AND severity = 2
                                       UNION ALL SELECT n FROM tally_changes WHERE severity = 2) AS c) AS severe"""
    )
    await connection.close()
    assert tuple(counted) == (5003, 5003, 93)


@dataclass(frozen=True)
class Recorded:
    """A statement of an earlier release, with arguments for it. `$user` and `$incident` are ids made before."""

    sql: str
    args: tuple[object, ...] = ()


_LIST = """SELECT i.id, i.title, i.description, i.severity, i.location, i.status, i.reported_at, i.updated_at,
    i.resolved_at, i.tags, i.evidence_urls, i.witness_count, i.version, r.id AS r_id, s.id AS s_id
    FROM incidents i JOIN users r ON r.id = i.reported_by LEFT JOIN users s ON s.id = i.resolved_by"""

RELEASE_1 = (
    Recorded(
        """INSERT INTO users (email, password_hash, role, first_name, last_name, house)
           VALUES ($1, $2, $3, $4, $5, $6) RETURNING id, email, token_version""",
        ("new@hogwarts.edu", "hash", "STUDENT", "N", "W", None),
    ),
    Recorded(
        """WITH token AS (INSERT INTO refresh_tokens (token_hash, user_id, family, expires_at)
                          VALUES ($2, $1, $3, now()))
           UPDATE users SET last_login_at = now() WHERE id = $1 RETURNING id""",
        ("$user", b"hash", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
    ),
    Recorded(
        f"""WITH i AS (INSERT INTO incidents (title, description, severity, location, reported_by, tags,
                                              evidence_urls, witness_count)
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING *)
            {_LIST.replace("FROM incidents i", "FROM i")}""",  # noqa: S608 - constant text
        ("t", "d", 3, "AZKABAN", "$user", ["a"], [], 0),
    ),
    Recorded(
        """WITH past AS (
               INSERT INTO incident_history (incident_id, changed_by, field, old_value, new_value, request_id)
               SELECT $1, $2, c.field, c.old, c.new, $3
               FROM unnest($4::text[], $5::jsonb[], $6::jsonb[]) AS c (field, old, new))
           INSERT INTO events (type, incident_id, payload) VALUES ($7, $1, $8)""",
        ("$incident", "$user", "r", ["status"], [None], ['"OPEN"'], "incident:created", "{}"),
    ),
    Recorded(f"{_LIST} WHERE i.id = $1 AND i.deleted_at IS NULL", ("$incident",)),
    Recorded(
        f"""WITH page AS (SELECT i.id, row_number() OVER (ORDER BY i.severity DESC, i.reported_at DESC, i.id DESC)
                          AS place FROM incidents i WHERE i.deleted_at IS NULL
                          AND (i.severity <= $1 OR i.reported_by = $2) AND i.search @@ to_tsquery('simple', $3)
                          ORDER BY i.severity DESC, i.reported_at DESC, i.id DESC LIMIT 20)
            {_LIST.replace("FROM incidents i", "FROM page JOIN incidents i ON i.id = page.id")}""",  # noqa: S608 - constant text
        (3, "$user", "'a':*"),
    ),
)
"""What release 1 says to its database."""


async def test_the_statements_of_the_previous_release_work_on_this_schema(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        user = await connection.fetchval(
            """INSERT INTO users (email, password_hash, first_name, last_name)
               VALUES ('old@hogwarts.edu', 'x', 'O', 'L') RETURNING id"""
        )
        incident = await connection.fetchval(
            "INSERT INTO incidents (title, location, reported_by) VALUES ('t', 'AZKABAN', $1) RETURNING id",
            user,
        )
        known = {"$user": user, "$incident": incident}
        for recorded in RELEASE_1:
            args = [known.get(arg, arg) if isinstance(arg, str) else arg for arg in recorded.args]
            assert await connection.fetch(recorded.sql, *args) is not None, recorded.sql
        counted = await connection.fetchval("SELECT sum(n) FROM tally_changes WHERE kind = 'reported'")
        assert counted == 2, "what the previous release writes is counted too"
    finally:
        await connection.close()


async def test_the_previous_release_stays_ready_on_this_schema(database: str) -> None:
    async with running_api(database, schema_version=1) as api:
        await readiness(api, 200)


# Every foreign key, and the question that PostgreSQL asks of its table before a row that it refers to is deleted.
REFERENCES = """
SELECT c.conrelid::regclass::text || '.' || a.attname,
       format('EXPLAIN SELECT 1 FROM ONLY %s x WHERE %I = NULL::%s FOR KEY SHARE OF x',
              c.conrelid::regclass, a.attname, format_type(a.atttypid, a.atttypmod))
  FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
 WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace ORDER BY 1
"""


async def test_what_refers_to_a_row_is_found_by_an_index(database: str) -> None:
    """Or removing one account reads every incident there is, for longer than any statement may take."""
    connection = await asyncpg.connect(database)
    walked = []
    found = await connection.fetch(REFERENCES)
    await connection.execute("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan")
    for place, question in found:
        asked = question.replace("NULL::uuid", "$1::uuid").replace("NULL::bigint", "$1::bigint")
        kind = "uuid" if "uuid" in asked else "bigint"
        await connection.execute(f"PREPARE question ({kind}) AS {asked.removeprefix('EXPLAIN ')}")
        plan = await connection.fetch("EXPLAIN EXECUTE question (NULL)")
        await connection.execute("DEALLOCATE question")
        if any("Seq Scan" in line for (line,) in plan):
            walked.append(place)
    await connection.close()

    assert len(found) > 5
    assert walked == []
