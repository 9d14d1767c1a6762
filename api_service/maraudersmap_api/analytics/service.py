"""Analytics for those who may have them, asked of the database at most once a second for the same thing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import date
from typing import Any, TypeVar

from maraudersmap_api.analytics import repository
from maraudersmap_api.analytics.export import export
from maraudersmap_api.analytics.models import Day, Heat, Overview, Standing
from maraudersmap_api.auth.models import User
from maraudersmap_api.incidents.models import Filters, Severity
from maraudersmap_api.incidents.rules import Scope, analytics_scope
from maraudersmap_api.infra.budget import ByteBudget
from maraudersmap_api.infra.db import Database

T = TypeVar("T")

FRESH_SECONDS = 1.0
MOST_KEPT = 1000


class AnalyticsService:
    """Counts. `today` is UTC's."""

    def __init__(self, db: Database, budget: ByteBudget, today: Callable[[], date]) -> None:
        self._db = db
        self._budget = budget
        self._today = today
        self._kept: dict[tuple[Any, ...], tuple[float, asyncio.Task[Any]]] = {}

    async def overview(self, viewer: User) -> Overview:
        """Everything at a glance. Raises Forbidden, Unavailable."""
        scope = analytics_scope(viewer)
        return await self._once(("overview",), scope, lambda: repository.overview(self._db, scope))

    async def trends(self, viewer: User, days: int) -> list[Day]:
        """Day by day. Raises Forbidden, Unavailable."""
        scope, today = analytics_scope(viewer), self._today()
        return await self._once(
            ("trends", days, today), scope, lambda: repository.trends(self._db, scope, today=today, days=days)
        )

    async def leaderboard(self, viewer: User, limit: int) -> Sequence[Standing]:
        """Who reported most. Raises Forbidden, Unavailable."""
        scope, today = analytics_scope(viewer), self._today()
        return await self._once(
            ("leaderboard", limit, today),
            scope,
            lambda: repository.leaderboard(self._db, scope, today=today, limit=limit),
        )

    async def heatmap(self, viewer: User, days: int) -> list[Heat]:
        """Place by place. Raises Forbidden, Unavailable."""
        scope, today = analytics_scope(viewer), self._today()
        return await self._once(
            ("heatmap", days, today),
            scope,
            lambda: repository.heatmap(self._db, scope, today=today, days=days),
        )

    def export(self, viewer: User, filters: Filters) -> AsyncIterator[bytes]:
        """A CSV file in pieces. Raises Forbidden at once, Unavailable while it is read."""
        return export(self._db, self._budget, filters, analytics_scope(viewer))

    async def _once(self, key: tuple[Any, ...], scope: Scope, ask: Callable[[], Awaitable[T]]) -> T:
        """Those who ask for the same at the same time share one query; its answer serves FRESH_SECONDS."""
        sees_all = scope.seen.up_to is Severity.UNFORGIVABLE
        whole = (*key, scope.house, None if sees_all else scope.seen.user_id)
        now = asyncio.get_running_loop().time()
        until, task = self._kept.get(whole, (0.0, None))
        if (
            task is None
            or until < now
            or (task.done() and (task.cancelled() or task.exception() is not None))
        ):
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            task = asyncio.ensure_future(ask())
            self._kept[whole] = (now + FRESH_SECONDS, task)
        # Shielded: one who gives up must not take the answer from the others.
        answer: T = await asyncio.shield(task)
        return answer
