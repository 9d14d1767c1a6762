"""Which phase a resource has, when the engine and its children each have something to report: the first in a list, in
whatever order they report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from .status import Phase


class Source(StrEnum):
    ENGINE = "engine"  # the rollout and what serves
    CHILDREN = "children"  # objects that are not as wanted


@dataclass(frozen=True, slots=True)
class Claim:
    """What one of them would make of the phase, and the sentence that goes with it."""

    source: Source
    phase: Phase
    message: str


# A child never hides what a rollout does. Before anything serves, and when nothing goes on, one that only a person can put
# right is what matters; one that may still be put right by itself counts only where all is well besides.
PRECEDENCE: tuple[tuple[Source, Phase], ...] = (
    (Source.ENGINE, Phase.STALLED),
    (Source.ENGINE, Phase.ROLLED_BACK),
    (Source.ENGINE, Phase.SUSPENDED),
    (Source.ENGINE, Phase.PAUSED),
    (Source.ENGINE, Phase.BAKING),
    (Source.ENGINE, Phase.ROLLING_OUT),
    (Source.CHILDREN, Phase.STALLED),
    (Source.ENGINE, Phase.DEPLOYING),
    (Source.ENGINE, Phase.PENDING),
    (Source.ENGINE, Phase.DEGRADED),
    (Source.CHILDREN, Phase.DEGRADED),
    (Source.ENGINE, Phase.READY),
)


def prevailing(claims: Iterable[Claim]) -> Claim:
    """The one that the resource shows. Raises ValueError for a claim that the list does not have, or without any."""
    return min(claims, key=lambda claim: PRECEDENCE.index((claim.source, claim.phase)))
