"""Circuit breakers: after a few failures in a row, stop asking for a while; then let one caller try.

    CLOSED --failures--> OPEN --cool-down over--> HALF_OPEN (one probe) --success--> CLOSED
                           ^                          |
                           +-------- failure ---------+   with twice the cool-down

Calls refused here cost nothing, where calls to a dead server cost a time-out each and a place in line. The cool-down
is short because the health checks ask each second anyway, and their success closes the circuit at once.
"""

import time
from collections.abc import Callable
from enum import StrEnum

from maraudersmap_api.infra.metrics import Metrics

FAILURES_TO_OPEN = 5
COOL_DOWN_SECONDS = 0.5
LONGEST_COOL_DOWN_SECONDS = 8.0
PROBE_SECONDS = 10.0  # a probe that has not reported by then was lost (cancelled): another may go


class Circuit(StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """One dependency's. Ask `allow()` before a call, then report `success()`, `failure()` or neither (not its fault)."""

    def __init__(self, name: str, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self.state = Circuit.CLOSED
        self._name = name
        self._metrics = metrics
        self._clock = clock
        self._failures = 0
        self._cool_down = COOL_DOWN_SECONDS
        self._next_probe = 0.0
        for state in Circuit:
            metrics.breaker_state.labels(name, state.value).set(state is Circuit.CLOSED)

    def allow(self) -> bool:
        """May this call go out? In the half-open state only one may, until it has reported."""
        if self.state is Circuit.CLOSED:
            return True
        now = self._clock()
        if now < self._next_probe:
            self._metrics.breaker_refused.labels(self._name).inc()
            return False
        self._next_probe = now + PROBE_SECONDS
        self._turn(Circuit.HALF_OPEN)
        return True

    def success(self) -> None:
        """It answered."""
        self._failures = 0
        if self.state is not Circuit.CLOSED:
            self._cool_down = COOL_DOWN_SECONDS
            self._turn(Circuit.CLOSED)

    def failure(self) -> None:
        """It did not answer, or could not be reached."""
        self._failures += 1
        match self.state:
            case Circuit.HALF_OPEN:
                self._cool_down = min(LONGEST_COOL_DOWN_SECONDS, self._cool_down * 2)
                self._open()
            case Circuit.CLOSED if self._failures >= FAILURES_TO_OPEN:
                self._open()
            case _:
                pass  # calls that were under way when it opened

    def trip(self) -> None:
        """It does not answer at all: open at once, without waiting for more callers to run into it."""
        if self.state is Circuit.CLOSED:
            self._open()

    def _open(self) -> None:
        self._next_probe = self._clock() + self._cool_down
        self._turn(Circuit.OPEN)

    def _turn(self, state: Circuit) -> None:
        if state is self.state:
            return
        self.state = state
        for each in Circuit:
            self._metrics.breaker_state.labels(self._name, each.value).set(each is state)
        self._metrics.breaker_turns.labels(self._name, state.value).inc()
