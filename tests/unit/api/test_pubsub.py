"""The subscription ends when it is asked to, even where the library loses the cancellation; and misses a silent server."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from maraudersmap_api.infra import pubsub
from maraudersmap_api.infra.pubsub import Subscriber

SUBSCRIBED = [b"subscribe", b"news", 1]


class Connection:
    """As in redis-py: gives the answers it was made with, then is silent."""

    def __init__(self, *answers: list[Any]) -> None:
        self._answers = list(answers)
        self.sent: list[str] = []
        self.silent = asyncio.Event()
        self.closed = False

    async def connect(self) -> None:
        """There is nothing to connect to."""

    async def send_command(self, *command: Any) -> None:
        self.sent.append(command[0])

    async def read_response(self, **_: Any) -> list[Any]:
        if self._answers:
            return self._answers.pop(0)
        self.silent.set()
        await asyncio.Event().wait()
        raise AssertionError("it waits for ever")

    async def disconnect(self, **_: Any) -> None:
        self.closed = True


class DeafConnection(Connection):
    """Loses the first cancellation, as a client library does whose own time-out expires in the same moment."""

    cancelled = 0

    async def read_response(self, **_: Any) -> list[Any]:
        try:
            return await super().read_response()
        except asyncio.CancelledError:
            self.cancelled += 1
            if self.cancelled > 1:
                raise
            return [b"pong", b""]


class Redis:
    def __init__(self, *connections: Connection) -> None:
        self._connections = list(connections)

    def new_connection(self) -> Connection:
        return self._connections.pop(0)


def subscriber_of(*connections: Connection) -> tuple[Subscriber, list[bytes]]:
    redis: Any = Redis(*connections)
    heard: list[bytes] = []
    return Subscriber(redis, {"news": heard.append}, lambda: heard.append(b"(subscribed)")), heard


async def test_a_lost_cancellation_does_not_keep_the_process_up() -> None:
    connection = DeafConnection()
    subscriber, _ = subscriber_of(connection)
    subscriber.start()
    async with asyncio.timeout(60):
        await connection.silent.wait()
        await subscriber.stop()
    assert connection.cancelled == 2
    assert connection.closed


async def test_what_arrives_is_handed_on() -> None:
    connection = Connection(SUBSCRIBED, [b"message", b"news", b"one"], [b"message", b"news", b"two"])
    subscriber, heard = subscriber_of(connection)
    subscriber.start()
    async with asyncio.timeout(60):
        await connection.silent.wait()
        assert subscriber.subscribed
        await subscriber.stop()
    assert heard == [b"(subscribed)", b"one", b"two"]
    assert connection.sent == ["SUBSCRIBE"]


async def test_a_server_that_is_silent_is_asked_and_then_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pubsub, "QUIET_SECONDS", 0.1)
    monkeypatch.setattr(pubsub, "ANSWER_SECONDS", 0.1)
    frozen, well = Connection(SUBSCRIBED), Connection(SUBSCRIBED)
    subscriber, heard = subscriber_of(frozen, well)
    subscriber.start()
    async with asyncio.timeout(60):
        await well.silent.wait()
        await subscriber.stop()
    assert frozen.sent == ["SUBSCRIBE", "PING"]
    assert frozen.closed
    assert heard == [b"(subscribed)", b"(subscribed)"]


async def test_a_server_that_answers_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pubsub, "QUIET_SECONDS", 0.05)

    asked_often = asyncio.Event()

    class Answering(Connection):
        async def send_command(self, *command: Any) -> None:
            await super().send_command(*command)
            if command[0] == "PING":
                self._answers.append([b"pong", b""])
            if self.sent.count("PING") == 4:
                asked_often.set()

    subscriber, heard = subscriber_of(Answering(SUBSCRIBED))
    subscriber.start()
    async with asyncio.timeout(60):
        await asked_often.wait()
        await subscriber.stop()
    assert heard == [b"(subscribed)"]


async def test_what_a_handler_cannot_read_does_not_end_the_subscription(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Others on the same Redis may use the same name, and a newer release may write otherwise."""
    heard: list[Any] = []
    messages = (b"[]", b"hello", b'{"of":"us"}', b"[" * 100_000)
    connection = Connection(SUBSCRIBED, *([b"message", b"news", message] for message in messages))
    redis: Any = Redis(connection)
    handlers = {"news": lambda payload: heard.append(json.loads(payload)["of"])}
    subscriber = Subscriber(redis, handlers, lambda: heard.append("(subscribed)"))
    subscriber.start()
    async with asyncio.timeout(60):
        await connection.silent.wait()
        assert subscriber.subscribed
        await subscriber.stop()
    assert heard == ["(subscribed)", "us"]
    assert [record.message for record in caplog.records] == ["Message not understood"], "once"
