"""One subscription to Redis channels that survives Redis: reconnects for ever, and reports when it has.

What was published while it was away is lost; `on_subscribed` is where those who depend on messages start afresh.
"""

import asyncio
import contextlib
from collections.abc import Callable

from maraudersmap_api.infra.logs import log
from maraudersmap_api.infra.redis import Redis
from maraudersmap_api.infra.tasks import end

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0
POLL_SECONDS = 5.0

Handler = Callable[[bytes], None]
"""Gets each message's payload in the loop's thread; must not block or raise."""


class Subscriber:
    """Listens to channels from `start` to `stop`. `subscribed`: do messages arrive just now?"""

    def __init__(self, redis: Redis, handlers: dict[str, Handler], on_subscribed: Callable[[], None]) -> None:
        self._redis = redis
        self._handlers = {name.encode(): handler for name, handler in handlers.items()}
        self._on_subscribed = on_subscribed
        self._task: asyncio.Task[None] | None = None
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
        # A connection of its own beside the pool: it is never given back, and must not use up a request's.
        channel = self._redis.client.pubsub()
        try:
            await channel.subscribe(*self._handlers)
            while True:
                # Its own time-out also notices a server that went away without a word.
                message = await channel.get_message(ignore_subscribe_messages=False, timeout=POLL_SECONDS)
                if message is None:
                    await channel.ping()
                elif message["type"] == "subscribe":
                    self.subscribed = True
                    self._on_subscribed()
                elif message["type"] == "message":
                    self._handlers[message["channel"]](message["data"])
        finally:
            with contextlib.suppress(Exception):
                await channel.aclose()
