"""Three instances behind nginx, as manifests/compose has them: over TLS, while one is killed, and while all are replaced."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from dev.closed_load import Load, load
from dev.end_to_end import check
from dev.free_port import free_port
from dev.local_nginx import local_nginx
from dev.local_services import LocalRedis
from tests.component.conftest import PATIENCE_SECONDS, Program, environment, program, until

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
        instances.ports = [free_port() for _ in range(INSTANCES)]
        for port in instances.ports:
            await instances.start(port)
        with local_nginx(instances.ports) as (http, https, trusted):
            yield Front(instances, http, https, trusted)


@asynccontextmanager
async def loaded(front: Front) -> AsyncIterator[Load]:
    """Requests through nginx until the block ends; then none has failed, and each write was carried out once."""
    connector = aiohttp.TCPConnector(ssl=front.trusted)
    http = aiohttp.ClientSession(front.https, connector=connector)
    async with http, load(http, "load@hogwarts.edu") as counted:
        yield counted
    assert counted.failed == []
    assert counted.total == counted.written


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
    async with loaded(front) as counted:
        await counted.more(100, PATIENCE_SECONDS)
        # when
        victim = front.instances.running[front.instances.ports[1]]
        victim.child.kill()
        await counted.more(200, PATIENCE_SECONDS)
        # and back
        await front.instances.start(front.instances.ports[1])
        await counted.more(100, PATIENCE_SECONDS)


async def test_instances_that_have_all_failed_a_moment_ago_are_asked_all_the_same() -> None:
    """Each counts as away for two seconds after an answer of 503, also where it is ready again after a tenth of that."""
    starting = True

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"starting": starting}, status=503 if starting else 200)

    async with AsyncExitStack() as stack:
        app = web.Application()
        app.router.add_get("/health/ready", answer)
        servers = [TestServer(app, host="127.0.0.1") for _ in range(INSTANCES)]
        for server in servers:
            await stack.enter_async_context(server)
        _, https, trusted = stack.enter_context(local_nginx([server.port or 0 for server in servers]))
        connector = aiohttp.TCPConnector(ssl=trusted)
        http = await stack.enter_async_context(aiohttp.ClientSession(https, connector=connector))
        for _ in range(INSTANCES):
            async with http.get("/health/ready") as refused:
                assert (refused.status, await refused.json()) == (503, {"starting": True})
        # when
        starting = False
        async with http.get("/health/ready") as answered:
            assert (answered.status, await answered.text()) == (200, '{"starting": false}')


async def test_replacing_all_three_one_after_the_other_costs_no_request(front: Front) -> None:
    async with loaded(front) as counted:
        for port in front.instances.ports:
            await counted.more(50, PATIENCE_SECONDS)
            await front.instances.replace(port)
        await counted.more(50, PATIENCE_SECONDS)
