"""How long no operator has watched a resource: time that no deadline may count against its revision."""

from __future__ import annotations

from datetime import datetime, timedelta

from maraudersmap_operator.cluster import Manifest
from maraudersmap_operator.resource.names import MANAGER

# Shorter gaps lie between any two passes.
LEAST = timedelta(seconds=2)


def unwatched(
    obj: Manifest,
    good_pass_at: datetime | None,
    failed_since: bool,
    led_before: datetime | None,
    now: datetime,
) -> timedelta:
    """The gap before this pass; zero for a pass that follows a good one of the same process.

    `good_pass_at`: of this process, None for its first pass over the resource. `failed_since`: passes have failed since.
    `led_before`: when the previous leader renewed its lease last.
    """
    if good_pass_at is not None:
        since = good_pass_at if failed_since else now
    else:
        seen = [moment for moment in (_status_written_at(obj), led_before) if moment is not None]
        since = max(seen, default=now)
    gap = now - since
    return gap if gap >= LEAST else timedelta(0)


def _status_written_at(obj: Manifest) -> datetime | None:
    """When an operator wrote the status last, by the API server's own note."""
    times = [
        str(e["time"])
        for e in obj["metadata"].get("managedFields") or ()
        if e.get("manager") == MANAGER and e.get("subresource") == "status" and e.get("time")
    ]
    return datetime.fromisoformat(max(times)) if times else None
