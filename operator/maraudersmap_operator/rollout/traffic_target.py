"""Where traffic goes: nowhere, to one revision, or to two that share it."""

from __future__ import annotations

from dataclasses import dataclass

from maraudersmap_operator.resource.names import SHARED


@dataclass(frozen=True, slots=True)
class Nowhere:
    """There is no Service yet, or it selects no revision."""

    word = ""


@dataclass(frozen=True, slots=True)
class Only:
    """All traffic goes to one revision."""

    revision: str

    @property
    def word(self) -> str:
        return self.revision


@dataclass(frozen=True, slots=True)
class Shared:
    """The Service selects the pods of every revision: stable and candidate share the traffic."""

    word = SHARED


TrafficTarget = Nowhere | Only | Shared
"""`word` is what `status.serving` and the action RouteTo have for it."""


def reaches(target: TrafficTarget, revision: str) -> bool:
    """Requests that go there may be answered by a pod of the revision."""
    return isinstance(target, Shared) or target == Only(revision)


def traffic_target(word: str) -> TrafficTarget:
    if not word:
        return Nowhere()
    return Shared() if word == SHARED else Only(word)
