"""The work queue: each key once, one pass per key at a time, N workers, back-off after failures, future wake-ups.

A key added while its pass runs is passed again afterwards. An immediate add overtakes a planned one. Everything runs in
one event loop; nothing here is thread-safe.
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

BACKOFF_FIRST_SECONDS = 0.5
BACKOFF_MOST_SECONDS = 60.0
# Convergence mostly waits for the API server: so many times as many resources at once as passes.
CONVERGING = 4

Pass = Callable[[Key], Awaitable[timedelta | None]]


class WorkQueue:
    """`metrics` and `health`: where depth, results and what runs are reported; None for a queue behind another one."""

    def __init__(self, reconcile: Pass, metrics: Metrics | None = None, health: Health | None = None) -> None:
        self._reconcile = reconcile
        self._metrics = metrics
        self._health = health
        self._ready: asyncio.Queue[Key] = asyncio.Queue()
        self._waiting: set[Key] = set()  # in _ready
        self._running: set[Key] = set()
        self._again: set[Key] = set()  # running, and added meanwhile
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}

    def add(self, key: Key) -> None:
        """Ask for a pass as soon as a worker is free."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        if key in self._running:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.put_nowait(key)
            self._report_depth()

    def add_after(self, key: Key, delay: timedelta) -> None:
        """Ask for a pass after the delay; an earlier plan for the key stands."""
        if key in self._waiting or key in self._again:
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + delay.total_seconds()
        planned = self._timers.get(key)
        if planned is not None:
            if planned.when() <= due:
                return
            planned.cancel()
        self._timers[key] = loop.call_at(due, self.add, key)

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
            key = await self._ready.get()
            self._waiting.discard(key)
            self._report_depth()
            self._running.add(key)
            began = time.monotonic()
            if self._health is not None:
                self._health.passes[key] = began
            try:
                with structlog.contextvars.bound_contextvars(namespace=key.namespace, name=key.name):
                    delay, result = await self._pass(key)
            finally:
                self._running.discard(key)
                if self._health is not None:
                    self._health.passes.pop(key, None)
            if self._metrics is not None:
                self._metrics.reconciled(result, time.monotonic() - began)
            if key in self._again:
                self._again.discard(key)
                # Whatever was added meanwhile must not cut a failure's back-off short: that would be a hot loop.
                if result != "error":
                    self.add(key)
                    continue
            if delay is not None:
                self.add_after(key, delay)

    def _report_depth(self) -> None:
        if self._metrics is not None:
            self._metrics.queue_depth(len(self._waiting))

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

    def __init__(self, reconcile: Pass, converge: Pass, metrics: Metrics, health: Health) -> None:
        self._reconcile = reconcile
        self._converge = converge
        self.passes = WorkQueue(self._one_pass, metrics, health)
        self._convergence = WorkQueue(self._one_convergence)

    async def run(self, workers: int) -> None:
        """Work until cancelled. `workers`: passes at once."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.passes.run(workers))
            group.create_task(self._convergence.run(CONVERGING * workers))

    async def _one_pass(self, key: Key) -> timedelta | None:
        delay = await self._reconcile(key)
        self._convergence.add(key)
        return delay

    async def _one_convergence(self, key: Key) -> None:
        delay = await self._converge(key)
        if delay is not None:
            self.passes.add_after(key, delay)
