"""One client's socket: a queue bounded in frames and bytes with one writer, and the one reason for which it ends."""

import asyncio
from dataclasses import dataclass, field
from enum import Enum

from aiohttp import WSMsgType, web

from maraudersmap_api.auth.models import User, UserRef
from maraudersmap_api.auth.tokens import Claims
from maraudersmap_api.incidents.models import Visibility
from maraudersmap_api.incidents.rules import visibility
from maraudersmap_api.realtime.backlog import Backlog
from maraudersmap_api.realtime.frames import Close

QUEUE_FRAMES = 256
QUEUE_BYTES = 2 * 1024 * 1024
SEND_SECONDS = 10.0
CLOSE_SECONDS = 2.0
HEARTBEAT_SECONDS = 25.0
SILENCE_SECONDS = 60.0
FRAMES_PER_SECOND = 20.0  # of the client, on average
FRAMES_AT_ONCE = 60.0


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a socket ends."""

    code: Close
    reason: str


class Sentinel(Enum):
    """PING in the queue: send a ping in its turn."""

    PING = "ping"


@dataclass(frozen=True, slots=True)
class Pong:
    """In the queue: the answer to a client's ping."""

    data: bytes


@dataclass(eq=False, slots=True)
class Socket:
    """A signed-in client. `heard_at`, `pinged_at` and `sending_since` (None: nothing is being sent) are loop times;
    `seen` is what its user may view now; `in_doubt`: it may be in a room whose incident they may not view."""

    user: User
    claims: Claims
    heard_at: float
    pinged_at: float
    backlog: Backlog = field(default_factory=Backlog)
    sending_since: float | None = None
    seen: Visibility = field(init=False)
    rooms: set[int] = field(default_factory=set)
    in_doubt: bool = False
    ending: "asyncio.Future[Ending]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    _queue: "asyncio.Queue[bytes | Sentinel | Pong]" = field(
        default_factory=lambda: asyncio.Queue(QUEUE_FRAMES)
    )
    _bytes: int = 0  # of what is queued or being sent
    _roomy: asyncio.Event = field(default_factory=asyncio.Event)
    _allowance: float = FRAMES_AT_ONCE
    _allowed_at: float = 0.0

    def __post_init__(self) -> None:
        self.seen = visibility(self.user)

    def become(self, user: User) -> None:
        """Its user has changed, perhaps in role."""
        self.user = user
        seen = visibility(user)
        if seen != self.seen:
            self.seen, self.in_doubt = seen, True

    @property
    def ref(self) -> UserRef:
        """Its user as others see them."""
        user = self.user
        return UserRef(user.id, user.first_name, user.last_name, user.role, user.house)

    def send(self, text: bytes) -> None:
        """Queue a frame. Never waits: a client that does not keep up is let go, and catches up when it comes back."""
        self._put(text)

    async def room_for_more(self) -> None:
        """Wait until half of the queue is free: what happens during a catch-up, which may be longer, keeps its half."""
        while self._queue.qsize() > QUEUE_FRAMES // 2 or self._bytes > QUEUE_BYTES // 2:
            self._roomy.clear()
            await self._roomy.wait()

    def pong(self, data: bytes) -> None:
        """Queue the answer to a ping."""
        self._put(Pong(data))

    def ping(self, now: float) -> None:
        """Queue a ping."""
        self.pinged_at = now
        self._put(Sentinel.PING)

    def end(self, code: Close, reason: str) -> None:
        """End it; the first reason stands."""
        if not self.ending.done():
            self.ending.set_result(Ending(code, reason))

    def hear(self, now: float) -> bool:
        """Note that the client lives; False when it sends more than anybody could type."""
        self._allowance = min(FRAMES_AT_ONCE, self._allowance + (now - self._allowed_at) * FRAMES_PER_SECOND)
        self._allowed_at = self.heard_at = now
        self._allowance -= 1
        return self._allowance >= 0

    async def write_to(self, ws: web.WebSocketResponse) -> None:
        """Send what is queued, for ever. The sweeper looks at `sending_since`: a timer for each frame would cost a
        tenth of what sending it costs."""
        clock = asyncio.get_running_loop().time
        try:
            while True:
                item = await self._queue.get()
                self.sending_since = clock()
                try:
                    match item:
                        case bytes():
                            await ws.send_frame(item, WSMsgType.TEXT)
                        case Pong(data=data):
                            await ws.pong(data)
                        case Sentinel.PING:
                            await ws.ping()
                finally:
                    self._forget(item)
                self.sending_since = None
                self._roomy.set()
        except ConnectionError:
            self.end(Close.GOING_AWAY, "connection lost")

    def drop(self) -> None:
        """Throw away what is queued: it will not be sent."""
        while not self._queue.empty():
            self._forget(self._queue.get_nowait())

    def _put(self, item: bytes | Sentinel | Pong) -> None:
        if self.ending.done():
            return
        size = len(item) if isinstance(item, bytes) else 0
        if self._queue.full() or (self._bytes and self._bytes + size > QUEUE_BYTES):
            self.end(Close.SLOW, "too slow")
            return
        self._queue.put_nowait(item)
        self._bytes += size
        if isinstance(item, bytes):
            self.backlog.add(item)

    def _forget(self, item: bytes | Sentinel | Pong) -> None:
        if isinstance(item, bytes):
            self._bytes -= len(item)
            self.backlog.remove(item)


async def close(request: web.Request, ws: web.WebSocketResponse, ending: Ending) -> None:
    """Report why, but do not wait long for a client that does not listen."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await ws.close(code=ending.code, message=ending.reason.encode())
    except (TimeoutError, ConnectionError):
        if request.transport is not None:
            request.transport.abort()
