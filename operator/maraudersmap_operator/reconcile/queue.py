"""The work queue: each key once, one pass per key at a time, N workers, back-off after failures, future wake-ups.

A key added while its pass runs is passed again afterwards. An immediate add overtakes a planned one, and what is news goes
before what can wait (lanes.py). Everything runs in one event loop; nothing here is thread-safe.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from maraudersmap_operator.cluster import ClusterError, Key
from maraudersmap_operator.telemetry import Health, Metrics, logger

from .lanes import Lanes

BACKOFF_FIRST_SECONDS = 0.5
BACKOFF_MOST_SECONDS = 60.0
# Convergence mostly waits for the API server: so many times as many resources at once as passes.
CONVERGING = 4

Work = Callable[[Key], Awaitable[timedelta | None]]
"""What is done for a key; it returns when to do so again at the latest, None for not by itself."""
CanWait = Callable[[Key], bool]


def _never(_: Key) -> bool:
    return False


class WorkQueue:
    """`metrics` and `health`: where depth, results and what runs are reported; None for a queue behind another one.
    `can_wait`: asked when a planned pass comes due: True when it is routine, behind what is news."""

    def __init__(
        self,
        reconcile: Work,
        metrics: Metrics | None = None,
        health: Health | None = None,
        can_wait: CanWait = _never,
    ) -> None:
        self._reconcile = reconcile
        self._metrics = metrics
        self._health = health
        self._can_wait = can_wait
        self._ready = Lanes()
        self._running: dict[Key, bool] = {}  # whether it was news
        self._again: dict[Key, bool] = {}  # running, and added meanwhile: whether that was news
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}

    def add(self, key: Key, *, news: bool = True) -> None:
        """Ask for a pass as soon as a worker is free; what is no news waits for what is."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        if key in self._running:
            self._again[key] = news or self._again.get(key, False)
        else:
            self._ready.put(key, news=news)
            self._report_depth()

    def is_news(self, key: Key) -> bool:
        """What its pass, which is running, was asked for as."""
        return self._running.get(key, True)

    def add_after(self, key: Key, delay: timedelta) -> None:
        """Ask for a pass after the delay; an earlier plan for the key stands."""
        if key in self._ready or key in self._again:
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + delay.total_seconds()
        planned = self._timers.get(key)
        if planned is not None:
            if planned.when() <= due:
                return
            planned.cancel()
        self._timers[key] = loop.call_at(due, self._due, key)

    def _due(self, key: Key) -> None:
        self.add(key, news=not self._can_wait(key))

    async def run(self, workers: int) -> None:
        """Work until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(workers):
                    group.create_task(self._work())
        finally:
            for timer in self._timers.values():
                timer.cancel()
            self._timers.clear()

    async def _work(self) -> None:
        while True:
            key, news = await self._ready.take()
            self._report_depth()
            self._running[key] = news
            began = time.monotonic()
            if self._health is not None:
                self._health.passes[key] = began
            try:
                with structlog.contextvars.bound_contextvars(namespace=key.namespace, name=key.name):
                    delay, result = await self._pass(key)
            finally:
                self._running.pop(key, None)
                if self._health is not None:
                    self._health.passes.pop(key, None)
            if self._metrics is not None:
                self._metrics.reconciled(result, time.monotonic() - began)
            if (again := self._again.pop(key, None)) is not None and result != "error":
                # Whatever was added meanwhile must not cut a failure's back-off short: that would be a hot loop.
                self.add(key, news=again)
                continue
            if delay is not None:
                self.add_after(key, delay)

    def _report_depth(self) -> None:
        if self._metrics is not None:
            self._metrics.queue_depth(len(self._ready))

    async def _pass(self, key: Key) -> tuple[timedelta | None, str]:
        try:
            delay = await self._reconcile(key)
        except ClusterError as error:
            logger().warning("pass failed, trying again", error=str(error))
            return self._backoff(key), "error"
        except Exception:  # noqa: BLE001  # logged in full, counted, retried with back-off
            # A defect of ours: log it in full, keep serving the other resources, and try this one again.
            logger().exception("pass failed unexpectedly")
            return self._backoff(key), "error"
        self._failures.pop(key, None)
        return delay, "success" if delay is None else "requeue_after"

    def _backoff(self, key: Key) -> timedelta:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        most = min(BACKOFF_FIRST_SECONDS * 2 ** min(failures, 10), BACKOFF_MOST_SECONDS)
        return timedelta(seconds=random.uniform(most / 2, most))  # noqa: S311  # jitter, not a secret


class Workers:
    """Passes, and convergence behind them with workers of its own: a write that hangs there holds up no resource's pass."""

    def __init__(
        self,
        reconcile: Work,
        converge: Work,
        metrics: Metrics,
        health: Health,
        can_wait: CanWait = _never,
    ) -> None:
        self._reconcile = reconcile
        self._converge = converge
        self.passes = WorkQueue(self._one_pass, metrics, health, can_wait)
        self._convergence = WorkQueue(self._one_convergence)

    async def run(self, workers: int) -> None:
        """Work until cancelled. `workers`: passes at once."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.passes.run(workers))
            group.create_task(self._convergence.run(CONVERGING * workers))

    async def _one_pass(self, key: Key) -> timedelta | None:
        delay = await self._reconcile(key)
        self._convergence.add(key, news=self.passes.is_news(key))
        return delay

    async def _one_convergence(self, key: Key) -> None:
        delay = await self._converge(key)
        if delay is not None:
            self.passes.add_after(key, delay)
