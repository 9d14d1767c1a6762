"""From committed events to frames in queues.

Events come from this process, from the others through Redis, and from the outbox (outbox/tail.py); some come twice. One
task takes what has gathered, loads what it refers to in at most three statements, and judges each socket by that.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar

from maraudersmap_api.errors import Unavailable
from maraudersmap_api.infra.db import Database, Executor
from maraudersmap_api.infra.logs import error_context, log
from maraudersmap_api.infra.tasks import end
from maraudersmap_api.outbox.models import Event
from maraudersmap_api.realtime import repository
from maraudersmap_api.realtime.delivery import Loaded, Rendering
from maraudersmap_api.realtime.frames import ServerFrame, frame, room_name
from maraudersmap_api.realtime.hub import Hub
from maraudersmap_api.realtime.portions import portions
from maraudersmap_api.realtime.socket import Socket

T = TypeVar("T")

QUEUE_EVENTS = 10_000
BATCH = 200
FEW = 3  # incidents, of 200 KB at most each
REMEMBERED = 20_000
RETRY_SECONDS = 0.5
ATTEMPTS = 20


class Dispatcher:
    """Delivers to the sockets of one hub."""

    def __init__(self, db: Database, hub: Hub, leave: Callable[[Socket, int], None]) -> None:
        """`leave` takes a socket out of the room of an incident."""
        self._db = db
        self._hub = hub
        self._leave = leave
        self._queue: asyncio.Queue[Event] = asyncio.Queue(QUEUE_EVENTS)
        self._delivered: OrderedDict[int, None] = OrderedDict()
        self._task: asyncio.Task[None] | None = None
        self.hidings = 0
        """How often an incident has, or may have, become hidden from members of its room."""

    def start(self) -> None:
        """Begin to deliver."""
        self._task = asyncio.create_task(self._run(), name="dispatch")

    async def stop(self) -> None:
        """End; what is queued is lost here, and found again by clients that catch up."""
        if self._task is not None:
            await end([self._task])

    def listens(self) -> bool:
        """Is there a client to send to?"""
        return len(self._hub) > 0

    def unheard(self, event_ids: Sequence[int]) -> list[int]:
        """Which of these were not delivered; some may be queued, and are then dropped when their turn comes."""
        return [event_id for event_id in event_ids if event_id not in self._delivered]

    def offer(self, events: Iterable[Event]) -> None:
        """Queue events. Never waits: with more than clients can take, all are asked to read again."""
        if not self.listens():
            for event in events:
                self._note(event.id)  # a client that comes later has not missed it
            return
        for event in events:
            if event.id in self._delivered:
                continue
            try:
                self._queue.put_nowait(event)
            except asyncio.QueueFull:
                self.resync()
                return

    async def _run(self) -> None:
        while True:
            batch = [await self._queue.get()]
            while len(batch) < BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            fresh = [event for event in batch if event.id not in self._delivered]
            try:
                for portion in await self._portions(fresh):
                    await self._load_and_deliver(portion)
            except Exception as error:  # noqa: BLE001 - the task must live: without it nothing is delivered
                log.error("Events were not delivered", extra={"context": {"error": error_context(error)}})
                self.resync()

    async def _load_and_deliver(self, events: Sequence[Event]) -> None:
        loaded = await self._patiently(lambda connection: repository.load(connection, events))
        if loaded is None:
            self.resync()
            return
        for event in events:
            self._deliver(event, loaded)
            await asyncio.sleep(0)  # the writers' turn: a burst must not look like slow clients

    async def _portions(self, events: Sequence[Event]) -> Iterable[Sequence[Event]]:
        """As many at once as fit into memory; a few always do, and a round trip is saved."""
        incidents = {event.incident_id for event in events}
        if len(incidents) <= FEW:
            return [events]
        weights = await self._patiently(lambda connection: repository.weights(connection, incidents))
        return portions(events, weights) if weights is not None else [events]

    async def _patiently(self, read: Callable[[Executor], Awaitable[T]]) -> T | None:
        """What `read` gives; None when the database stays away for too long."""
        for _ in range(ATTEMPTS):
            try:
                async with self._db.connection() as connection:
                    return await read(connection)
            except Unavailable:
                await asyncio.sleep(RETRY_SECONDS)
        return None

    def _deliver(self, event: Event, loaded: Loaded) -> None:
        if event.id in self._delivered:
            return
        self._note(event.id)
        rendering = Rendering(event, loaded)
        readers: Iterable[Socket] = self._hub if event.user_id is None else self._hub.of(event.user_id)
        for socket in readers:
            text = rendering.for_reader(socket.seen)
            if text is not None:
                socket.send(text)
        if rendering.may_hide:
            self.hidings += 1
            for socket in self._hub.room(event.incident_id):
                if rendering.hides_from(socket.seen):
                    self._leave(socket, event.incident_id)

    def _note(self, event_id: int) -> None:
        self._delivered[event_id] = None
        if len(self._delivered) > REMEMBERED:
            self._delivered.popitem(last=False)

    def resync(self) -> None:
        """Something was missed and cannot be sent: all clients must read again."""
        self.hidings += 1
        for socket in self._hub:
            socket.send(frame(ServerFrame.RESYNC, {}))
            socket.in_doubt = True

    async def send_to_room(self, incident_id: int, kind: ServerFrame, data: dict[str, Any]) -> None:
        """Something passing, for those who are in a room and may view its incident now."""
        members = self._hub.room(incident_id)
        if not members:
            return
        try:
            standing = (await repository.standings(self._db, [incident_id])).get(incident_id)
        except Unavailable:
            return  # it is only of this moment
        text = frame(kind, {"room": room_name(incident_id), **data})
        for socket in members:
            if standing is not None and standing.visible_to(socket.seen):
                socket.send(text)
