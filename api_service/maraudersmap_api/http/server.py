"""Accepting connections, and letting go of them without dropping a request.

Going away, in this order: readiness turns 503 at once; new connections are served for `drain_seconds` more, because
what routes traffic here needs that long to notice; every answer carries `Connection: close`; then no more
connections are accepted and idle ones are closed; requests still running get up to IN_FLIGHT_SECONDS.
aiohttp's own shutdown stops *reading* first, which cuts a request whose body is still arriving; so connections are
let go here, one by one, as they become idle.
"""

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable
from typing import Any, cast

from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.web_log import AccessLogger
from aiohttp.web_protocol import ERROR

from maraudersmap_api.http.accepting import Acceptor
from maraudersmap_api.http.edge import Edge, routed, understood
from maraudersmap_api.http.reading import body_stream, break_off
from maraudersmap_api.http.slow_readers import SlowReaders
from maraudersmap_api.infra.listening import listening_socket
from maraudersmap_api.infra.logs import log
from maraudersmap_api.infra.tasks import end

UNREADABLE = web.RequestKey("UNREADABLE", Exception)
"""Why no request could be made of what was parsed; this one stands in for it."""

IN_FLIGHT_SECONDS = 15.0
CUT_OFF_SECONDS = 1.0  # what a request gets beyond that to notice that it was cancelled
KEEPALIVE_SECONDS = 75.0  # above the 60 s for which common proxies keep an idle connection
HEAD_SECONDS = (
    20.0  # until the head of a connection's first request is there; later ones have KEEPALIVE_SECONDS
)


class Connection(web.RequestHandler):
    """aiohttp's connection, which also knows its age, whether it is answering, and how to refuse non-HTTP."""

    def __init__(
        self,
        server: web.Server,
        edge: Edge,
        readers: SlowReaders,
        *,
        max_age: float,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=KEEPALIVE_SECONDS,
            access_log=None,  # type: ignore[arg-type] # None switches it off; ours is in edge.py
            access_log_class=AccessLogger,
            auto_decompress=False,  # one piece of 64 KiB may hold 64 MB: see reading.read_body
        )
        self._edge = edge
        self._readers = readers
        self._wire: asyncio.Transport | None = None  # aiohttp forgets its own before everything is written
        # Spread, or all connections of a load balancer opened together would be made again together.
        self._closes_at = loop.time() + max_age * random.uniform(0.9, 1.1)  # noqa: S311 - not a secret
        self.answering = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has HEAD_SECONDS to send its first request."""
        super().connection_made(transport)
        self._wire = cast("asyncio.Transport", transport)  # uvloop's are not of the class, but do the same
        self._readers.watch(self._wire)
        self._loop.call_later(HEAD_SECONDS, self._close_if_silent)

    def data_received(self, data: bytes) -> None:
        """aiohttp queues what it cannot parse behind the request whose body it should have been, and lets that one wait
        for the rest, which cannot come any more: it is over now."""
        super().data_received(data)
        if self._messages and not isinstance(self._messages[-1][0], RawRequestMessage):
            if len(self._messages) > 1:
                break_off(self._messages[-2][1])
            elif self._current_request is not None:
                break_off(body_stream(self._current_request))

    def connection_lost(self, exc: BaseException | None) -> None:
        """Nothing is owed to it any more."""
        if self._wire is not None:
            self._readers.forget(self._wire)
            self._wire = None
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """More is written than its reader has taken."""
        super().pause_writing()
        if self._wire is not None:
            self._readers.full(self._wire, self._loop.time())

    def resume_writing(self) -> None:
        """Its reader has caught up."""
        super().resume_writing()
        if self._wire is not None:
            self._readers.emptied(self._wire)

    def _close_if_silent(self) -> None:
        if self._request_count == 0 and self.transport is not None:
            self.force_close()

    @property
    def expired(self) -> bool:
        """Past its maximum age: the next answer should be its last."""
        return self._loop.time() >= self._closes_at

    async def finish_response(self, request: Any, resp: Any, start_time: float | None) -> Any:
        """Only when the answer is written is the request over."""
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self.answering -= 1

    def handle_error(
        self, request: Any, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Reached for what could not be parsed, and should the edge itself fail: it answers everything else."""
        self.answering += 1
        return self._edge.beyond(status, exc)


class HttpServer:
    """One listening socket for one application."""

    def __init__(
        self,
        app: web.Application,
        edge: Edge,
        *,
        max_age: float,
        readers: SlowReaders | None = None,
        goodbye: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`goodbye` ends what would never become idle by itself: WebSockets."""
        self._goodbye = goodbye
        self._readers = readers or SlowReaders()
        self._sweeper: asyncio.Task[None] | None = None
        app.middlewares.insert(0, routed)
        app.middlewares.append(understood)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=CUT_OFF_SECONDS)
        self._edge = edge
        self._max_age = max_age
        self._acceptor: Acceptor | None = None

    async def start(self, host: str | None, port: int, listener: socket.socket | None = None) -> int:
        """Listen, on `listener` if there is one; returns the port (chosen by the system when 0). Raises OSError."""
        await self._runner.setup()
        server = self._runner.server
        if server is None:
            raise RuntimeError("the runner has no server after setup")
        server.request_factory = _never_failing(server.request_factory)
        server.request_handler = _counted(self._edge.wrap(server.request_handler))
        loop = asyncio.get_running_loop()

        def connect() -> Connection:
            return Connection(server, self._edge, self._readers, max_age=self._max_age, loop=loop)

        if listener is None:
            listener = listening_socket(host, port)
        self._acceptor = Acceptor(listener, connect)
        self._sweeper = asyncio.create_task(self._readers.run(), name="slow-readers")
        return int(listener.getsockname()[1])

    async def stop(self) -> bool:
        """Stop accepting, let requests finish, close. True when none had to be cut off."""
        if self._acceptor is not None:
            await self._acceptor.close()
            self._acceptor = None
        if self._goodbye is not None:
            await self._goodbye()
        finished = await self._let_go(IN_FLIGHT_SECONDS)
        for connection in self._connections():
            connection.force_close()
        await self._runner.cleanup()
        if self._sweeper is not None:
            await end([self._sweeper])
        return finished

    async def _let_go(self, patience: float) -> bool:
        """Close each connection once it is idle, for at most `patience` seconds."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        while connections := self._connections():
            for connection in connections:
                if not connection.answering:
                    connection.force_close()  # close() alone leaves the transport open; what is written still goes out
            if loop.time() >= deadline:
                log.warning("Requests were cut off", extra={"context": {"connections": len(connections)}})
                return False
            await asyncio.sleep(0.02)
        return True

    def _connections(self) -> list[Connection]:
        server = self._runner.server
        return [] if server is None else [c for c in server.connections if isinstance(c, Connection)]


def connection_expired(request: web.Request) -> bool:
    """Has this request's connection passed its maximum age?"""
    connection = request.protocol
    return isinstance(connection, Connection) and connection.expired


def _counted(handler: Any) -> Any:
    """Mark the connection as answering from the request's head on; `finish_response` is the other end."""

    async def answer(request: web.Request) -> web.StreamResponse:
        connection = request.protocol
        if not isinstance(connection, Connection):
            response: web.StreamResponse = await handler(request)
            return response
        if UNREADABLE in request:
            return connection.handle_error(request, 400, request[UNREADABLE])
        connection.answering += 1
        try:
            response = await handler(request)
        except BaseException:
            connection.answering -= 1  # cancelled: there will be no answer to finish
            raise
        return response

    return answer


def _never_failing(make: Any) -> Any:
    """Have a request even of what none can be made of (a host that begins with `xn--` and is no name): aiohttp makes it
    outside of its nets, so an exception would leave the connection without an answer, and open for ever."""

    def request_of(message: Any, *rest: Any) -> web.BaseRequest:
        try:
            request: web.BaseRequest = make(message, *rest)
        except Exception as error:  # noqa: BLE001 - whatever it is, these bytes of a client have raised it
            request = make(ERROR, *rest)
            request[UNREADABLE] = error
        return request

    return request_of
