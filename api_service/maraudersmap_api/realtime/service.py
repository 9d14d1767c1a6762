"""Sockets from their first frame to their last: who they are, what they ask for, when they end."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from typing import Any
from uuid import UUID

from maraudersmap_api.auth.models import User, UserRef
from maraudersmap_api.auth.service import AuthService
from maraudersmap_api.auth.shapes import user_ref_json
from maraudersmap_api.auth.tokens import AccessTokens, Claims
from maraudersmap_api.errors import BadFrame, DomainError, Forbidden, Unauthorized, Unavailable
from maraudersmap_api.incidents.service import IncidentService
from maraudersmap_api.infra.budget import ByteBudget
from maraudersmap_api.infra.db import Database
from maraudersmap_api.infra.logs import error_context, log
from maraudersmap_api.infra.parsing import understand
from maraudersmap_api.infra.ratelimit import refuse_exceeded
from maraudersmap_api.infra.redis import Redis
from maraudersmap_api.infra.tasks import end
from maraudersmap_api.outbox.publisher import Publisher
from maraudersmap_api.outbox.tail import Tail
from maraudersmap_api.realtime import repository
from maraudersmap_api.realtime.backlog import Backlog
from maraudersmap_api.realtime.catch_up import CatchUp
from maraudersmap_api.realtime.charges import FREE, Charges
from maraudersmap_api.realtime.dispatch import Dispatcher
from maraudersmap_api.realtime.door import Door
from maraudersmap_api.realtime.fanout import Fanout
from maraudersmap_api.realtime.frames import (
    ClientFrame,
    Close,
    ServerFrame,
    error_frame,
    frame,
    room_name,
    room_of,
    since_of,
)
from maraudersmap_api.realtime.hub import Hub
from maraudersmap_api.realtime.presence import MOST_SHOWN, ONLINE, Presence, room_key
from maraudersmap_api.realtime.socket import HEARTBEAT_SECONDS, SEND_SECONDS, SILENCE_SECONDS, Socket

SWEEP_SECONDS = 1.0
ACCOUNTS_SECONDS = 2.0
"""How long a changed role or a deactivation may take to reach an open socket; under the 5 s of the user cache."""

JUDGED_AT_ONCE = 200  # sockets, of 50 rooms at most each
GOODBYE_SECONDS = 3.0


class Realtime:
    """Everything of this process that has to do with sockets."""

    def __init__(
        self,
        db: Database,
        redis: Redis | None,
        auth: AuthService,
        tokens: AccessTokens,
        incidents: IncidentService,
        publisher: Publisher,
        tail: Tail,
        charges: Charges,
        budget: ByteBudget,
    ) -> None:
        self._db = db
        self._auth = auth
        self._tokens = tokens
        self._incidents = incidents
        self.hub = Hub()
        self.door = Door()
        self.charges = charges
        self._backlog = Backlog(self._let_the_slowest_go)
        self._catch_up = CatchUp(db, budget, time.monotonic)
        self._dispatcher = Dispatcher(db, self.hub, self._leave)
        self._fanout = Fanout(redis, self._dispatcher)
        self._presence = Presence(redis, self.hub.here)
        self._sweeper: asyncio.Task[None] | None = None
        self._accounts_at = 0.0
        self.closing = False
        self.events = self._fanout.events
        publisher.subscribe(self.events)
        self._tail = tail
        tail.deliver_to(self._dispatcher)

    @property
    def hears_others(self) -> bool:
        """Do events of other processes arrive just now?"""
        return self._fanout.listening

    def start(self) -> None:
        """Begin the background work."""
        self._dispatcher.start()
        self._fanout.start()
        self._presence.start()
        self._sweeper = asyncio.create_task(self._sweep(), name="sockets")

    async def stop(self) -> None:
        """End it."""
        if self._sweeper is not None:
            await end([self._sweeper])
        await self._presence.stop()
        await self._fanout.stop()
        await self._dispatcher.stop()

    async def goodbye(self) -> None:
        """Close every socket with 1001 and wait until they are gone: their clients go to another pod."""
        self.closing = True
        for socket in self.hub:
            socket.end(Close.GOING_AWAY, "going away")
        loop = asyncio.get_running_loop()
        deadline = loop.time() + GOODBYE_SECONDS
        while len(self.hub) and loop.time() < deadline:  # noqa: ASYNC110 - they leave one by one
            await asyncio.sleep(0.02)

    # --- one socket ---

    async def sign_in(self, fields: dict[str, Any], now: float) -> Socket:
        """The socket of the sender of this `auth` frame. Raises Unauthorized, Unavailable, BadFrame."""
        claims = self._claims(fields)
        user = await self._auth.user_of(claims)
        return Socket(user, claims, heard_at=now, pinged_at=now, backlog=self._backlog)

    async def charge(self, socket: Socket) -> None:
        """Count one request's worth of work to its user. Raises RateLimited."""
        refuse_exceeded(await self.charges.of_user(socket.user.id))

    async def welcome(self, socket: Socket, since: int | None) -> bool:
        """Let it in, and send what it missed. False when it was ended instead. Raises Unavailable."""
        await self._tail.begin()
        if self.closing:  # `goodbye` ends those that are in
            socket.end(Close.GOING_AWAY, "going away")
            return False
        if not self.hub.add(socket):
            socket.end(Close.POLICY, "too many connections of this user")
            return False
        self._presence.changed()
        socket.send(_acknowledged(socket))
        if since is not None:
            await self._catch_up.replay(socket, since)
        return True

    def farewell(self, socket: Socket) -> None:
        """It is gone."""
        rooms = tuple(socket.rooms)
        self.hub.remove(socket)
        for incident_id in rooms:
            self._announce(incident_id, ServerFrame.LEFT, socket)
        self._presence.changed()

    async def handle(self, socket: Socket, kind: ClientFrame, fields: dict[str, Any]) -> None:
        """Do what a frame asks. What is refused is answered with an error frame; the socket stays.

        Raises Unauthorized when an `auth` frame is not accepted: that ends the socket.
        """
        try:
            if kind not in FREE:
                await self.charge(socket)
            match kind:
                case ClientFrame.AUTH:
                    await self._extend(socket, fields)
                case ClientFrame.JOIN:
                    await self._join(socket, understand("room", room_of, fields))
                case ClientFrame.LEAVE:
                    self._leave(socket, understand("room", room_of, fields))
                case ClientFrame.TYPING_START | ClientFrame.TYPING_STOP:
                    room = understand("room", room_of, fields)
                    self._typing(socket, room, started=kind is ClientFrame.TYPING_START)
                case ClientFrame.HEARTBEAT:
                    pass  # hearing it was all
        except Unauthorized:
            raise
        except DomainError as error:
            socket.send(error_frame(error.code, error.message))

    # --- who is here ---

    async def online(self) -> tuple[list[UserRef], int]:
        """Everybody who is connected, at most MOST_SHOWN of them, and how many. Raises Unavailable."""
        return await self._people(await self._presence.of(ONLINE))

    async def in_room(self, incident_id: int, viewer: User) -> tuple[list[UserRef], int]:
        """Who has an incident open. Raises NotFound, Forbidden, Unavailable."""
        await self._incidents.get(incident_id, viewer=viewer)
        return await self._people(await self._presence.of(room_key(incident_id)))

    async def _people(self, users: Iterable[UUID]) -> tuple[list[UserRef], int]:
        ids = list(users)
        return await repository.people(self._db, ids[:MOST_SHOWN]), len(ids)

    # --- what frames do ---

    def _claims(self, fields: dict[str, Any]) -> Claims:
        token = fields.get("token")
        if not isinstance(token, str):
            raise BadFrame("token is required")
        return understand("token", self._tokens.verify, token)

    async def _extend(self, socket: Socket, fields: dict[str, Any]) -> None:
        claims = self._claims(fields)
        if claims.user_id != socket.user.id:
            raise Unauthorized("This token belongs to somebody else: open another connection for them")
        socket.become(await self._auth.user_of(claims))
        socket.claims = claims
        socket.send(_acknowledged(socket))
        since = understand("since", since_of, fields)
        if since is not None:
            await self._catch_up.replay(socket, since)

    async def _join(self, socket: Socket, incident_id: int) -> None:
        if incident_id in socket.rooms:
            return
        before = self._dispatcher.hidings, socket.seen
        await self._incidents.get(incident_id, viewer=socket.user)
        if not self.hub.join(socket, incident_id):
            raise Forbidden("You are in too many rooms: leave one first")
        if (self._dispatcher.hidings, socket.seen) != before:
            socket.in_doubt = True  # what has hidden it meanwhile found no one in the room
        self._announce(incident_id, ServerFrame.JOINED, socket)
        self._presence.changed()

    def _leave(self, socket: Socket, incident_id: int) -> None:
        if incident_id in socket.rooms:
            self.hub.leave(socket, incident_id)
            self._announce(incident_id, ServerFrame.LEFT, socket)
            self._presence.changed()

    def _typing(self, socket: Socket, incident_id: int, *, started: bool) -> None:
        if incident_id not in socket.rooms:
            raise Forbidden("Join the room first")
        self._announce(incident_id, ServerFrame.TYPING, socket, typing=started)

    def _announce(self, incident_id: int, kind: ServerFrame, socket: Socket, **more: Any) -> None:
        self._fanout.passing(incident_id, kind, {"user": user_ref_json(socket.ref), **more})

    # --- all sockets ---

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            try:
                self.end_what_is_over(asyncio.get_running_loop().time(), time.time())
                await self._refresh_accounts()
                await self._leave_hidden_rooms()
            except Exception as error:  # noqa: BLE001 - it must go on for the others
                log.error("Sweeping sockets failed", extra={"context": {"error": error_context(error)}})

    def end_what_is_over(self, now: float, wall: float) -> None:
        """Close expired and silent sockets, ping the others. `now` is loop time, `wall` epoch seconds."""
        for socket in self.hub:
            if wall >= socket.claims.expires_at:
                socket.end(Close.UNAUTHORIZED, "token expired")
            elif socket.sending_since is not None and now - socket.sending_since > SEND_SECONDS:
                socket.end(Close.SLOW, "too slow")
            elif now - socket.heard_at > SILENCE_SECONDS:
                socket.end(Close.GOING_AWAY, "no sign of life")
            elif now - max(socket.pinged_at, socket.heard_at) >= HEARTBEAT_SECONDS:
                socket.ping(now)

    def _let_the_slowest_go(self) -> None:
        while self._backlog.too_much and (socket := self.hub.slowest()) is not None:
            socket.end(Close.SLOW, "too slow")
            socket.drop()

    async def _refresh_accounts(self) -> None:
        """Roles as they are now; accounts that were deactivated, or whose tokens were ended, go."""
        now = asyncio.get_running_loop().time()
        users = self.hub.users()
        if not users or now - self._accounts_at < ACCOUNTS_SECONDS:
            return
        self._accounts_at = now
        try:
            accounts = await repository.accounts(self._db, users)
        except Unavailable:
            return  # nor can anything be delivered meanwhile that was judged by the old role
        for socket in self.hub:
            if socket.user.id not in users:
                continue  # came while we asked
            role, version, active = accounts.get(socket.user.id, (socket.user.role, -1, False))
            if not active or version != socket.claims.version:
                socket.end(Close.UNAUTHORIZED, "session ended")
            elif role is not socket.user.role:
                socket.become(replace(socket.user, role=role))

    async def _leave_hidden_rooms(self) -> None:
        """Judge the rooms of those in doubt; events take all others out of what becomes hidden."""
        rooms: dict[Socket, set[int]] = {}
        for socket in islice((socket for socket in self.hub if socket.in_doubt), JUDGED_AT_ONCE):
            rooms[socket] = set(socket.rooms)
            socket.in_doubt = False  # what happens from now on puts it there again
        asked = set[int]().union(*rooms.values())
        if not asked:
            return
        try:
            standings = await repository.standings(self._db, asked)
        except Exception as error:
            for socket in rooms:
                socket.in_doubt = True
            if isinstance(error, Unavailable):
                return
            raise
        for socket, numbers in rooms.items():
            for incident_id in numbers:
                standing = standings.get(incident_id)
                if standing is None or not standing.visible_to(socket.seen):
                    self._leave(socket, incident_id)


def _acknowledged(socket: Socket) -> bytes:
    data = {
        "user": user_ref_json(socket.ref),
        "expiresAt": socket.claims.expires_at,
        "heartbeatSeconds": int(HEARTBEAT_SECONDS),
        "rooms": [room_name(incident_id) for incident_id in sorted(socket.rooms)],
    }
    return frame(ServerFrame.ACKNOWLEDGED, data)
