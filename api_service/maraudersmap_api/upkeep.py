"""Housekeeping that some process must do now and then: each does it, and none twice what another did already."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from maraudersmap_api.analytics import repository as analytics
from maraudersmap_api.errors import Unavailable
from maraudersmap_api.idempotency import repository as idempotency
from maraudersmap_api.infra.db import Database
from maraudersmap_api.infra.logs import error_context, log
from maraudersmap_api.infra.tasks import end
from maraudersmap_api.outbox import repository as outbox

EVERY_SECONDS = 30.0
KEPT = timedelta(hours=24)
"""Events, and answers under an Idempotency-Key."""


class Upkeep:
    """Folds tallies; forgets old events and kept answers."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="upkeep")

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            await end([self._task])

    async def once(self, now: datetime) -> None:
        """Everything that is due at `now` (aware UTC). Raises Unavailable."""
        before = now - KEPT
        await _while_some(lambda: analytics.fold(self._db))
        await _while_some(lambda: outbox.forget_events(self._db, before=before))
        await _while_some(lambda: idempotency.forget(self._db, before=before))

    async def _run(self) -> None:
        while True:
            # Spread, so that the pods of one rollout do not all come at once.
            await asyncio.sleep(EVERY_SECONDS * random.uniform(0.5, 1.0))  # noqa: S311 - not a secret
            try:
                await self.once(datetime.now(UTC))
            except Unavailable:
                continue
            except Exception as error:  # noqa: BLE001 - tomorrow is another day, and this task must see it
                log.error("Upkeep failed", extra={"context": {"error": error_context(error)}})


async def _while_some(work: Callable[[], Awaitable[int]]) -> None:
    """In short statements: none may come near the statement's time-out, or hold a connection for long."""
    while await work() > 0:
        pass
