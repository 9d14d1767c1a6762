"""Reading on in the outbox: every committed event reaches this process, whatever becomes of its announcement.

Events are announced through Redis, which loses them: a process dies between COMMIT and PUBLISH, Redis freezes, a
connection drops one direction. So each process reads the events table itself, a few times a second, from where it
stopped. Where it stopped is a snapshot (which transactions had ended), because ids and times commit out of order: the
next reading gives exactly what has been committed since, once.

The same readings give the cache what has changed, and up to when it can rely on knowing it (infra/cache.History).
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from maraudersmap_api.errors import Unavailable
from maraudersmap_api.infra.db import Database, Executor
from maraudersmap_api.infra.logs import error_context, log
from maraudersmap_api.infra.metrics import Metrics
from maraudersmap_api.infra.tasks import end
from maraudersmap_api.outbox import repository
from maraudersmap_api.outbox.models import Committed, Event, Reading, changes_incident

INTERVAL_SECONDS = 0.3  # well below cache.TRUSTED_SECONDS: a reading takes its time on a busy machine
HURRIED_SECONDS = 0.1  # between readings that somebody waits for
IDLE_SECONDS = 2.0  # while no client here could miss anything
DISTRUST_SECONDS = 30.0  # after the server has changed: connections to the one before may still be open
OVERLAP_SECONDS = 120.0  # a transaction's length, and what two servers' clocks may differ by

ReadChange = Callable[[Committed], None]


class Listener(Protocol):
    """Who passes events on to clients."""

    def listens(self) -> bool:
        """Is there anybody to pass them on to?"""

    def unheard(self, event_ids: Sequence[int]) -> list[int]:
        """Which of these it has not passed on."""

    def offer(self, events: Sequence[Event]) -> None:
        """Pass these on. Never waits."""

    def resync(self) -> None:
        """It is not known what was missed: clients must read again."""


class Tail:
    """One per process. It is also the cache's History."""

    def __init__(
        self, db: Database, metrics: Metrics, *, cached: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`cached`: does a cache rely on it even while no client listens?"""
        self._db = db
        self._metrics = metrics
        self._cached = cached
        self._clock = clock
        self._changes: list[ReadChange] = []
        self._listener: Listener | None = None
        self._last: Reading | None = None
        self._last_at = clock()
        self._distrusted_until = float("-inf")
        self._complained = False
        self._reading = asyncio.Lock()
        self._hurried = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.read_at = float("-inf")
        self.server = ""
        self.floor = 0
        self.newest_change = 0

    def on_change(self, found: ReadChange) -> None:
        """Hear of every committed event. Called in the loop's thread; must not block."""
        self._changes.append(found)

    def deliver_to(self, listener: Listener) -> None:
        """Who gets the events that were not heard otherwise."""
        self._listener = listener

    def start(self) -> None:
        """Begin to read, now or whenever the database comes."""
        self._task = asyncio.create_task(self._run(), name="outbox-tail")

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            await end([self._task])

    def hurry(self) -> None:
        """Somebody can use the next reading: do not wait for all of the interval."""
        self._hurried.set()

    async def begin(self) -> None:
        """Returns once there is a place to read on from: nothing that is committed later is missed. Raises Unavailable."""
        if self._last is None:
            await self.once()

    async def once(self) -> None:
        """Read on. Raises Unavailable; then the next call begins where the last complete one ended."""
        async with self._reading:
            await self._read_on()

    async def _read_on(self) -> None:
        started = self._clock()
        async with self._db.connection(urgent=True) as connection:
            reading = await repository.read_on(connection, self._last)
            missed = await self._missed(connection, reading, started)
        # What is unread may be missing from everything that was shared before now.
        if self._last is None or reading.server != self._last.server:
            # Even if it is lower than before: this server may have counted less.
            self.newest_change = reading.ceiling - 1
            if self._last is not None:
                self._distrusted_until = started + DISTRUST_SECONDS
        elif reading.committed is None:
            self.newest_change = max(self.newest_change, reading.ceiling - 1)
        for committed in reading.committed or ():
            if changes_incident(committed.type):
                self.newest_change = max(self.newest_change, committed.transaction)
            for found in self._changes:
                found(committed)
        if self._listener is not None:
            if missed is None:
                self._listener.resync()
            elif missed:
                self._metrics.outbox_found.inc(len(missed))
                self._listener.offer(missed)
        self._last, self._last_at = reading, started
        self.server, self.floor = f"{reading.server:%Y%m%dT%H%M%S.%f}", reading.floor
        self.read_at = started if started >= self._distrusted_until else float("-inf")

    async def _missed(self, connection: Executor, reading: Reading, now: float) -> list[Event] | None:
        """What clients have not been sent yet; None when that cannot be known."""
        listener = self._listener
        if listener is None or self._last is None or not listener.listens():
            return []
        if reading.server != self._last.server:
            events = await repository.recent(connection, now - self._last_at + OVERLAP_SECONDS)
            if events is None:
                return None
            unheard = set(listener.unheard([event.id for event in events]))
            return [event for event in events if event.id in unheard]
        if reading.committed is None:
            return None
        ids = listener.unheard([committed.event_id for committed in reading.committed])
        return await repository.events(connection, ids) if ids else []

    async def _run(self) -> None:
        while True:
            if self._db.available:  # else the health check reports what is wrong, and asks each second
                try:
                    await self.once()
                    self._complained = False
                except Unavailable:
                    pass  # nor can anything be read by anybody else
                except Exception as error:  # noqa: BLE001 - the task must live: clients and cache rely on it
                    if not self._complained:
                        log.error("Reading events failed", extra={"context": {"error": error_context(error)}})
                    self._complained = True
            self._metrics.outbox_lag.set(self._clock() - self._last_at)
            busy = self._cached or (self._listener is not None and self._listener.listens())
            await asyncio.sleep(HURRIED_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout((INTERVAL_SECONDS if busy else IDLE_SECONDS) - HURRIED_SECONDS):
                    await self._hurried.wait()
            self._hurried.clear()
