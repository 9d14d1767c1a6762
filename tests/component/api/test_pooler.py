"""Behind pgbouncer, which lends a server for one transaction at a time."""

import asyncio
from collections.abc import Iterator

import asyncpg
import pytest
from dev.local_pgbouncer import local_pgbouncer
from tests.component.conftest import PATIENCE_SECONDS, Api, readiness, run, running_api
from tests.unit.docs.blocks import blocks

from maraudersmap_api.infra.connecting import Connector
from maraudersmap_api.infra.migrate import migrate, parse_migrations
from maraudersmap_api.settings import Pooler


@pytest.fixture(params=["refuses settings", "ignores settings"])
def pooled(database: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a migrated database behind a pooler with fewer servers than the API has connections."""
    with local_pgbouncer(database, servers=2, strict=request.param == "refuses settings") as url:
        yield url


async def answered(api: Api, method: str, path: str, body: object) -> int:
    """The status, once its turn has come: on a busy machine that takes longer than the service lets anyone wait."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            reply = await api.call(method, path, user="moody", json=body)
            if reply.status != 503 or "very busy" not in reply.body["error"]["message"]:
                return reply.status
            await asyncio.sleep(float(reply.headers["Retry-After"]))


@pytest.mark.parametrize("variables", [{}, {"DATABASE_POOLER": "transaction"}], ids=["found out", "set"])
async def test_hundreds_of_requests_that_share_two_servers(
    database: str, pooled: str, variables: dict[str, str]
) -> None:
    async with running_api(pooled, schema_version=None, **variables) as api:
        api.database_url = database  # what the test itself asks
        await readiness(api, 200)
        await api.person("moody", "AUROR")
        number = (await api.report("moody"))["id"]

        async def calls(index: int) -> list[int]:
            asked: tuple[tuple[str, str, object], ...] = (
                ("GET", f"/api/incidents?limit=3&page={index % 3 + 1}", None),
                ("GET", f"/api/incidents?search=prank&page={index % 2 + 1}", None),
                ("GET", f"/api/incidents/{number}", None),
                ("PATCH", f"/api/incidents/{number}", {"witnessCount": index}),
                ("POST", "/api/incidents", {"title": f"prank {index}", "location": "HOGWARTS", "severity": "DANGEROUS"}),
                ("GET", "/api/analytics/overview", None),
            )  # fmt: skip
            return [await answered(api, method, path, body) for method, path, body in asked]

        statuses = [status for found in await asyncio.gather(*map(calls, range(50))) for status in found]

        assert set(statuses) == {200, 201}
        assert len(statuses) == 300
        assert (await _left_behind(api)) == []


async def test_a_pooler_is_found_out_and_a_server_is_none(database: str, pooled: str) -> None:
    for url, expected in ((database, False), (pooled, True)):
        connector = Connector(url, Pooler.AUTO, None)
        connection = await connector.connect()
        await connection.close()

        assert connector.pooled is expected


@pytest.mark.usefixtures("unhurried")
async def test_keys_and_their_time_out_work_behind_it(pooled: str) -> None:
    """The only statements that change a setting do so for their transaction."""
    async with running_api(pooled) as api:
        await readiness(api, 200)
        await api.person("harry")
        body = {"title": "x", "location": "HOGWARTS"}
        replies = await asyncio.gather(
            *(
                api.call(
                    "POST", "/api/incidents", user="harry", json=body, headers={"Idempotency-Key": "one"}
                )
                for _ in range(20)
            )
        )

        assert {reply.status for reply in replies} == {201}
        assert len({reply.body["id"] for reply in replies}) == 1


async def test_migrations_run_through_it_one_runner_at_a_time(empty_database: str) -> None:
    slow = ("0001_slow.sql", "-- serves code from: 1\nCREATE TABLE things (id int); SELECT pg_sleep(0.3);")
    index = "-- serves code from: 1\n-- transaction: none\nCREATE INDEX CONCURRENTLY things_id ON things (id)"
    files = parse_migrations([slow, ("0002_index.sql", index)])
    with local_pgbouncer(empty_database, servers=8) as url:
        applied = await asyncio.gather(*(migrate(url, files) for _ in range(3)))

    assert sorted(applied) == [[], [], [1, 2]]


async def test_commands_work_through_it(pooled: str) -> None:
    variables = {"DATABASE_URL": pooled}
    assert (await run("migrate", variables))[0] == 0
    made = await run(
        "create-user --email moody@hogwarts.edu --role AUROR", variables, stdin="constant vigilance\n"
    )
    assert made[0] == 0, made
    assert (await run("deactivate --email moody@hogwarts.edu", variables))[0] == 0


async def test_settings_that_are_given_to_the_role_are_those_of_its_sessions(database: str) -> None:
    """The statements of the document, which a person executes once where there is a pooler."""
    (statements,) = [
        block.text
        for block in blocks()
        if (block.document, block.language) == ("docs/api-resilience.md", "sql")
    ]
    administrator = await asyncpg.connect(database)
    try:
        await administrator.execute(f"CREATE ROLE map LOGIN; {statements}")
        session = await asyncpg.connect(database, user="map")
        given = await session.fetch("SELECT name, setting FROM pg_settings WHERE source = 'user'")
        await session.close()
    finally:
        await administrator.execute("DROP ROLE IF EXISTS map")
        await administrator.close()

    assert {row["name"]: row["setting"] for row in given} == {
        "jit": "off",
        "work_mem": "16384",  # KiB
        "statement_timeout": "2000",
        "lock_timeout": "1000",
    }


async def _left_behind(api: Api) -> list[str]:
    """Settings that a session kept, of those that we use."""
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "jit", "work_mem")
    rows = await api.sql(
        "SELECT name FROM pg_settings WHERE name = ANY($1) AND source = 'session'", list(names)
    )
    return [row["name"] for row in rows]
