"""The subscription ends when it is told to, even where the library loses the cancellation."""

from __future__ import annotations

import asyncio
from typing import Any

from maraudersmap_api.infra.pubsub import Subscriber


class DeafChannel:
    """Loses the first cancellation, as a client library does whose own time-out expires in the same moment."""

    def __init__(self) -> None:
        self.listening = asyncio.Event()
        self.cancelled = 0

    async def subscribe(self, *names: bytes) -> None:
        """As in redis-py."""

    async def get_message(self, **_: Any) -> None:
        self.listening.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            if self.cancelled > 1:
                raise

    async def ping(self) -> None:
        """As in redis-py."""

    async def aclose(self) -> None:
        """As in redis-py."""


class Client:
    def __init__(self, channel: DeafChannel) -> None:
        self.client = self
        self._channel = channel

    def pubsub(self) -> DeafChannel:
        return self._channel


async def test_a_lost_cancellation_does_not_keep_the_process_up() -> None:
    channel = DeafChannel()
    redis: Any = Client(channel)
    subscriber = Subscriber(redis, {}, lambda: None)
    subscriber.start()
    async with asyncio.timeout(20):
        await channel.listening.wait()
        await subscriber.stop()
    assert channel.cancelled == 2
