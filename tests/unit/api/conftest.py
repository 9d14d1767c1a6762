"""A real HTTP server on loopback around a tiny application, and a raw client that sees every byte."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from multidict import CIMultiDict

from maraudersmap_api.errors import DomainError, Unavailable, ValidationError
from maraudersmap_api.http.edge import Edge
from maraudersmap_api.http.reading import BODIES, Bodies, header, read_object
from maraudersmap_api.http.server import HttpServer, connection_expired
from maraudersmap_api.infra.budget import ByteBudget
from maraudersmap_api.infra.logs import log
from maraudersmap_api.infra.metrics import Metrics


@dataclass
class Answer:
    """A parsed answer."""

    status: int
    headers: CIMultiDict[str]
    body: bytes


@dataclass
class Wire:
    """One TCP connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, raw: bytes) -> None:
        self.writer.write(raw)
        await self.writer.drain()

    async def answer(self) -> Answer:
        """Read one answer; needs a Content-Length."""
        async with asyncio.timeout(60):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers: CIMultiDict[str] = CIMultiDict()
            for line in filter(None, head[1:]):
                name, _, value = line.partition(": ")
                headers.add(name, value)
            body = await self.reader.readexactly(int(headers.get("Content-Length", "0")))
        return Answer(int(head[0].split()[1]), headers, body)

    async def get(self, path: str, *, method: str = "GET", headers: str = "") -> Answer:
        await self.send(f"{method} {path} HTTP/1.1\r\nHost: map\r\n{headers}\r\n".encode())
        return await self.answer()

    async def closed(self) -> bool:
        """True once the server has closed its side."""
        async with asyncio.timeout(60):
            return await self.reader.read(1) == b""

    def close(self) -> None:
        self.writer.close()

    async def wait_closed(self) -> None:
        """Close for good; a reset by the server is as good as an end."""
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


@dataclass
class TinyServer:
    """The server under test with handles to steer it."""

    server: HttpServer
    metrics: Metrics
    bodies: ByteBudget
    release: asyncio.Event = field(default_factory=asyncio.Event)
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0
    draining: bool = False

    wires: list[Wire] = field(default_factory=list)

    async def connect(self) -> Wire:
        wire = Wire(*await asyncio.open_connection("127.0.0.1", self.port))
        self.wires.append(wire)
        return wire

    async def close(self) -> None:
        self.release.set()
        for wire in self.wires:
            await wire.wait_closed()
        await self.server.stop()


async def make_tiny(max_age: float = 60.0, bodies: int = 10_000, bodies_parts: int = 1) -> TinyServer:
    metrics = Metrics()
    app = web.Application(client_max_size=1024)
    purse = ByteBudget(bodies, bodies_parts)
    app[BODIES] = Bodies(purse, caller=lambda request: header(request, "X-Caller") or "")
    edge = Edge(metrics, closing=lambda request: made.draining or connection_expired(request))
    made = TinyServer(HttpServer(app, edge, max_age=max_age), metrics, purse)

    async def ok(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def bug(_: web.Request) -> web.Response:
        raise RuntimeError("password=hunter2")

    async def wrong(_: web.Request) -> web.Response:
        raise ValidationError.of("title", "Title is required")

    async def away(_: web.Request) -> web.Response:
        raise Unavailable("away")

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = 4
        await response.prepare(request)
        await response.write(b"text")
        return response

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        made.entered.set()
        while True:
            await response.write(b"text" * 10_000)

    async def slow(_: web.Request) -> web.Response:
        made.entered.set()
        await made.release.wait()
        return web.Response(text="slow but sure")

    async def echo(request: web.Request) -> web.Response:
        return web.json_response(await read_object(request))

    async def slow_echo(request: web.Request) -> web.Response:
        body = await read_object(request)
        made.entered.set()
        await made.release.wait()
        return web.json_response(body)

    async def twice(request: web.Request) -> web.Response:
        with contextlib.suppress(DomainError):
            await read_object(request)
        return web.json_response(await read_object(request))

    for path, handler in {"/ok": ok, "/bug": bug, "/wrong": wrong, "/away": away, "/stream": stream}.items():
        app.router.add_get(path, handler)
    app.router.add_get("/slow", slow)
    app.router.add_get("/endless", endless)
    for path, handler in {"/echo": echo, "/slow-echo": slow_echo, "/twice": twice}.items():
        app.router.add_post(path, handler)
    app.router.add_get("/things/{id}", ok)
    app.on_response_prepare.append(edge.on_prepare)
    made.port = await made.server.start("127.0.0.1", 0)
    return made


@pytest.fixture
async def tiny() -> AsyncIterator[TinyServer]:
    server = await make_tiny()
    yield server
    await server.close()


@pytest.fixture(autouse=True)
def _log_everything() -> None:
    """Other tests may have configured logs for a whole process; pytest's own capture needs the level only."""
    log.setLevel(logging.DEBUG)
