"""A real PostgreSQL and a real Redis, started once a session, and an API of its own for each test."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import IO, Any

import aiohttp
import asyncpg
import pytest
import uvloop
from dev.local_services import LocalPostgres, LocalRedis, local_postgres, local_redis
from multidict import CIMultiDictProxy
from tests.component.conformance import Conformance

from maraudersmap_api.app import Service, build
from maraudersmap_api.http.openapi import document
from maraudersmap_api.idempotency import once
from maraudersmap_api.idempotency import repository as idempotency
from maraudersmap_api.infra import cache, connecting, db
from maraudersmap_api.infra import redis as redis_client
from maraudersmap_api.infra.migrate import migrate, shipped_migrations
from maraudersmap_api.settings import load_settings

JWT_SECRET = "component-tests-sign-with-this-key-of-theirs"
PASSWORD = "I solemnly swear"
PATIENCE_SECONDS = 120.0

ON_BOTH_LOOPS = pytest.mark.asyncio(loop_factories=["uvloop", "asyncio"])
"""For tests of what a loop might do in its own way: back-pressure, closing, going away."""


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that the program runs on, and the one it falls back to for tests marked ON_BOTH_LOOPS."""
    marker = item.get_closest_marker("asyncio")
    both = marker is not None and "loop_factories" in marker.kwargs
    return {"uvloop": uvloop.new_event_loop, **({"asyncio": asyncio.new_event_loop} if both else {})}


@pytest.fixture(scope="session")
def postgres() -> Iterator[LocalPostgres]:
    """The server that all tests share; each has its own database in it."""
    # Not pytest's folder: PostgreSQL runs as another user when we are root, and its socket needs a short path.
    folder = Path(tempfile.mkdtemp(prefix="marauders-pg-"))
    with local_postgres(folder / "data") as server:
        server.forget_durability()
        yield server
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def own_postgres() -> Iterator[LocalPostgres]:
    """A server that a test may stop."""
    folder = Path(tempfile.mkdtemp(prefix="marauders-pg-"))
    with local_postgres(folder / "data") as server:
        server.forget_durability()
        yield server
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def redis() -> Iterator[LocalRedis]:
    """The server that all tests share."""
    with local_redis() as server:
        yield server


@pytest.fixture(scope="session")
def template(postgres: LocalPostgres) -> str:
    """A migrated database to copy: copying takes a tenth of migrating."""
    url = postgres.create_database("template_map")
    asyncio.run(migrate(url, shipped_migrations()))
    return "template_map"


_numbers = count(1)


@pytest.fixture
def empty_database(postgres: LocalPostgres) -> Iterator[str]:
    """The URL of a database without anything in it."""
    name = f"empty_{next(_numbers)}"
    yield postgres.create_database(name)
    postgres.drop_database(name)


@pytest.fixture
def database(postgres: LocalPostgres, template: str) -> Iterator[str]:
    """The URL of a migrated database without rows."""
    name = f"map_{next(_numbers)}"
    yield postgres.create_database(name, template=template)
    postgres.drop_database(name)


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests in which many come at once, or somebody is held up on purpose, and which are not about how long that may be:
    who waits for a turn, for a row or for Redis in this process waits for as long as it takes.

    On a busy machine that is longer than the service lets anyone wait, and its 503, or an answer without Redis, is right.
    """
    milliseconds = int(PATIENCE_SECONDS * 1000)
    monkeypatch.setattr(db, "ANSWER_SECONDS", PATIENCE_SECONDS)
    for limit in ("statement_timeout", "lock_timeout"):
        monkeypatch.setitem(connecting._SESSION, limit, str(milliseconds))
    # Behind a pooler, where each transaction has its own.
    monkeypatch.setattr(db, "SET_LOCAL", f"SET LOCAL lock_timeout = {milliseconds}")
    monkeypatch.setattr(idempotency, "LOCK_MILLISECONDS", milliseconds)
    for module in (idempotency, once):
        monkeypatch.setattr(module, "WAIT_MILLISECONDS", milliseconds)
    monkeypatch.setattr(redis_client, "CALL_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr(cache, "SETTLE_SECONDS", PATIENCE_SECONDS)


@pytest.fixture(params=["uvloop", "asyncio"])
def loop_of_the_program(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Variables for a program on this loop: it falls back to asyncio's where uvloop cannot be imported."""
    if request.param == "uvloop":
        return {}
    (tmp_path / "uvloop.py").write_text("raise ImportError('there is none for this machine')\n")
    return {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])}


def environment(database_url: str, **extra: str) -> dict[str, str]:
    """Variables for an API on this database."""
    return {
        "DATABASE_URL": database_url,
        "JWT_SECRET": JWT_SECRET,
        "HOST": "127.0.0.1",
        "PORT": "0",
        "DRAIN_SECONDS": "0",
        "RATE_LIMIT_ANONYMOUS": "100000",
        "RATE_LIMIT_AUTHENTICATED": "100000",
        **extra,
    }


@dataclass
class Api:
    """A running API with a client."""

    service: Service
    http: aiohttp.ClientSession
    database_url: str
    tokens: dict[str, str] = field(default_factory=dict)
    conformance: Conformance | None = None

    async def call(
        self,
        method: str,
        path: str,
        *,
        user: str | None = None,
        json: Any = None,
        headers: dict[str, str] | None = None,
    ) -> "Reply":
        """One request, as `user` (a name given to `person`) or anonymously."""
        sent = dict(headers or {})
        if user is not None:
            sent["Authorization"] = f"Bearer {self.tokens[user]}"
        async with self.http.request(method, path, json=json, headers=sent) as response:
            raw = await response.read()
            is_json = response.content_type == "application/json"
            body = await response.json() if is_json and raw else raw
            if self.conformance is not None and method != "OPTIONS":
                self.conformance.check(method, path, response.status, body)
            return Reply(response.status, body, response.headers)

    async def person(self, name: str, role: str = "STUDENT", house: str = "GRYFFINDOR") -> str:
        """Register and sign in; returns the id."""
        email = f"{name}@hogwarts.edu"
        body = {
            "email": email,
            "password": PASSWORD,
            "firstName": name.title(),
            "lastName": "Test",
            "house": house,
        }
        registered = await self.call("POST", "/api/auth/register", json=body)
        assert registered.status == 201, registered.body
        if role != "STUDENT":
            await self.sql("UPDATE users SET role = $1 WHERE email = $2", role, email)
        session = await self.call("POST", "/api/auth/login", json={"email": email, "password": PASSWORD})
        assert session.status == 200, session.body
        self.tokens[name] = session.body["accessToken"]
        return str(session.body["user"]["id"])

    async def report(self, user: str, title: str = "A prank", **fields: Any) -> dict[str, Any]:
        """Create an incident."""
        reply = await self.call(
            "POST", "/api/incidents", user=user, json={"title": title, "location": "HOGWARTS", **fields}
        )
        assert reply.status == 201, reply.body
        body: dict[str, Any] = reply.body
        return body

    def forget_users(self) -> None:
        """What 5 seconds do: the next request looks its user up again."""
        self.service.auth.forget_all()

    async def sql(self, query: str, *args: Any) -> list[Any]:
        """Straight to the database, past the API."""
        # Writes even where a test has made the database read-only for everybody else.
        connection = await asyncpg.connect(
            self.database_url, server_settings={"default_transaction_read_only": "off"}
        )
        try:
            rows: list[Any] = await connection.fetch(query, *args)
            return rows
        finally:
            await connection.close()


@dataclass(frozen=True)
class Reply:
    """Status, parsed body (bytes when it is not JSON) and headers."""

    status: int
    body: Any
    headers: CIMultiDictProxy[str]


@asynccontextmanager
async def running_api(
    database_url: str, *, schema_version: int | None = None, **extra: str
) -> AsyncIterator[Api]:
    """An API in this process on a port of its own, stopped cleanly."""
    settings = load_settings(environment(database_url, **extra))
    service = build(settings) if schema_version is None else build(settings, schema_version=schema_version)
    port = await service.server.start("127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
            conformance = Conformance(document(service.api.operations))
            yield Api(service, http, database_url, conformance=conformance)
    finally:
        await service.server.stop()


@pytest.fixture
async def api(database: str) -> AsyncIterator[Api]:
    """A ready API without a cache."""
    async with running_api(database) as running:
        await readiness(running, 200)
        yield running


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a condition that only asking can tell."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await holds():  # noqa: ASYNC110 - it is in another process
            await asyncio.sleep(0.02)


async def readiness(api: Api, status: int, **checks: str) -> dict[str, Any]:
    """Wait until `/health/ready` answers with `status` and, if given, these checks; returns its body."""
    body: dict[str, Any] = {}

    async def holds() -> bool:
        reply = await api.call("GET", "/health/ready")
        body.update(reply.body)
        return reply.status == status and checks.items() <= body["checks"].items()

    await until(holds)
    return body


@dataclass
class Program:
    """A running `python -m maraudersmap_api`. What it writes goes to files: nobody has to read a pipe meanwhile."""

    child: asyncio.subprocess.Process
    out: IO[bytes]
    err: IO[bytes]

    def terminate(self) -> None:
        """SIGTERM, as the kubelet sends it."""
        self.child.send_signal(signal.SIGTERM)

    async def ended(self) -> tuple[int, str, str]:
        """Wait for its end: exit code, standard output, standard error."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            code = await self.child.wait()
        texts = []
        for file in (self.out, self.err):
            file.seek(0)
            texts.append(file.read().decode())
        return code, texts[0], texts[1]


@asynccontextmanager
async def program(command: str, variables: dict[str, str], stdin: str = "") -> AsyncIterator[Program]:
    """The program as its own process; killed if the test leaves it running."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin.encode())
        given.seek(0)
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "maraudersmap_api", *command.split()),
            # The tree under test, where that is not the one installed.
            env={name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ} | variables,
            stdin=given,
            stdout=out,
            stderr=err,
        )
        try:
            yield Program(child, out, err)
        finally:
            if child.returncode is None:
                child.kill()
            await child.wait()


async def run(command: str, variables: dict[str, str], stdin: str = "") -> tuple[int, str, str]:
    """Run a command to its end: exit code, standard output, standard error."""
    async with program(command, variables, stdin) as running:
        return await running.ended()
