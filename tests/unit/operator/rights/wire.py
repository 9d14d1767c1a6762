"""An API server as far as kopf and the leader election see one: discovery, empty lists, silent watches, leases.

What the fake in this process stands in for elsewhere is asked over HTTP here, since these two have clients of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web
from tests.unit.operator.fake.authorization import Rights
from tests.unit.operator.fake.faults import Call
from tests.unit.operator.fake.problems import Problem

from maraudersmap_operator.cluster.kinds import MARAUDERSMAP, OBSERVED, Kind

Manifest = dict[str, Any]
LEASE = Kind("coordination.k8s.io", "v1", "Lease", "leases")
KINDS = (MARAUDERSMAP, *OBSERVED)
VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]
_METHODS = {"POST": "create", "PUT": "replace", "PATCH": "merge", "DELETE": "delete", "GET": "get"}


class Wire:
    """`rights.used`: what was asked for. `unknown`: paths of no kind, which need no right: discovery, mostly."""

    def __init__(self, rights: Rights) -> None:
        self.rights = rights
        self.url = ""
        self.unknown: set[str] = set()
        self.stored: Manifest | None = None
        self.asked = asyncio.Event()
        """Set by each request."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.set()
        if (found := _discovery(request.path)) is not None:
            self.unknown.add(request.path)
            return web.json_response(found)
        call = _call(request)
        if call is None:
            self.unknown.add(f"{request.method} {request.path}")
            return _status(404, "not found")
        try:
            self.rights.check(call)
        except Problem as problem:
            return _status(problem.status, problem.message)
        if call.verb == "watch":
            response = web.StreamResponse()
            await response.prepare(request)
            await asyncio.Event().wait()
        if call.kind is LEASE:
            return await self._lease(request)
        items: Manifest = {"kind": "List", "metadata": {"resourceVersion": "1"}, "items": []}
        return web.json_response(items)

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
    """The request as RBAC sees it; None for a path of no known kind."""
    parts = request.path.strip("/").split("/")
    prefix = 2 if parts[0] == "api" else 3
    group = "" if parts[0] == "api" else parts[1]
    rest, namespace = parts[prefix:], ""
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    kind = next((k for k in (*KINDS, LEASE) if (k.group, k.plural) == (group, rest[0] if rest else "")), None)
    if kind is None:
        return None
    verb = _METHODS[request.method]
    if verb == "get" and len(rest) == 1:
        verb = "watch" if request.query.get("watch") in ("true", "1") else "list"
    return Call(verb, kind, namespace, rest[1] if len(rest) > 1 else "")


def _discovery(path: str) -> Manifest | None:
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        groups = sorted({(k.group, k.version) for k in KINDS if k.group})
        return {"kind": "APIGroupList", "groups": [_group(*g) for g in groups]}
    for kind in KINDS:
        base = f"/apis/{kind.group}/{kind.version}" if kind.group else "/api/v1"
        if path == base:
            return {
                "kind": "APIResourceList",
                "groupVersion": kind.api_version,
                "resources": _resources(kind),
            }
    return None


def _group(name: str, version: str) -> Manifest:
    known = {"groupVersion": f"{name}/{version}", "version": version}
    return {"name": name, "versions": [known], "preferredVersion": known}


def _resources(like: Kind) -> list[Manifest]:
    return [
        {
            "name": k.plural,
            "singularName": k.kind.lower(),
            "kind": k.kind,
            "namespaced": True,
            "verbs": VERBS,
            "shortNames": [],
            "categories": [],
        }
        for k in KINDS
        if (k.group, k.version) == (like.group, like.version)
    ]


def _status(code: int, message: str) -> web.Response:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}
    return web.json_response(body, status=code)


__all__ = ["KINDS", "LEASE", "Wire", "wire"]
