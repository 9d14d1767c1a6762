"""Simulated time: it moves when a test moves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


class Clock:
    """Aware UTC. `ticks`: seconds on the clock that timers go by, which no one sets and which sleeps with the machine."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now
        self.ticks = 0.0

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.ticks += seconds

    def jump(self, seconds: float) -> None:
        """It is put forward, or the machine has slept."""
        self.now += timedelta(seconds=seconds)

    def stamp(self) -> str:
        """As the API server writes times: whole seconds."""
        return stamp(self.now)


@lru_cache(maxsize=1024)
def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
