"""One client's socket: a bounded queue with one writer, and the one reason for which it ends."""

import asyncio
from dataclasses import dataclass, field
from enum import Enum

from aiohttp import web

from maraudersmap_api.auth.models import User, UserRef
from maraudersmap_api.auth.tokens import Claims
from maraudersmap_api.incidents.models import Visibility
from maraudersmap_api.incidents.rules import visibility
from maraudersmap_api.realtime.frames import Close

QUEUE_FRAMES = 256
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


@dataclass(eq=False, slots=True)
class Socket:
    """A signed-in client. `heard_at`, `pinged_at` and `sending_since` (None: nothing is being sent) are loop times;
    `seen` is what its user may view now."""

    user: User
    claims: Claims
    heard_at: float
    pinged_at: float
    sending_since: float | None = None
    seen: Visibility = field(init=False)
    rooms: set[int] = field(default_factory=set)
    ending: "asyncio.Future[Ending]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    _queue: "asyncio.Queue[str | Sentinel]" = field(default_factory=lambda: asyncio.Queue(QUEUE_FRAMES))
    _roomy: asyncio.Event = field(default_factory=asyncio.Event)
    _allowance: float = FRAMES_AT_ONCE
    _allowed_at: float = 0.0

    def __post_init__(self) -> None:
        self.become(self.user)

    def become(self, user: User) -> None:
        """Its user has changed, perhaps in role."""
        self.user = user
        self.seen = visibility(user)

    @property
    def ref(self) -> UserRef:
        """Its user as others see them."""
        user = self.user
        return UserRef(user.id, user.first_name, user.last_name, user.role, user.house)

    def send(self, text: str) -> None:
        """Queue a frame. Never waits: a client that does not keep up is let go, and catches up when it comes back."""
        self._put(text)

    async def send_in_time(self, text: str) -> None:
        """Queue a frame of a catch-up, which may be longer than the queue: what happens meanwhile keeps its half."""
        while self._queue.qsize() > QUEUE_FRAMES // 2:
            self._roomy.clear()
            await self._roomy.wait()
        self._put(text)

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
        """Send what is queued, for ever. Whoever sweeps looks at `sending_since`: a timer for each frame would cost a
        tenth of what sending it costs."""
        clock = asyncio.get_running_loop().time
        try:
            while True:
                item = await self._queue.get()
                self._roomy.set()
                self.sending_since = clock()
                await (ws.ping() if isinstance(item, Sentinel) else ws.send_str(item))
                self.sending_since = None
        except ConnectionError:
            self.end(Close.GOING_AWAY, "connection lost")

    def _put(self, item: str | Sentinel) -> None:
        try:
            self._queue.put_nowait(item)
        except asyncio.QueueFull:
            self.end(Close.SLOW, "too slow")


async def close(request: web.Request, ws: web.WebSocketResponse, ending: Ending) -> None:
    """Say why, but do not wait long for whoever does not listen."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await ws.close(code=ending.code, message=ending.reason.encode())
    except (TimeoutError, ConnectionError):
        if request.transport is not None:
            request.transport.abort()
