"""Three instances behind nginx, as manifests/compose has them: over TLS, while one is killed, and while all are replaced."""

from __future__ import annotations

import asyncio
import itertools
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
from dev.end_to_end import check
from dev.local_nginx import local_nginx
from dev.local_services import LocalRedis
from tests.component.conftest import Program, environment, program, until

INSTANCES = 3


@dataclass
class Instances:
    """Processes of the API that can be replaced on their ports."""

    variables: dict[str, str]
    ports: list[int] = field(default_factory=list)
    running: dict[int, Program] = field(default_factory=dict)
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def start(self, port: int) -> None:
        """A process on the port, ready."""
        started = await self.stack.enter_async_context(program("serve", self.variables | {"PORT": str(port)}))
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:

            async def ready() -> bool:
                try:
                    async with http.get("/health/ready") as answer:
                        return answer.status == 200
                except aiohttp.ClientConnectionError:
                    return False

            await until(ready)
        self.running[port] = started

    async def replace(self, port: int) -> None:
        """SIGTERM, its drain to the end, and another one."""
        self.running[port].terminate()
        code, _, _ = await self.running[port].ended()
        assert code == 0
        await self.start(port)


@dataclass
class Front:
    instances: Instances
    http: str
    https: str
    trusted: ssl.SSLContext


@pytest.fixture
async def front(database: str, redis: LocalRedis) -> AsyncIterator[Front]:
    variables = environment(
        database, REDIS_URL=redis.url, TRUSTED_PROXIES="1", LOG_LEVEL="warn", DRAIN_SECONDS="1"
    )
    instances = Instances(variables)
    async with instances.stack:
        for _ in range(INSTANCES):
            with socket.create_server(("127.0.0.1", 0)) as probe:
                instances.ports.append(int(probe.getsockname()[1]))
        for port in instances.ports:
            await instances.start(port)
        with local_nginx(instances.ports) as (http, https, trusted):
            yield Front(instances, http, https, trusted)


@dataclass
class Load:
    """Readers and writers, each its next request as soon as the last one is answered; nothing is repeated."""

    done: int = 0
    written: int = 0
    failed: list[str] = field(default_factory=list)


@asynccontextmanager
async def load(front: Front) -> AsyncIterator[Load]:
    """Until the block ends. The writes carry a key, so that nginx may repeat them."""
    counted, numbers, stop = Load(), itertools.count(), asyncio.Event()
    connector = aiohttp.TCPConnector(ssl=front.trusted)
    async with aiohttp.ClientSession(front.https, connector=connector) as http:
        token = await signed_in(http)
        headers = {"Authorization": f"Bearer {token}"}

        async def ask(method: str, path: str, status: int, number: int) -> None:
            body = {
                "title": f"Portrait {number} has left its frame",
                "description": "It was seen two floors up",
                "location": "HOGWARTS",
                "severity": "MISCHIEF",
            }
            writes = method == "POST"
            keyed = headers | ({"Idempotency-Key": f"key-{number}"} if writes else {})
            asked = http.request(method, path, json=body if writes else None, headers=keyed)
            try:
                async with asked as answer:
                    if answer.status != status:
                        counted.failed.append(f"{method} {path}: {answer.status} {await answer.text()}")
            except aiohttp.ClientError as error:
                counted.failed.append(f"{method} {path}: {error!r}")
            counted.done += 1
            counted.written += writes

        async def work(method: str, path: str, status: int) -> None:
            while not stop.is_set():
                await ask(method, path, status, next(numbers))

        reading = [asyncio.create_task(work("GET", "/api/incidents?limit=5", 200)) for _ in range(4)]
        writing = [asyncio.create_task(work("POST", "/api/incidents", 201)) for _ in range(2)]
        yield counted
        stop.set()
        await asyncio.gather(*reading, *writing)
        async with http.get("/api/incidents?limit=1", headers=headers) as answer:
            assert (await answer.json())["total"] == counted.written - sum(
                "POST" in f for f in counted.failed
            )


async def signed_in(http: aiohttp.ClientSession) -> str:
    account = {"email": "load@hogwarts.edu", "password": "correct horse battery staple"}
    names = {"firstName": "Argus", "lastName": "Filch"}
    async with http.post("/api/auth/register", json=account | names) as answer:
        assert answer.status == 201
    async with http.post("/api/auth/login", json=account) as answer:
        return str((await answer.json())["accessToken"])


async def more(counted: Load, requests: int) -> None:
    """Wait until so many requests more have been answered."""
    wanted = counted.done + requests

    async def answered() -> bool:
        return counted.done >= wanted

    await until(answered)


async def test_a_user_s_way_through_nginx(front: Front) -> None:
    """Registers, signs in, and sees an incident on a WebSocket, over TLS."""
    await check(front.https, only_read=False, trusted=front.trusted)


async def test_plain_http_leads_to_tls_and_nothing_names_a_version(front: Front) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=front.trusted)) as http:
        async with http.get(f"{front.http}/api/docs?a=1", allow_redirects=False) as answer:
            assert answer.status == 308
            assert answer.headers["Location"] == "https://127.0.0.1/api/docs?a=1"
            assert answer.headers["Server"] == "nginx"
        async with http.get(f"{front.https}/metrics") as answer:
            assert answer.status == 404
            assert "nginx/" not in await answer.text()
        async with http.get(f"{front.https}/health/live") as answer:
            assert len(answer.headers["X-Request-Id"]) == 32


async def test_an_instance_that_is_killed_costs_no_request(front: Front) -> None:
    async with load(front) as counted:
        await more(counted, 100)
        # when
        victim = front.instances.running[front.instances.ports[1]]
        victim.child.kill()
        await more(counted, 200)
        # and back
        await front.instances.start(front.instances.ports[1])
        await more(counted, 100)
    assert counted.failed == []


async def test_replacing_all_three_one_after_the_other_costs_no_request(front: Front) -> None:
    async with load(front) as counted:
        for port in front.instances.ports:
            await more(counted, 50)
            await front.instances.replace(port)
        await more(counted, 50)
    assert counted.failed == []
