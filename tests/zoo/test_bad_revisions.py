"""Revisions that are bad wherever they run: each is detected, enters the ledger, and its users hardly notice."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from tests.cluster.scenario import Object
from tests.zoo.cage import Cage


@dataclass(frozen=True, slots=True)
class Case:
    """`within`: the aim for the verdict, in seconds from the edit. `failed_percent`: 0 for what the trial out of traffic
    can see, more only where nothing but traffic shows it."""

    name: str
    words: str
    reason: str
    within: float
    failed_percent: float = 0.0
    change: Object = field(default_factory=dict)


OUT_OF_TRAFFIC = (
    Case("crash at start", "crash", "CrashLoop", 14),
    Case("ready for 5 s, then dies", "crash-ready:5", "CrashLoop", 25),
    Case("killed for its memory", "oom", "OOMKilled", 25),
    Case(
        "never ready",
        "never-ready",
        "ProgressDeadlineExceeded",
        22,
        change={"rollout": {"progressDeadlineSeconds": 20}},
    ),
    Case("migrations fail", "migrate-fails", "MigrationFailed", 15),
)
# Long enough under traffic for fifty answers of the candidate at ten requests a second, and for a second look at them.
WATCHED: Object = {"rollout": {"bakeSeconds": 40}}
UNDER_TRAFFIC = (
    Case("errors in 20 % of answers", "errors:20", "ErrorRate", 60, failed_percent=20, change=WATCHED),
    Case("answers take 80 ms longer", "slow:80", "Latency", 60, change=WATCHED),
    # All of it on the candidate until readiness is lost: one failure threshold of the probe, and what is in flight.
    Case("hangs under traffic", "hangs:5", "NotReadyAfterPromotion", 60, failed_percent=20, change=WATCHED),
)


def named(cases: tuple[Case, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=lambda c: c.name.replace(" ", "-").replace(",", ""))


@named(OUT_OF_TRAFFIC)
@pytest.mark.parametrize("strategy", ["BlueGreen", "Canary", "Rolling"])
def test_what_the_trial_out_of_traffic_sees(zoo: Callable[[str], Cage], strategy: str, case: Case) -> None:
    with zoo(strategy).trial(case.name, case.failed_percent) as trial:
        trial.misbehave(case.words, **case.change)
        entry = trial.until_rejected()
    assert entry["reason"] == case.reason
    # Aims are for a quiet machine, and reported as they are; a verdict far beyond is a defect.
    assert trial.detect is not None
    assert trial.detect <= 2 * case.within


@named(UNDER_TRAFFIC)
@pytest.mark.parametrize("strategy", ["BlueGreen", "Canary", "Rolling"])
def test_what_only_traffic_shows(zoo: Callable[[str], Cage], strategy: str, case: Case) -> None:
    with zoo(strategy).trial(case.name, case.failed_percent) as trial:
        trial.misbehave(case.words, **case.change)
        entry = trial.until_rejected()
    assert entry["reason"] == case.reason


def test_tag_not_found(zoo: Callable[[str], Cage]) -> None:
    cage = zoo("BlueGreen")
    with cage.trial("tag not found") as trial:
        trial.edit(image=f"{cage.good.rpartition(':')[0]}:missing-{uuid.uuid4().hex[:8]}")
        entry = trial.until_rejected()
    assert entry["reason"] == "ImageNotFound"
    assert trial.detect is not None
    assert trial.detect <= 10


def test_entry_point_that_does_not_exist(zoo: Callable[[str], Cage], image_without_program: str) -> None:
    """Pulled, but the runtime cannot start it."""
    with zoo("BlueGreen").trial("entry point does not exist") as trial:
        # Its migrations could not start either, and would be reported first.
        trial.edit(image=image_without_program, migrations={"enabled": False})
        entry = trial.until_rejected()
    assert entry["reason"] in ("CrashLoop", "ContainerConfigInvalid")
    assert "no-such-program" in entry["message"]


def test_rollback_during_a_rollback(zoo: Callable[[str], Cage]) -> None:
    """A second bad idea while the first is still being undone: both end in the ledger, users notice neither."""
    cage = zoo("BlueGreen")
    with cage.trial("a second bad revision while the first is undone", failed_percent=20) as trial:
        trial.misbehave("hangs:5")

        def judged() -> str | None:
            candidate = cage.status().get("candidate") or {}
            return candidate["revision"] if "verdict" in candidate else None

        first = cage.until(judged, "a verdict", 120)
        trial.misbehave("crash")
        cage.until_true(
            lambda: first in {e["revision"] for e in cage.status().get("rejected") or ()},
            "the first one rejected",
            120,
        )
        entry = trial.until_rejected()
    assert entry["reason"] == "CrashLoop"
