"""What a comparison can come to."""

from __future__ import annotations

from dataclasses import dataclass

from maraudersmap_operator.resource.reasons import Reason


@dataclass(frozen=True, slots=True)
class Passed:
    """Compared, and nothing against the candidate so far."""

    message: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The candidate is worse. `reason`: ErrorRate, Latency or Query."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Inconclusive:
    """Not enough data to decide; the user's `onInconclusive` decides."""

    message: str


Result = Passed | Failed | Inconclusive
