"""How long no operator has watched a resource: time that no deadline may count against its revision."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from maraudersmap_operator.cluster import Manifest
from maraudersmap_operator.resource.names import MANAGER

# Shorter gaps lie between any two passes.
LEAST = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class LastPass:
    """A good pass of this process.

    `ticks`: seconds on the clock that timers go by: no one sets it, and it sleeps with the machine. `due`: so long after it
    the next one follows at the latest.
    """

    at: datetime
    ticks: float
    due: timedelta

    def is_ahead(self, now: datetime) -> bool:
        """The clock has been put back since."""
        return now < self.at - LEAST


def unwatched(
    obj: Manifest,
    last: LastPass | None,
    failed_since: bool,
    led_before: datetime | None,
    now: datetime,
    ticks: float,
) -> timedelta:
    """The gap before this pass; zero for one that follows a good one of the same process in time.

    `last`: of this process, None for its first pass over the resource. `failed_since`: passes have failed since.
    `led_before`: when the previous leader renewed its lease last.
    """
    if last is None:
        seen = [moment for moment in (_status_written_at(obj), led_before) if moment is not None]
        gap = now - max(seen, default=now)
    elif failed_since:
        gap = now - last.at
    else:
        ran = timedelta(seconds=ticks - last.ticks)
        # What the clock was put forward, or the machine has slept; and what the process stood still.
        gap = (now - last.at - ran) + max(ran - last.due, timedelta(0))
    return gap if gap >= LEAST else timedelta(0)


def _status_written_at(obj: Manifest) -> datetime | None:
    """When an operator wrote the status last, by the API server's own note."""
    times = [
        str(e["time"])
        for e in obj["metadata"].get("managedFields") or ()
        if e.get("manager") == MANAGER and e.get("subresource") == "status" and e.get("time")
    ]
    return datetime.fromisoformat(max(times)) if times else None
