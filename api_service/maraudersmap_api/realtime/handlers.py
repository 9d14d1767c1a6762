"""`/ws` and `/api/presence`."""

import asyncio
from urllib.parse import urlsplit

from aiohttp import WSMessage, WSMsgType, web

from maraudersmap_api.addresses import ClientAddress
from maraudersmap_api.auth.models import User
from maraudersmap_api.errors import (
    BadFrame,
    BadRequest,
    Forbidden,
    NotFound,
    RateLimited,
    Unauthorized,
    Unavailable,
)
from maraudersmap_api.http.answers import NO_STORE
from maraudersmap_api.http.api import Answer, Api
from maraudersmap_api.http.callers import note_allowance
from maraudersmap_api.http.reading import header, host
from maraudersmap_api.infra.logs import error_context, log
from maraudersmap_api.infra.metrics import Metrics
from maraudersmap_api.infra.parsing import understand
from maraudersmap_api.infra.tasks import end
from maraudersmap_api.infra.turns import asking
from maraudersmap_api.realtime.frames import (
    MOST_FRAME_BYTES,
    ClientFrame,
    Close,
    error_frame,
    parse_frame,
    since_of,
)
from maraudersmap_api.realtime.service import Realtime
from maraudersmap_api.realtime.shapes import PresenceJson, presence_json
from maraudersmap_api.realtime.socket import Ending, Socket, close

FIRST_FRAME_SECONDS = 10.0
SIGNS_OF_LIFE = 10
"""Pings and pongs that are taken before the first frame."""


def add_realtime_routes(api: Api, realtime: Realtime, metrics: Metrics, origins: tuple[str, ...]) -> None:
    """The WebSocket and who is on it."""
    routes = api.tagged("presence")
    sockets = api.tagged("realtime", needs_database=False)

    @routes.get("/api/presence/online", cache=NO_STORE)
    async def online(caller: User) -> Answer[PresenceJson]:
        """List who is connected. It names no rooms."""
        return Answer(presence_json(*await realtime.online()))

    @routes.get("/api/presence/incidents/{id}", cache=NO_STORE, refuses=(Forbidden, NotFound))
    async def incident(id: int, caller: User) -> Answer[PresenceJson]:  # noqa: A002 - as in the path
        """List who has an incident open. For those who may view it."""
        return Answer(presence_json(*await realtime.in_room(id, caller)))

    @sockets.get("/ws", status=101, produces="", refuses=(Forbidden, RateLimited))
    async def connect(request: web.Request, address: ClientAddress) -> web.StreamResponse:
        """Open a WebSocket.

        The first frame, within 10 s, is `{"type":"auth","token":...,"since":<last event id known>}`: tokens never
        travel in the address. See docs/api-realtime.md for the frames.
        """
        if realtime.closing:
            raise Unavailable("This server is going away: connect again", retry_after=1)
        if not understand("The handshake", _is_handshake, request):
            note_allowance(request, await realtime.charges.knock(address))
            raise BadRequest("This address speaks WebSocket only")
        if not await realtime.door.admit(address):
            raise RateLimited("Too many connections of yours wait to be signed in", retry_after=10)
        unknown = _Unknown(realtime, address)
        metrics.websockets.inc()
        try:
            note_allowance(request, await realtime.charges.knock(address))
            _check_origin(request, origins)
            ws = web.WebSocketResponse(autoping=False, max_msg_size=MOST_FRAME_BYTES, compress=False)
            if not ws.can_prepare(request).ok:
                raise BadRequest("This address speaks WebSocket only")
            await ws.prepare(request)
            try:
                ending = await _converse(ws, realtime, unknown)
            except ConnectionError:
                raise
            except Exception as error:  # noqa: BLE001 - the answer was 101 and is given: a close code is all that is left
                log.error("A socket failed", extra={"context": {"error": error_context(error)}})
                ending = Ending(Close.INTERNAL, "internal error")
            await close(request, ws, ending)
        finally:
            unknown.forget()
            metrics.websockets.dec()
        return ws


class _Unknown:
    """The address's count of sockets that have not signed in; given back once."""

    def __init__(self, realtime: Realtime, address: str) -> None:
        self._realtime = realtime
        self._address: str | None = address

    async def excuse(self) -> None:
        """It was no stranger, or we could not find out: its address pays nothing for it."""
        if self._address is not None:
            address = self._address
            self.forget()
            await self._realtime.charges.excuse(address)

    def forget(self) -> None:
        if self._address is not None:
            self._realtime.door.known(self._address)
            self._address = None


async def _converse(ws: web.WebSocketResponse, realtime: Realtime, unknown: _Unknown) -> Ending:
    """The whole conversation; returns why it ended."""
    try:
        async with asyncio.timeout(FIRST_FRAME_SECONDS):
            message = await _first_frame(ws)
        if message.type is not WSMsgType.TEXT:
            return Ending(Close.UNAUTHORIZED, "the first frame must be auth")
        kind, fields = understand("The frame", parse_frame, message.data)
        if kind is not ClientFrame.AUTH:
            return Ending(Close.UNAUTHORIZED, "the first frame must be auth")
        since = understand("since", since_of, fields)
        socket = await realtime.sign_in(fields, asyncio.get_running_loop().time())
        await unknown.excuse()
        await realtime.charge(socket)
    except TimeoutError:
        return Ending(Close.UNAUTHORIZED, "no auth frame in time")
    except (Unauthorized, BadFrame, BadRequest) as error:
        await ws.send_frame(error_frame("UNAUTHORIZED", str(error)), WSMsgType.TEXT)
        return Ending(Close.UNAUTHORIZED, "not signed in")
    except (Unavailable, RateLimited) as error:
        await unknown.excuse()
        await ws.send_frame(error_frame(error.code, error.message), WSMsgType.TEXT)
        return Ending(Close.SLOW, "try again later")
    return await _serve(ws, realtime, socket, since)


async def _first_frame(ws: web.WebSocketResponse) -> WSMessage:
    """The first frame that is more than a sign of life; the last of these if there are too many."""
    message = await ws.receive()
    for _ in range(SIGNS_OF_LIFE):
        if message.type is WSMsgType.PING:
            await ws.pong(message.data)
        elif message.type is not WSMsgType.PONG:
            break
        message = await ws.receive()
    return message


async def _serve(ws: web.WebSocketResponse, realtime: Realtime, socket: Socket, since: int | None) -> Ending:
    writer = asyncio.create_task(socket.write_to(ws), name="socket-writer")
    reader = asyncio.create_task(_listen(ws, realtime, socket, since), name="socket-reader")
    try:
        return await socket.ending
    finally:
        realtime.farewell(socket)
        await end((reader, writer))
        socket.drop()
        for result in await asyncio.gather(reader, writer, return_exceptions=True):
            if isinstance(result, Exception):
                log.error("A socket failed", extra={"context": {"error": error_context(result)}})


async def _listen(ws: web.WebSocketResponse, realtime: Realtime, socket: Socket, since: int | None) -> None:
    """Read until there is a reason to end."""
    loop = asyncio.get_running_loop()
    asking.set(str(socket.user.id))  # until now it was its address
    try:
        if not await realtime.welcome(socket, since):
            return
        while True:
            message = await ws.receive()
            if not socket.hear(loop.time()):
                socket.end(Close.POLICY, "too many frames")
                return
            match message.type:
                case WSMsgType.TEXT:
                    await _obey(realtime, socket, message.data)
                case WSMsgType.PING:
                    socket.pong(message.data)
                case WSMsgType.PONG:
                    pass
                case WSMsgType.BINARY:
                    socket.send(error_frame("BAD_FRAME", "A frame must be text"))
                case _:
                    socket.end(Close.GOING_AWAY, "closed by the client")
                    return
    except Unauthorized:
        socket.end(Close.UNAUTHORIZED, "token not accepted")
    except Unavailable:
        socket.end(Close.SLOW, "try again later")
    except ConnectionError:
        socket.end(Close.GOING_AWAY, "connection lost")
    finally:
        socket.end(Close.INTERNAL, "internal error")  # whatever else went wrong: never leave it half-dead


async def _obey(realtime: Realtime, socket: Socket, text: str) -> None:
    try:
        kind, fields = understand("The frame", parse_frame, text)
    except (BadFrame, BadRequest) as error:
        socket.send(error_frame("BAD_FRAME", str(error)))
        return
    await realtime.handle(socket, kind, fields)


def _check_origin(request: web.Request, origins: tuple[str, ...]) -> None:
    """Browsers open WebSockets to anywhere, so the server must ask where the page came from. Raises Forbidden."""
    origin = header(request, "Origin")
    if (
        origin is not None
        and origin not in origins
        and understand("Origin", _place_of, origin) != host(request)
    ):
        raise Forbidden("Pages of this origin may not connect")


def _is_handshake(request: web.Request) -> bool:
    """May this become a WebSocket?"""
    try:
        return web.WebSocketResponse().can_prepare(request).ok
    except ValueError:  # aiohttp reads the key as ASCII, and cannot encode what its own refusal repeats
        return False


def _place_of(origin: str) -> str | None:
    """Host and port of an origin; None of what is no address."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None
