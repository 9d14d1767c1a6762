"""What is wrong with the new revision of each case, and what a tool ought to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    BAD = "bad"  # ought to be taken back
    INNOCENT = "innocent"  # looks bad for a while; taking it back is a false rollback
    GOOD = "good"  # ought to be promoted


@dataclass(frozen=True, slots=True)
class Case:
    """One new revision. `misbehave` is the variable of dev/images/misbehaving/misbehave.py."""

    name: str
    what: str
    kind: Kind
    misbehave: str = ""
    tag_exists: bool = True


CASES = (
    Case("tag-not-found", "the image's tag does not exist", Kind.BAD, tag_exists=False),
    Case("crash-at-start", "ends at once, always", Kind.BAD, "crash"),
    Case("ready-5s-then-dies", "ends 5 s after each time that it became ready", Kind.BAD, "crash-ready:5"),
    Case("never-ready", "runs, but its readiness probe always fails", Kind.BAD, "never-ready"),
    Case("oom", "takes memory until it is killed", Kind.BAD, "oom"),
    Case("slow-start-90s", "healthy, but needs 90 s to start", Kind.INNOCENT, "slow-start:90"),
    Case("fails-first-6s", "ends at once during a pod's first 6 s, then works", Kind.INNOCENT, "recovers:6"),
    Case("good", "nothing is wrong with it", Kind.GOOD),
)

QUICK = ("tag-not-found", "crash-at-start", "good")
"""The cases of --quick."""


@dataclass(frozen=True, slots=True)
class Revision:
    """What makes one revision differ from another, for every tool alike.

    `marker` is carried by the pods in the variable BENCH_REVISION, so that they can be distinguished whatever the tool
    calls them.
    """

    image: str
    marker: str
    misbehave: str = ""

    @property
    def environment(self) -> list[dict[str, str]]:
        return [
            {"name": "BENCH_REVISION", "value": self.marker},
            {"name": "MISBEHAVE", "value": self.misbehave},
        ]


OLD = "old"
"""Marker of the revision that serves before each case."""


def old_revision(image: str) -> Revision:
    return Revision(image, OLD)


def new_revision(image: str, case: Case) -> Revision:
    if not case.tag_exists:
        image = f"{image.rpartition(':')[0]}:no-such-tag"
    return Revision(image, f"new-{case.name}", case.misbehave)
