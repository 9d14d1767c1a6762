"""What kopf itself asks an API server for: to list and to watch what the operator observes, and nothing else. Whatever else
its next release asks for would be refused by the shipped roles, and shows here."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import kopf
import pytest
from aiohttp import web
from kubernetes.aio.client import ApiClient, Configuration
from tests.unit.operator.fake.authorization import Right
from tests.unit.operator.rights.shipped import GRANTED

from maraudersmap_operator.cluster import Key, Store
from maraudersmap_operator.cluster.kinds import MARAUDERSMAP, OBSERVED, Kind
from maraudersmap_operator.watch.forgetful import NoMemories
from maraudersmap_operator.watch.handlers import build_registry, build_settings

PATIENCE = 60
WATCHED = (MARAUDERSMAP, *OBSERVED)
NEEDED = {Right(kind.group, kind.plural, verb) for kind in WATCHED for verb in ("list", "watch")}
# It waits for these two to be served, and asks for neither.
SERVED_AS_WELL = (
    Kind("", "v1", "Namespace", "namespaces"),
    Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions"),
)
SERVED = (*WATCHED, *SERVED_AS_WELL)


class Recording:
    """An API server with one object of each kind. `asked`: the rights that were asked for; `elsewhere`: requests that are no
    list or watch of a kind it has."""

    def __init__(self) -> None:
        self.asked: set[Right] = set()
        self.namespaces: set[str] = set()
        self.elsewhere: list[str] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path.strip("/")
        if path == "api":
            return web.json_response({"versions": ["v1"]})
        if path == "apis":
            return web.json_response({"groups": [_group(kind) for kind in SERVED if kind.group]})
        for kind in SERVED:
            base = kind.path(None).strip("/")
            if path == base.rsplit("/", 1)[0]:
                return web.json_response({"resources": [_resource(k) for k in SERVED if _same(k, kind)]})
            namespace = _namespace(path, kind)
            if request.method == "GET" and (path == base or namespace):
                self.namespaces.add(namespace)
                return await self._collection(request, kind)
        self.elsewhere.append(f"{request.method} {request.path}")
        return web.json_response({"kind": "Status", "code": 404}, status=404)

    async def _collection(self, request: web.Request, kind: Kind) -> web.StreamResponse:
        watching = request.query.get("watch") == "true"
        self.asked.add(Right(kind.group, kind.plural, "watch" if watching else "list"))
        if not watching:
            return web.json_response({"metadata": {"resourceVersion": "1"}, "items": []})
        stream = web.StreamResponse()
        await stream.prepare(request)
        meta = {"name": "map", "namespace": "demo", "uid": f"uid-{kind.plural}", "resourceVersion": "2"}
        obj = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta, "spec": {}}
        await stream.write(json.dumps({"type": "ADDED", "object": obj}).encode() + b"\n")
        await asyncio.Event().wait()
        return stream


class Seen:
    """The queue, as far as handlers know it, and how many objects have come."""

    def __init__(self) -> None:
        self.store = Store()
        self.resource = asyncio.Event()

    def add(self, key: Key, *, news: bool = True) -> None:
        self.resource.set()


@contextlib.asynccontextmanager
async def recording() -> AsyncIterator[Recording]:
    found = Recording()
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


@pytest.mark.parametrize("namespaces", [(), ("demo",)], ids=["everywhere", "one namespace"])
async def test_it_lists_and_watches_what_is_observed_and_nothing_else(namespaces: tuple[str, ...]) -> None:
    configuration = Configuration()
    stop, seen = asyncio.Event(), Seen()
    async with recording() as server:
        configuration.host = server.url
        async with ApiClient(configuration) as api:
            registry = build_registry(seen.store, seen, api)  # type: ignore[arg-type]
            running = asyncio.create_task(
                kopf.operator(
                    registry=registry,
                    settings=build_settings(),
                    memories=NoMemories(),
                    standalone=True,
                    clusterwide=not namespaces,
                    namespaces=namespaces,
                    stop_flag=stop,
                )
            )
            async with asyncio.timeout(PATIENCE):
                while not (server.asked >= NEEDED and len(seen.store) == len(WATCHED)):
                    assert not running.done(), running.result()
                    await asyncio.sleep(0.05)
            assert seen.resource.is_set()
            stop.set()
            await running
    assert server.asked == NEEDED
    assert server.asked <= GRANTED
    assert server.elsewhere == []
    assert server.namespaces == set(namespaces or ("",))


def _group(kind: Kind) -> dict[str, Any]:
    version = {"groupVersion": kind.api_version, "version": kind.version}
    return {"name": kind.group, "versions": [version], "preferredVersion": version}


def _resource(kind: Kind) -> dict[str, Any]:
    verbs = ["get", "list", "watch", "patch"]
    return {
        "name": kind.plural,
        "singularName": "",
        "namespaced": kind not in SERVED_AS_WELL,
        "kind": kind.kind,
        "verbs": verbs,
    }


def _same(one: Kind, other: Kind) -> bool:
    return one.api_version == other.api_version


def _namespace(path: str, kind: Kind) -> str:
    """Of a collection in one; empty for anything else."""
    match path.split("/"):
        case [*_, "namespaces", name, kind.plural] if path == kind.path(name).strip("/"):
            return name
    return ""
