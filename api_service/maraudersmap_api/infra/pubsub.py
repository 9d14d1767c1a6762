"""One subscription to Redis channels that survives Redis: reconnects for ever, and reports when it has.

What was published while it was away is lost; `on_subscribed` is where those who depend on messages start afresh.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from maraudersmap_api.infra.logs import error_context, log
from maraudersmap_api.infra.redis import Redis
from maraudersmap_api.infra.tasks import end

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0
QUIET_SECONDS = 5.0
"""Without a word for so long it is asked whether it is there."""
ANSWER_SECONDS = 5.0
"""Without an answer for so long it is lost."""

Handler = Callable[[bytes], None]
"""Gets each message's payload in the loop's thread; must not block. What it raises is logged, once a subscription: the
message is of another release, or of others on the same Redis, and is left out."""


class Subscriber:
    """Listens to channels from `start` to `stop`. `subscribed`: do messages arrive just now?"""

    def __init__(self, redis: Redis, handlers: dict[str, Handler], on_subscribed: Callable[[], None]) -> None:
        self._redis = redis
        self._handlers = {name.encode(): handler for name, handler in handlers.items()}
        self._on_subscribed = on_subscribed
        self._task: asyncio.Task[None] | None = None
        self._complained = False
        self.subscribed = False

    def start(self) -> None:
        """Begin, now or whenever Redis comes."""
        self._task = asyncio.create_task(self._run(), name="redis-subscriber")

    async def stop(self) -> None:
        """End and wait until it is gone."""
        if self._task is not None:
            await end([self._task])

    async def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._listen()
            except Exception as error:  # noqa: BLE001 - the library raises a dozen kinds; all mean: again
                if self.subscribed:
                    log.warning("Subscription lost", extra={"context": {"reason": type(error).__name__}})
                    pause = FIRST_PAUSE_SECONDS
            self.subscribed = False
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE_SECONDS, pause * 2)

    async def _listen(self) -> None:
        # Of its own, beside the pool and not through the library's PubSub: what that adds to each message, a time-out, a
        # retry, a hook for metrics and a line for a log, costs several times what reading it does.
        connection = self._redis.new_connection()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await connection.connect()
                await connection.send_command("SUBSCRIBE", *self._handlers)
            asked = False
            while True:
                if await self._heard_within(ANSWER_SECONDS if asked else QUIET_SECONDS, connection):
                    asked = False
                elif asked:
                    raise TimeoutError("no answer to PING")
                else:
                    # A server that went away without a word would never be missed.
                    await connection.send_command("PING")
                    asked = True
        finally:
            with contextlib.suppress(Exception):
                await connection.disconnect(nowait=True)

    async def _heard_within(self, seconds: float, connection: Any) -> bool:
        """Hand on what arrives; false when nothing has for so long, else true once nothing has for QUIET_SECONDS or a little
        less."""
        clock, heard = asyncio.get_running_loop().time, False
        try:
            async with asyncio.timeout(seconds) as limit:
                while True:
                    # Left open when the time-out ends it: what has arrived of a message is kept for the next call.
                    # As a push, should the URL ask for RESP3: another reader would drop what is one.
                    kind, *rest = await connection.read_response(disconnect_on_error=False, push_request=True)
                    heard = True
                    if kind == b"message":
                        self._hand_on(*rest)
                    elif kind == b"subscribe":
                        self.subscribed = True
                        self._complained = False
                        self._on_subscribed()
                    # Seldom: setting a timer costs as much as reading a message.
                    left = (limit.when() or 0) - (now := clock())
                    if not QUIET_SECONDS / 2 <= left <= QUIET_SECONDS:
                        limit.reschedule(now + QUIET_SECONDS)
        except TimeoutError:
            return heard

    def _hand_on(self, name: bytes, payload: bytes) -> None:
        try:
            self._handlers[name](payload)
        except Exception as error:  # noqa: BLE001 - others write it, and what they write must not end this
            if not self._complained:
                log.warning("Message not understood", extra={"context": {"error": error_context(error)}})
            self._complained = True
