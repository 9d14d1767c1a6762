"""An API server as far as `status --watch` sees one: lists and watches over HTTP that expire, end and break off."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import web

from . import given

Object = dict[str, Any]
NAMESPACE = "owlery"
PLURAL = "maraudersmaps"
CUT_OFF = b'{"type":"MODIFIED","object":{"metadata":{"na'


class WatchedApi:
    """`objects`: of each plural, by name. `lists`, `watches`: how many of each were begun, by plural."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Object]] = {PLURAL: {}, "pods": {}, "controllerrevisions": {}}
        self.lists: dict[str, int] = dict.fromkeys(self.objects, 0)
        self.watches: dict[str, int] = dict.fromkeys(self.objects, 0)
        self.forbidden: set[str] = set()
        self.asked = asyncio.Condition()
        self._streams: dict[str, list[asyncio.Queue[bytes | None]]] = {plural: [] for plural in self.objects}
        self._version = 10
        self._port = 0
        self._runner: web.AppRunner | None = None
        self._stopping = False

    # --- what happens -------------------------------------------------------------------------------------------------
    def put(self, obj: Object, plural: str = PLURAL) -> None:
        """Created or changed."""
        name = obj["metadata"]["name"]
        known = name in self.objects[plural]
        self._store(plural, obj)
        self._send(plural, "MODIFIED" if known else "ADDED", self.objects[plural][name])

    def put_unseen(self, obj: Object) -> None:
        """No watch reports it."""
        self._store(PLURAL, obj)

    def delete(self, name: str) -> None:
        self._send(PLURAL, "DELETED", self.objects[PLURAL].pop(name))

    def expire(self) -> None:
        """Every watch gets the answer that its version is too old."""
        status = {
            "kind": "Status",
            "code": 410,
            "reason": "Expired",
            "message": "too old resource version: 1 (2)",
        }
        for plural in self.objects:
            self._send(plural, "ERROR", status)
        self.end_streams()

    def end_streams(self) -> None:
        """As the API server does with each watch after some minutes."""
        for streams in self._streams.values():
            for stream in streams:
                stream.put_nowait(None)

    async def until(self, plural: str = PLURAL, *, watches: int = 0, lists: int = 0) -> None:
        async with asyncio.timeout(60), self.asked:
            await self.asked.wait_for(lambda: self.watches[plural] >= watches and self.lists[plural] >= lists)

    # --- the server ---------------------------------------------------------------------------------------------------
    async def start(self) -> None:
        """On the same port each time."""
        self._stopping = False
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True).start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Connections break off in the middle of what they say."""
        assert self._runner is not None
        self._stopping = True
        for streams in self._streams.values():
            for stream in streams:
                stream.put_nowait(CUT_OFF)
        await self._runner.cleanup()
        self._runner = None

    def kubeconfig(self, folder: Path) -> Path:
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": f"http://127.0.0.1:{self._port}"}}],
            "users": [{"name": "test", "user": {"token": "secret"}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": NAMESPACE}}],
        }  # fmt: skip
        (folder / "kubeconfig").write_text(json.dumps(config))
        return folder / "kubeconfig"

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        plural = request.path.rsplit("/", 1)[-1]
        if plural in self.forbidden:
            return web.json_response({"kind": "Status", "message": f"cannot list {plural}"}, status=403)
        if "watch" not in request.query:
            await self._count(self.lists, plural)
            items = list(self.objects[plural].values())
            return web.json_response({"metadata": {"resourceVersion": str(self._version)}, "items": items})
        return await self._watch(request, plural)

    async def _watch(self, request: web.Request, plural: str) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        stream: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._streams[plural].append(stream)
        if self._stopping:
            stream.put_nowait(CUT_OFF)
        await self._count(self.watches, plural)
        try:
            while (part := await stream.get()) is not None:
                await response.write(part)
                if part is CUT_OFF:
                    assert request.transport is not None
                    request.transport.abort()
                    return response
        finally:
            self._streams[plural].remove(stream)
        return response

    async def _count(self, counts: dict[str, int], plural: str) -> None:
        async with self.asked:
            counts[plural] += 1
            self.asked.notify_all()

    def _store(self, plural: str, obj: Object) -> None:
        self._version += 1
        meta = {**obj["metadata"], "resourceVersion": str(self._version)}
        self.objects[plural][meta["name"]] = {**obj, "metadata": meta}

    def _send(self, plural: str, what: str, obj: Object) -> None:
        for stream in self._streams[plural]:
            stream.put_nowait(json.dumps({"type": what, "object": obj}).encode() + b"\n")


@contextlib.asynccontextmanager
async def watched_api() -> AsyncIterator[WatchedApi]:
    """It runs, with a resource on trial."""
    api = WatchedApi()
    api.put(given.resource(given.on_trial(), image=given.BAD))
    await api.start()
    try:
        yield api
    finally:
        if api._runner is not None:
            await api.stop()
