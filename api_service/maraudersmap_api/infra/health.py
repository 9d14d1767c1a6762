"""Health: background checks that decide, endpoints that only read.

A check runs each second. One failure proves nothing and one success after an outage neither, so three in a row turn
a dependency unhealthy; the first success turns it healthy again, because serving late helps no one.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from maraudersmap_api.infra.logs import error_context, log
from maraudersmap_api.infra.tasks import end
from maraudersmap_api.settings import Dependency

INTERVAL_SECONDS = 1.0
FAILURES_TO_TURN = 3
CHECK_SECONDS = 4.0
STALL_SECONDS = 15.0  # no check has come round for this long: the process itself is ill


class Health(StrEnum):
    """State of one dependency. DISABLED: not configured, so nothing to be missed."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    DISABLED = "disabled"


class Readiness(StrEnum):
    """The sum of it."""

    READY = "ready"
    DEGRADED = "degraded"
    NOT_READY = "not_ready"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where one dependency stands. Starts unhealthy: traffic waits for the first success."""

    health: Health = Health.UNHEALTHY
    failures: int = 0

    def after_success(self) -> "Verdict":
        """One success heals."""
        return Verdict(Health.HEALTHY, 0)

    def after_failure(self) -> "Verdict":
        """The third failure in a row turns a healthy dependency unhealthy."""
        failures = self.failures + 1
        turned = self.health is Health.HEALTHY and failures >= FAILURES_TO_TURN
        return replace(self, health=Health.UNHEALTHY if turned else self.health, failures=failures)


def readiness(
    checks: Mapping[Dependency, Health], required: frozenset[Dependency], *, draining: bool
) -> Readiness:
    """What those who send traffic should know. Pure; a required dependency that is disabled is missing."""
    if draining or any(checks[dependency] is not Health.HEALTHY for dependency in required):
        return Readiness.NOT_READY
    if Health.UNHEALTHY in checks.values():
        return Readiness.DEGRADED
    return Readiness.READY


class CheckFailed(Exception):
    """A dependency answered, but not as it must; the message names what is wrong."""


class Monitor:
    """Runs one check for ever and keeps its verdict; `on_change` hears of every turn, in the loop's thread."""

    def __init__(
        self,
        dependency: Dependency,
        check: Callable[[], Awaitable[None]],
        on_change: Callable[[Dependency, Health], None],
    ) -> None:
        self.dependency = dependency
        self.verdict = Verdict()
        self.last_round = time.monotonic()
        self._check = check
        self._on_change = on_change
        self._task: asyncio.Task[None] | None = None
        self._complained: str | None = None
        self.reason: str | None = None
        """Why the last check failed, for operators: it may name hosts. None: it did not."""

    def start(self) -> None:
        """Begin checking."""
        self._task = asyncio.create_task(self._run(), name=f"check-{self.dependency}")

    async def stop(self) -> None:
        """End the task and wait until it is gone."""
        if self._task is not None:
            await end([self._task])

    def problem(self, now: float) -> str | None:
        """Why the process is ill, or None. `now` is time.monotonic()."""
        if self._task is not None and self._task.done():
            return f"the {self.dependency} check has ended"
        if now - self.last_round > STALL_SECONDS:
            return f"the {self.dependency} check is stuck"
        return None

    async def _run(self) -> None:
        while True:
            await self.round()
            await asyncio.sleep(INTERVAL_SECONDS)

    async def round(self) -> None:
        """One check and its consequences."""
        before = self.verdict.health
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await self._check()
        except Exception as error:  # noqa: BLE001 - whatever a check raises is what it found out
            self.verdict = self.verdict.after_failure()
            self._complain(error)
        else:
            self.verdict = self.verdict.after_success()
            self._complained = self.reason = None
        self.last_round = time.monotonic()
        if self.verdict.health is not before:
            log.log(
                logging.INFO if self.verdict.health is Health.HEALTHY else logging.WARNING,
                f"The {self.dependency} is {self.verdict.health}",
                extra={"context": {"dependency": self.dependency.value}},
            )
            self._on_change(self.dependency, self.verdict.health)

    def _complain(self, error: Exception) -> None:
        """Log each different failure once, not once a second."""
        cause = error.__cause__ or error
        self.reason = str(cause) if isinstance(cause, CheckFailed) else f"{type(cause).__name__}: {cause}"
        text = f"{type(error).__name__}: {error}"
        if text != self._complained:
            self._complained = text
            log.warning(
                f"The {self.dependency} check failed",
                extra={
                    "context": {"dependency": self.dependency.value, "error": error_context(cause, frames=3)}
                },
            )


class HealthBoard:
    """Everything the health endpoints read."""

    def __init__(self, monitors: tuple[Monitor, ...], required: frozenset[Dependency]) -> None:
        self._monitors = monitors
        self._required = required
        self.draining = False

    def checks(self) -> dict[Dependency, Health]:
        """Each dependency's health; one without a monitor is disabled."""
        known = {monitor.dependency: monitor.verdict.health for monitor in self._monitors}
        return {dependency: known.get(dependency, Health.DISABLED) for dependency in Dependency}

    def reasons(self) -> dict[str, str]:
        """Why not everything is well, in words that are not for the public."""
        found = {m.dependency.value: m.reason for m in self._monitors if m.reason is not None}
        known = {monitor.dependency for monitor in self._monitors}
        for dependency in self._required - known:
            found[dependency.value] = "it is required and not configured"
        return {**found, **({"process": "it is going away"} if self.draining else {})}

    def readiness(self) -> Readiness:
        """May traffic come?"""
        return readiness(self.checks(), self._required, draining=self.draining)

    def critical_failure(self, now: float) -> str | None:
        """Why this process should be restarted, or None; dependencies do not count."""
        return next((problem for m in self._monitors if (problem := m.problem(now)) is not None), None)
