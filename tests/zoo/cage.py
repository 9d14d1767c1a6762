"""A MaraudersMap that things are done to, with a prober and a watch on it from before to after."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from dev.prober import Counts, Prober
from tests.cluster import budgets
from tests.cluster.scenario import NAME, Object, Scenario, merged
from tests.zoo.record import Row
from tests.zoo.timeline import Timeline

STEPS = [{"share": 20, "holdSeconds": 30}, {"share": 50, "holdSeconds": 5}]


def base_spec(image: str, strategy: str) -> Object:
    """Three replicas, probes every second, so that figures compare; the trial out of traffic as it is by default."""
    rollout: Object = {"strategy": strategy, "bakeSeconds": 15, "progressDeadlineSeconds": 120}
    if strategy == "Canary":
        rollout["steps"] = STEPS
    return {
        "image": image,
        "replicas": 3,
        "autoscaling": {"enabled": False},
        "database": {"evaluation": {}},
        "cache": {"disabled": True},
        # The prober is one user, and asks ten times a second.
        "config": {"rateLimits": {"authenticated": 1_000_000, "anonymous": 1_000_000}},
        "resources": {
            "requests": {"cpu": "20m", "memory": "64Mi"},
            "limits": {"cpu": "1", "memory": "160Mi"},
        },
        "probes": {"readiness": {"initialDelaySeconds": 0, "periodSeconds": 1}},
        "availability": {"drainSeconds": 3, "terminationGraceSeconds": 20},
        "rollout": rollout,
    }


@dataclass(slots=True)
class Trial:
    """One bad idea. Seconds count from the edit."""

    cage: Cage
    timeline: Timeline
    prober: Prober
    stable: str
    edited_at: float = 0.0
    edited: Object = field(default_factory=dict)
    outcome: str = ""

    def edit(self, **change: Any) -> None:
        """Change the spec; figures count from the last edit."""
        self.edited_at = self.timeline.now()
        self.edited = self.cage.edit(**change)

    def misbehave(self, words: str, **change: Any) -> None:
        """Roll out a revision that does so: another one each time, since the ledger remembers."""
        env = [{"name": "MISBEHAVE", "value": words}, {"name": "TRIAL", "value": uuid.uuid4().hex[:8]}]
        self.edit(**merged({"config": {"env": env}}, change))

    def until_rejected(self, seconds: float = budgets.ROLLED_BACK) -> Object:
        """The ledger's entry of what was asked for last."""
        status = self.cage.until_phase("RolledBack", seconds)
        entry: Object = status["rejected"][0]
        self.outcome = f"rejected: {entry['reason']}"
        self._ended_on_stable(status)
        return entry

    def until_withdrawn(self, seconds: float = budgets.ROLLED_BACK, *, available: bool = True) -> Object:
        """The hold: it could not be tried, nothing is held against it. `available` False: stable suffers as well."""

        def held() -> Object | None:
            found: Object | None = self.cage.status().get("hold")
            return found

        hold = self.cage.until(held, "withdrawn for now", seconds)
        self.outcome = f"withdrawn: {hold['reason']}"
        status = self.cage.status()
        assert status["rejected"] == self.cage.ledger, (
            "an entry in the ledger for what is not the revision's fault"
        )
        self._ended_on_stable(status, available=available)
        return hold

    def until_promoted(self, seconds: float = budgets.PROMOTED) -> Object:
        status = self.cage.until_phase("Ready", seconds)
        assert status["stable"]["revision"] != self.stable
        assert status["rejected"] == self.cage.ledger
        traffic = self.timeline.first(lambda s: s.get("serving") == status["serving"], since=self.edited_at)
        assert traffic is not None
        self.outcome = f"promoted, all traffic after {traffic - self.edited_at:.1f} s"
        return status

    @property
    def detect(self) -> float | None:
        """When the operator knew: the verdict in the status."""
        found = self.timeline.first(_judged, since=self.edited_at)
        return None if found is None or self.outcome.startswith("promoted") else found - self.edited_at

    @property
    def restore(self) -> float | None:
        """When all traffic was on stable for certain; of a promotion, when the new revision was stable."""
        if self.outcome.startswith("promoted"):
            found = self.timeline.first(lambda s: _stable(s) not in ("", self.stable), since=self.edited_at)
        else:
            known = self.timeline.first(_judged, since=self.edited_at)
            found = self.timeline.first(self._all_on_stable, since=known or 0.0)
        return None if found is None else found - self.edited_at

    def _all_on_stable(self, status: Object) -> bool:
        return "candidate" not in status and status.get("serving") == self.stable

    def _ended_on_stable(self, status: Object, *, available: bool = True) -> None:
        assert status["serving"] == status["stable"]["revision"] == self.stable
        assert not available or self.cage.condition("Available")[0] == "True"


def _judged(status: Object) -> bool:
    candidate: Object = status.get("candidate") or {}
    return "verdict" in candidate or "hold" in status or status.get("phase") == "RolledBack"


def _stable(status: Object) -> str:
    return str((status.get("stable") or {}).get("revision", ""))


@dataclass(slots=True)
class Cage(Scenario):
    """The resource of one strategy. Each trial begins and ends with its stable revision Ready."""

    strategy: str = ""  # as the table shows it
    target: str = ""  # host that the prober asks; empty: the Service
    rows: list[Row] = field(default_factory=list)
    ledger: list[Object] = field(default_factory=list)

    @contextmanager
    def trial(self, case: str, failed_percent: float = 0.0, spec: Object | None = None) -> Iterator[Trial]:
        """What happens inside is measured. Afterwards no more than that share of requests may have failed, and the spec
        must be as its author left it."""
        self.is_ready(**(spec or {}))
        status = self.status()
        self.ledger = status["rejected"]
        prober = Prober(
            self.kubectl, self.namespace, NAME, self.good, signed_in_only=True, target=self.target
        )
        prober.start()
        try:
            with Timeline(self.kubectl, self.namespace) as timeline:
                trial = Trial(self, timeline, prober, status["stable"]["revision"])
                yield trial
                counts = prober.read()
                self.rows.append(Row(self.strategy, case, trial.outcome, trial.detect, trial.restore, counts))
        finally:
            prober.stop()
        print(self.rows[-1])
        assert self.resource()["spec"] == trial.edited["spec"], "the operator has touched the spec"
        check(counts, failed_percent)


def check(counts: Counts, failed_percent: float) -> None:
    assert counts.sent > 0
    assert counts.failed * 100 <= failed_percent * counts.sent, counts.failures
