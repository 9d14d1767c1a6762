"""An API server as far as the leader election sees one: leases, asked for over HTTP by a client of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web
from tests.unit.operator.fake.authorization import Rights
from tests.unit.operator.fake.faults import Call
from tests.unit.operator.fake.problems import Problem

from maraudersmap_operator.cluster.kinds import Kind

Manifest = dict[str, Any]
LEASE = Kind("coordination.k8s.io", "v1", "Lease", "leases")
_METHODS = {"POST": "create", "PUT": "replace", "PATCH": "merge", "DELETE": "delete", "GET": "get"}


class Wire:
    """`rights.used`: what was asked for."""

    def __init__(self, rights: Rights) -> None:
        self.rights = rights
        self.url = ""
        self.stored: Manifest | None = None
        self.asked = asyncio.Event()
        """Set by each request."""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.set()
        call = _call(request)
        if call is None:
            return _status(404, "not found")
        try:
            self.rights.check(call)
        except Problem as problem:
            return _status(problem.status, problem.message)
        return await self._lease(request)

    async def _lease(self, request: web.Request) -> web.Response:
        if request.method == "GET":
            return web.json_response(self.stored) if self.stored else _status(404, "not found")
        stored: Manifest = await request.json()
        stored["metadata"].setdefault("resourceVersion", "1")
        self.stored = stored
        return web.json_response(stored)


@contextlib.asynccontextmanager
async def wire(rights: Rights) -> AsyncIterator[Wire]:
    found = Wire(rights)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", found.answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield found
    finally:
        await runner.cleanup()


def _call(request: web.Request) -> Call | None:
    """The request as RBAC sees it; None for anything but leases."""
    match request.path.strip("/").split("/"):
        case ["apis", LEASE.group, LEASE.version, "namespaces", namespace, LEASE.plural, *name]:
            return Call(_METHODS[request.method], LEASE, namespace, name[0] if name else "")
    return None


def _status(code: int, message: str) -> web.Response:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}
    return web.json_response(body, status=code)
