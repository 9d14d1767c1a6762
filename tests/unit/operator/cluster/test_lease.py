"""Leader election against an API server that resets, hangs, refuses, and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio.client import ApiClient, Configuration

from maraudersmap_operator.cluster import lease

PATIENCE_SECONDS = 20


@dataclass
class Server:
    """The Lease endpoints of an API server, as far as the election needs them."""

    stored: dict[str, Any] | None = None
    broken: bool = False  # every connection is cut
    url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        if self.broken:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if request.method == "GET":
            return web.json_response(self.stored, status=200) if self.stored else _not_found()
        self.stored = await request.json()
        self.stored["metadata"].setdefault("resourceVersion", "1")
        return web.json_response(self.stored)

    @property
    def holder(self) -> str:
        return str(self.stored["spec"].get("holderIdentity") or "") if self.stored else ""


def _not_found() -> web.Response:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
    return web.json_response(body, status=404)


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    # The proportions are the real ones; nothing here waits for them to be long.
    for name, seconds in (("LEASE", 3), ("RENEW_DEADLINE", 2), ("RETRY", 1), ("CALL", 1)):
        monkeypatch.setattr(lease, f"{name}_SECONDS", seconds)
    found = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", found.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


def _client(server: Server) -> ApiClient:
    configuration = Configuration()
    configuration.host = server.url
    return ApiClient(configuration)


@dataclass
class Work:
    """What a leader does all day."""

    began: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, led_before: datetime | None) -> None:
        self.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()


async def test_the_first_one_leads_and_gives_the_lease_back_when_it_is_told_to_go(server: Server) -> None:
    work = Work()
    async with _client(server) as api, asyncio.timeout(PATIENCE_SECONDS):
        leading = asyncio.create_task(lease.lead(api, "ns", "me", work, lease.LeaseClock()))
        await work.began.wait()
        assert server.holder == "me"
        leading.cancel()
        await asyncio.gather(leading, return_exceptions=True)
    assert work.ended.is_set()
    assert server.holder == ""


async def test_a_leader_that_cannot_renew_stops_working(server: Server) -> None:
    """Cut connections are no reason to die at once, but the lease runs out: another one may lead by then."""
    work = Work()
    async with _client(server) as api, asyncio.timeout(PATIENCE_SECONDS):
        leading = asyncio.create_task(lease.lead(api, "ns", "me", work, lease.LeaseClock()))
        await work.began.wait()
        server.broken = True
        await leading
    assert work.ended.is_set()


async def test_work_that_fails_ends_the_leadership(server: Server) -> None:
    async def fails(led_before: datetime | None) -> None:
        raise RuntimeError("the map is blank")

    async with _client(server) as api, asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(RuntimeError, match="blank"):
            await lease.lead(api, "ns", "me", fails, lease.LeaseClock())
    assert server.holder == ""


async def test_a_reset_connection_is_waited_out_before_the_first_lease(server: Server) -> None:
    server.broken = True
    work = Work()
    async with _client(server) as api, asyncio.timeout(PATIENCE_SECONDS):
        leading = asyncio.create_task(lease.lead(api, "ns", "me", work, lease.LeaseClock()))
        done, _ = await asyncio.wait({leading}, timeout=2)
        assert not done
        server.broken = False
        await work.began.wait()
        assert server.holder == "me"
        leading.cancel()
        await asyncio.gather(leading, return_exceptions=True)


async def test_another_holders_lease_is_not_given_back(server: Server) -> None:
    """It took over while this one was away."""
    work = Work()
    async with _client(server) as api, asyncio.timeout(PATIENCE_SECONDS):
        leading = asyncio.create_task(lease.lead(api, "ns", "me", work, lease.LeaseClock()))
        await work.began.wait()
        assert server.stored is not None
        server.stored["spec"]["holderIdentity"] = "other"
        await leading
    assert work.ended.is_set()
    assert server.holder == "other"
