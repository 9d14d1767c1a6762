"""Messages of a real Redis: by either version of its protocol, after silence, and of one that has frozen."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from dev.local_services import LocalRedis, local_redis
from tests.component.conftest import PATIENCE_SECONDS, until

from maraudersmap_api.infra import pubsub
from maraudersmap_api.infra.metrics import Metrics
from maraudersmap_api.infra.names import Names
from maraudersmap_api.infra.pubsub import Subscriber
from maraudersmap_api.infra.redis import Redis


@pytest.fixture
def server() -> Iterator[LocalRedis]:
    """A server of one's own: a test freezes it."""
    with local_redis() as running:
        yield running


@asynccontextmanager
async def listening(url: str) -> AsyncIterator[tuple[Redis, Subscriber, list[bytes]]]:
    redis, heard = Redis(url, Metrics(), Names("hogwarts")), list[bytes]()
    subscriber = Subscriber(redis, {"news": heard.append}, lambda: heard.append(b"(subscribed)"))
    subscriber.start()
    try:
        yield redis, subscriber, heard
    finally:
        await subscriber.stop()
        await redis.close()


async def hears(heard: list[bytes], *expected: bytes) -> None:
    async def has() -> bool:
        return heard == list(expected)

    await until(has)


@pytest.mark.parametrize("protocol", ["", "protocol=3"], ids=["ours", "as the URL asks"])
async def test_messages_arrive_also_after_silence(
    server: LocalRedis, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pubsub, "QUIET_SECONDS", 0.2)
    monkeypatch.setattr(
        pubsub, "ANSWER_SECONDS", PATIENCE_SECONDS
    )  # the server may be slow on a busy machine
    joint = "&" if "?" in server.url else "?"
    async with listening(f"{server.url}{joint}{protocol}" if protocol else server.url) as (redis, _, heard):
        await hears(heard, b"(subscribed)")
        await redis.send(("PUBLISH", "news", "one"), ("PUBLISH", "other", "-"), ("PUBLISH", "news", "two"))
        await hears(heard, b"(subscribed)", b"one", b"two")

        async def asked_often() -> bool:
            return (
                int((await redis.client.info("commandstats")).get("cmdstat_ping", {"calls": 0})["calls"]) >= 3
            )

        await until(asked_often)

        await redis.send(("PUBLISH", "news", "three"))

        await hears(heard, b"(subscribed)", b"one", b"two", b"three")


async def test_one_that_has_frozen_is_lost_and_found_again(
    server: LocalRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing closes the connection: it is found out by asking."""
    monkeypatch.setattr(pubsub, "QUIET_SECONDS", 0.2)
    monkeypatch.setattr(pubsub, "ANSWER_SECONDS", PATIENCE_SECONDS)
    async with listening(server.url) as (_, subscriber, heard):
        await hears(heard, b"(subscribed)")
        server.pause()
        try:
            # Only of a server that is known to have frozen: one that a busy machine keeps waiting is not to be taken for it.
            monkeypatch.setattr(pubsub, "ANSWER_SECONDS", 0.2)

            async def lost() -> bool:
                return not subscriber.subscribed

            await until(lost)
        finally:
            monkeypatch.setattr(pubsub, "ANSWER_SECONDS", PATIENCE_SECONDS)
            server.resume()

        await hears(heard, b"(subscribed)", b"(subscribed)")
