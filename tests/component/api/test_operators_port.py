"""A port for operators: metrics, and reasons that are not for the public."""

import asyncio
import json

import aiohttp
from dev.free_port import free_port
from dev.local_services import LocalPostgres
from tests.component.api.test_process import wait_ready
from tests.component.conftest import environment, program, run, until

from maraudersmap_api.infra.migrate import migrate, shipped_migrations


async def test_metrics_and_reasons_are_on_their_own_port_only(own_postgres: LocalPostgres) -> None:
    database = own_postgres.create_database("map")
    port, metrics_port = free_port(), free_port()
    variables = environment(database, PORT=str(port), METRICS_PORT=str(metrics_port))
    async with (
        program("serve", variables) as running,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as public,
        aiohttp.ClientSession(f"http://127.0.0.1:{metrics_port}") as operators,
    ):

        async def reason(word: str) -> bool:
            async with operators.get("/health/ready") as reply:
                body = await reply.json()
            assert reply.status == (200 if body["status"] == "ready" else 503)
            return word in json.dumps(body["reasons"])

        # Not migrated yet.
        await wait_ready(public, 503)
        await until(lambda: reason("schema"))
        await migrate(database, shipped_migrations())
        await wait_ready(public)
        async with operators.get("/health/ready") as reply:
            body = await reply.json()
        assert (body["status"], body["reasons"]) == ("ready", {})

        async with operators.get("/metrics") as reply:
            assert "http_requests_total" in await reply.text()
        for path in ("/", "/api/incidents", "/health"):
            async with operators.get(path) as reply:
                assert reply.status == 404
        async with public.get("/metrics") as reply:
            assert reply.status == 404
        async with public.get("/api/openapi.json") as reply:
            assert "/metrics" not in (await reply.json())["paths"]

        own_postgres.stop()
        await until(lambda: reason("database"))
        await wait_ready(public, 503)
        async with public.get("/health/ready") as reply:
            assert set(await reply.json()) == {"status", "checks", "timestamp"}

        # Its end waits for a request that is under way; a drain alone may be over before a busy machine has asked once.
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"POST /api/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
            b"Content-Length: 2\r\n\r\n"
        )
        assert b"100 Continue" in await reader.readuntil(b"\r\n\r\n")
        running.terminate()
        await until(lambda: reason("going away"))
        writer.write(b"{}")
        assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")
        writer.close()
        assert (await running.ended())[0] == 0


async def test_wrong_ports(database: str) -> None:
    variables = environment(database, PORT="4001", METRICS_PORT="4001")
    code, _, err = await run("serve", variables)
    assert (code, err.startswith("configuration: METRICS_PORT is PORT")) == (2, True)
    code, _, err = await run("serve --workers 2", {**variables, "METRICS_PORT": "4002"})
    assert (code, "METRICS_PORT does not go with several workers" in err) == (2, True)
