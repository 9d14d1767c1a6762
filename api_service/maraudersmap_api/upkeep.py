"""Housekeeping that some process must do now and then: each does it, and none twice what another did already."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial

from maraudersmap_api import visitors
from maraudersmap_api.analytics import repository as analytics
from maraudersmap_api.auth import repository as accounts
from maraudersmap_api.errors import Unavailable
from maraudersmap_api.idempotency import repository as idempotency
from maraudersmap_api.infra.db import Database
from maraudersmap_api.infra.logs import error_context, log
from maraudersmap_api.infra.metrics import Metrics
from maraudersmap_api.infra.tasks import end
from maraudersmap_api.notifications import repository as notifications
from maraudersmap_api.outbox import repository as outbox

EVERY_SECONDS = 30.0
KEPT = timedelta(hours=24)
"""Events, and answers under an Idempotency-Key."""

NOTIFICATIONS_KEPT = timedelta(days=90)
EXPIRED_TOKENS_KEPT = timedelta(days=1)
"""Refresh tokens beyond their expiry: until then one that is used twice must be recognized."""

VISIT = timedelta(hours=1)
"""No run of `smoke` lasts so long: what is left of an older one, it could not remove itself."""
WITHDRAWN = timedelta(minutes=1)
"""What sockets get to hear that a report of such a run is gone."""


class Upkeep:
    """Folds tallies; forgets old events, kept answers, notifications, expired tokens, and what `smoke` left."""

    def __init__(self, db: Database, metrics: Metrics) -> None:
        self._db = db
        self._metrics = metrics
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="upkeep")

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            await end([self._task])

    async def once(self, now: datetime) -> None:
        """Everything that is due at `now` (aware UTC). What fails keeps nothing else from being done, and is raised at the
        end: a bug before an Unavailable.
        """
        failures: list[Exception] = []

        async def whole(work: Callable[[], Awaitable[int]]) -> int:
            try:
                return await _while_some(work)
            except Exception as error:  # noqa: BLE001 - raised below
                failures.append(error)
                return 0

        await whole(lambda: analytics.fold(self._db))
        for what, forget, before in (
            ("events", outbox.forget_events, now - KEPT),
            ("idempotency_keys", idempotency.forget, now - KEPT),
            ("notifications", notifications.forget, now - NOTIFICATIONS_KEPT),
            ("refresh_tokens", accounts.forget_tokens, now - EXPIRED_TOKENS_KEPT),
            ("smoke_reports", visitors.withdraw, now - VISIT),
            ("smoke_accounts", visitors.remove, now - VISIT - WITHDRAWN),
        ):
            removed = await whole(partial(forget, self._db, before=before))
            self._metrics.upkeep_removed.labels(what).inc(removed)
        if failures:
            raise min(failures, key=lambda failure: isinstance(failure, Unavailable))
        self._metrics.upkeep_finished.set(now.timestamp())

    async def _run(self) -> None:
        while True:
            # Spread, so that the pods of one rollout do not all come at once.
            await asyncio.sleep(EVERY_SECONDS * random.uniform(0.5, 1.0))  # noqa: S311 - not a secret
            try:
                # The database's time, by which the rows were made: a clock that is ahead would have them go early.
                await self.once(await self._db.fetchval("SELECT now()"))
            except Unavailable:
                continue
            except Exception as error:  # noqa: BLE001 - tomorrow is another day, and this task must see it
                log.error("Upkeep failed", extra={"context": {"error": error_context(error)}})


async def _while_some(work: Callable[[], Awaitable[int]]) -> int:
    """In short statements: none may come near the statement's time-out, or hold a connection for long. Returns the sum."""
    total = 0
    while (done := await work()) > 0:
        total += done
    return total
