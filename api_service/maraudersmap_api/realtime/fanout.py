"""Between processes: Redis pub/sub, which is quick. It may lose anything: events are found in the outbox (outbox/tail.py)."""

import asyncio
import contextlib
import json
import secrets
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from maraudersmap_api.infra.logs import log
from maraudersmap_api.infra.pubsub import Subscriber
from maraudersmap_api.infra.redis import CacheAway, Redis
from maraudersmap_api.infra.tasks import end
from maraudersmap_api.outbox.models import Event, EventType
from maraudersmap_api.realtime.dispatch import Dispatcher
from maraudersmap_api.realtime.frames import ServerFrame
from maraudersmap_api.wire import encode

CHANNEL = "realtime"
QUEUE_MESSAGES = 10_000
MOST_TOGETHER = 100
"""So many of them are sent at once; most have one event, of some 200 bytes."""


class Fanout:
    """Sends what happens here to the others, and hands what happens there to the dispatcher."""

    def __init__(self, redis: Redis | None, dispatcher: Dispatcher) -> None:
        self._redis = redis
        self._dispatcher = dispatcher
        sender = {"from": secrets.token_hex(8), "of": redis.names.installation if redis is not None else ""}
        self._sender: dict[str, str] = sender
        self._mine = encode(sender).removesuffix(b"}")
        self._outgoing: asyncio.Queue[dict[str, Any]] = asyncio.Queue(QUEUE_MESSAGES)
        self._listening = (
            Subscriber(redis, {redis.names.channel(CHANNEL): self._received}, lambda: None)
            if redis is not None
            else None
        )
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to send and to listen."""
        if self._listening is not None:
            self._listening.start()
            self._spawn(self._send(), "realtime-sender")

    async def stop(self) -> None:
        """End both."""
        if self._listening is not None:
            await self._listening.stop()
        await end(self._tasks)

    def events(self, events: Sequence[Event]) -> None:
        """Deliver committed events, here and elsewhere. Never waits."""
        self._dispatcher.offer(events)
        self._queue({"events": [_event_json(event) for event in events]})

    def passing(self, incident_id: int, kind: ServerFrame, data: dict[str, Any]) -> None:
        """Send a room something that is not stored. Never waits."""
        self._spawn(self._dispatcher.send_to_room(incident_id, kind, data), "room")
        self._queue({"room": incident_id, "type": kind.value, "data": data})

    @property
    def listening(self) -> bool:
        """Do messages of other processes arrive just now?"""
        return self._listening is not None and self._listening.subscribed

    def _queue(self, message: dict[str, Any]) -> None:
        if self._redis is None:
            return
        try:
            self._outgoing.put_nowait(message)
        except asyncio.QueueFull:
            log.warning("Events were not passed on: Redis is too slow")

    async def _send(self) -> None:
        if self._redis is None:
            return
        channel = self._redis.names.channel(CHANNEL)
        while True:
            waiting = [await self._outgoing.get()]
            while len(waiting) < MOST_TOGETHER and not self._outgoing.empty():
                waiting.append(self._outgoing.get_nowait())
            texts = [encode({**self._sender, **message}) for message in together(waiting)]
            with contextlib.suppress(
                CacheAway
            ):  # the others find events in the outbox; the rest was of that moment
                await self._redis.send(*(("PUBLISH", channel, text) for text in texts))

    def _received(self, payload: bytes) -> None:
        if payload.startswith(self._mine):
            return  # our own come back too: not worth reading
        message = json.loads(payload)
        if message.get("of") != self._sender["of"]:
            return  # of others on the same Redis; of the release before: the outbox has it
        if "events" in message:
            self._dispatcher.offer([_event(values) for values in message["events"]])
        else:
            kind = ServerFrame(message["type"])
            self._spawn(self._dispatcher.send_to_room(message["room"], kind, message["data"]), "room")

    def _spawn(self, work: Any, name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)  # the loop itself keeps only a weak reference
        task.add_done_callback(self._tasks.discard)


def together(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same with events that follow each other in one message: each one is heard by every process, this one too."""
    joined: list[dict[str, Any]] = []
    for message in messages:
        if joined and "events" in message and "events" in joined[-1]:
            joined[-1] = {"events": [*joined[-1]["events"], *message["events"]]}
        else:
            joined.append(message)
    return joined


def _event_json(event: Event) -> dict[str, Any]:
    return {
        "id": event.id,
        "type": event.type.value,
        "incident": event.incident_id,
        "payload": dict(event.payload),
        "user": str(event.user_id) if event.user_id else None,
    }


def _event(values: dict[str, Any]) -> Event:
    user = values["user"]
    return Event(
        int(values["id"]),
        EventType(values["type"]),
        int(values["incident"]),
        values["payload"],
        UUID(user) if user else None,
    )
