"""docs/runbook.md, "Back up and restore": its commands as they are written, on a real PostgreSQL by its own programs."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from dev.cluster.host.paths import CHECKOUT
from dev.local_services import LocalPostgres
from tests.component.conftest import Api, readiness, running_api

from maraudersmap_api.infra.migrate import migrate, shipped_migrations

HEADING = "## Back up and restore"
# What the cluster's tests do, in this order, around the one command that is typed here (tests/cluster/test_restore.py).
SUSPEND, GONE, POINT = '"suspend":true', "--for=delete pod", "create secret generic marauders-map-database"
RESUME, WAIT = '"suspend":false', "--for=condition=Ready"


def blocks() -> list[list[str]]:
    """The commands of the section, block by block."""
    text = (CHECKOUT / "docs" / "runbook.md").read_text(encoding="utf-8")
    section = text.partition(HEADING)[2].partition("\n## ")[0]
    found = re.findall(r"^```console\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    return [[line.removeprefix("$ ") for line in block.splitlines()] for block in found]


BACKUP, CHECK, RESTORE = blocks()


@dataclass(frozen=True)
class Terminal:
    """Where the commands are typed: PostgreSQL's own programs on the PATH, and the runbook's variables."""

    folder: Path
    variables: dict[str, str]

    async def __call__(self, command: str) -> str:
        """Standard output. Raises RuntimeError with what it wrote when the command fails."""
        child = await asyncio.create_subprocess_exec(
            "bash", "-euo", "pipefail", "-c", command, cwd=self.folder, env={**os.environ, **self.variables},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await child.communicate()
        if child.returncode:
            raise RuntimeError(f"{command}: {err.decode()}")
        return out.decode()


def programs_of(postgres: LocalPostgres) -> str:
    """The folder of the programs that belong to the server that runs."""
    return str(Path(f"/proc/{postgres.pid}/exe").resolve().parent)


@pytest.fixture
def terminal(postgres: LocalPostgres, database: str, tmp_path: Path) -> Iterator[Terminal]:
    variables = {
        "PATH": f"{programs_of(postgres)}:{os.environ['PATH']}",
        "NS": "marauders",
        "DATABASE_URL": database,
        "ADMIN_URL": postgres.url,
        "CHECK_URL": database.replace(f"/{_name(database)}?", "/marauders_check?"),
        "NEW_URL": postgres.create_database("restored"),
    }
    yield Terminal(tmp_path, variables)
    for name in ("restored", "marauders_check"):
        postgres.drop_database(name)


def _name(url: str) -> str:
    found = re.search(r"/([a-z_0-9]+)\?", url)
    assert found is not None
    return found[1]


@asynccontextmanager
async def reporting(api: Api) -> AsyncIterator[list[int]]:
    """Somebody reports one incident after the other until the block ends: their ids."""
    ids: list[int] = []
    stop = asyncio.Event()

    async def work() -> None:
        while not stop.is_set():
            ids.append((await api.report("harry", f"Number {len(ids)}"))["id"])

    task = asyncio.create_task(work())
    yield ids
    stop.set()
    await task


async def test_what_was_backed_up_is_restored_and_served(terminal: Terminal) -> None:
    async with running_api(terminal.variables["DATABASE_URL"]) as api:
        await readiness(api, 200)
        await api.person("harry")
        first = [(await api.report("harry", f"Before number {n}"))["id"] for n in range(5)]
        tokens = dict(api.tokens)
        async with reporting(api) as meanwhile:
            dumped = await terminal(BACKUP[0])
            listing = await terminal(BACKUP[1])
        assert dumped == ""
        assert "TABLE DATA public incidents" in listing
    # The service is stopped: what follows is what remains of it.
    create, restore, count = CHECK
    await terminal(create)
    await terminal(restore)
    counted = int((await terminal(count)).splitlines()[2])
    assert len(first) <= counted <= len(first) + len(meanwhile)
    suspended, gone, restore, pointed, resumed, waited = RESTORE
    assert (SUSPEND in suspended, GONE in gone, POINT in pointed) == (True, True, True)
    assert (RESUME in resumed, WAIT in waited) == (True, True)
    await terminal(restore)
    # What the operator does once it is resumed: the migrations' Job, then pods.
    await migrate(terminal.variables["NEW_URL"], shipped_migrations())
    async with running_api(terminal.variables["NEW_URL"]) as api:
        await readiness(api, 200)
        api.tokens = tokens
        listed = await api.call("GET", "/api/incidents?limit=100", user="harry")
        assert listed.status == 200, "who was signed in is signed in"
        assert listed.body["total"] == counted
        assert set(first) <= {row["id"] for row in listed.body["data"]}
        assert (await api.report("harry", "Afterwards"))["id"] > max(first)
        found = await api.call("GET", "/api/incidents?search=before", user="harry")
        assert {row["id"] for row in found.body["data"]} == set(first), (
            "indexes and what they are made from are there"
        )


async def test_a_database_that_is_not_empty_is_left_as_it_was(terminal: Terminal) -> None:
    async with running_api(terminal.variables["DATABASE_URL"]) as api:
        await readiness(api, 200)
        await api.person("harry")
        await api.report("harry", "In the dump")
        await terminal(BACKUP[0])
        await api.sql("TRUNCATE incidents CASCADE")
    [restore] = [command for command in RESTORE if command.startswith("pg_restore")]
    onto_itself = Terminal(
        terminal.folder, {**terminal.variables, "NEW_URL": terminal.variables["DATABASE_URL"]}
    )
    with pytest.raises(RuntimeError, match="already exists"):
        await onto_itself(restore)
    count = await terminal('psql --tuples-only "$DATABASE_URL" --command="SELECT count(*) FROM incidents"')
    assert int(count) == 0
