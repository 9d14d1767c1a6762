"""Metrics, with the names that controller-runtime's dashboards know, and the domain's own.

No histogram has a label per resource: a cluster may hold thousands. What is shown per resource is in resources.py.
"""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from maraudersmap_operator.resource import MaraudersMapStatus
from maraudersmap_operator.resource.names import MANAGER
from maraudersmap_operator.resource.status import Phase
from maraudersmap_operator.resource.status_outcomes import HistoryEntry, Outcome

from .resources import ResourceCollector

CONTROLLER = "maraudersmap"
SECONDS = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 1800)
PASS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        self._reconciles = Counter(
            "controller_runtime_reconcile", "Passes by result.", ["controller", "result"], registry=registry
        )
        self._reconcile_time = Histogram(
            "controller_runtime_reconcile_time_seconds",
            "Seconds a pass takes.",
            ["controller"],
            buckets=PASS_SECONDS,
            registry=registry,
        )
        self._depth = Gauge("workqueue_depth", "Keys waiting for a pass.", ["name"], registry=registry)
        self._requests = Counter(
            "rest_client_requests", "Requests to the API server.", ["method", "code"], registry=registry
        )
        self._leader = Gauge(
            "leader_election_master_status", "1 while this process leads.", ["name"], registry=registry
        )
        self._resources = Gauge("maraudersmap_info", "Resources by phase.", ["phase"], registry=registry)
        self._rollout = Histogram(
            "maraudersmap_rollout_duration_seconds",
            "Seconds from the start of a rollout to its end.",
            ["outcome"],
            buckets=SECONDS,
            registry=registry,
        )
        self._rollbacks = Counter(
            "maraudersmap_rollbacks", "Rollbacks by reason.", ["reason"], registry=registry
        )
        self._detect = Histogram(
            "maraudersmap_time_to_detect_seconds",
            "Seconds from the start of a rollout to the verdict against it.",
            ["reason"],
            buckets=SECONDS,
            registry=registry,
        )
        self._restore = Histogram(
            "maraudersmap_time_to_restore_seconds",
            "Seconds from the start of a rollout until all traffic was on the stable revision for certain.",
            buckets=SECONDS,
            registry=registry,
        )
        self._drift = Counter(
            "maraudersmap_drift_corrections", "Children put right after someone changed them.", ["kind"],
            registry=registry,
        )  # fmt: skip
        self._last_pass = Gauge(
            "maraudersmap_last_pass_timestamp_seconds", "When a pass last ended.", registry=registry
        )
        self._last_audit = Gauge(
            "maraudersmap_last_audit_timestamp_seconds",
            "When what the watches have shown was last held against the cluster.",
            registry=registry,
        )
        self._wrong_audits = Gauge(
            "maraudersmap_wrong_audits",
            "Audits in a row that found objects of which no watch had reported.",
            registry=registry,
        )
        self._phases: dict[tuple[str, str], Phase] = {}
        self._each = ResourceCollector()
        registry.register(self._each)
        for phase in Phase:
            self._resources.labels(phase).set(0)

    def request(self, method: str, code: int) -> None:
        """A request to the API server; code 0 for no answer."""
        self._requests.labels(method, str(code) if code else "<error>").inc()

    def reconciled(self, result: str, seconds: float) -> None:
        """A pass: result success, error or requeue_after."""
        self._reconciles.labels(CONTROLLER, result).inc()
        self._reconcile_time.labels(CONTROLLER).observe(seconds)
        self._last_pass.set_to_current_time()

    def audited(self, wrong_in_a_row: int) -> None:
        """An audit has ended; so many in a row found what no watch had reported."""
        self._last_audit.set_to_current_time()
        self._wrong_audits.set(wrong_in_a_row)

    def queue_depth(self, depth: int) -> None:
        self._depth.labels(CONTROLLER).set(depth)

    def leading(self, leads: bool) -> None:
        self._leader.labels(MANAGER).set(1 if leads else 0)

    def drift_corrected(self, kind: str) -> None:
        self._drift.labels(kind).inc()

    def forget(self, key: tuple[str, str]) -> None:
        """The resource of that namespace and name is gone."""
        self._count_phase(key, None)
        self._each.forget(key)

    def observe(
        self,
        key: tuple[str, str],
        before: MaraudersMapStatus,
        after: MaraudersMapStatus,
        most: int | None = None,
    ) -> None:
        """A pass has stored `after`: count what changed. Call after the write, so a failed one counts nothing.

        `key`: namespace and name. `most`: the autoscaler's maximum; None without one.
        """
        self._count_phase(key, after.phase)
        ended = _new_entries(before, after)
        rollbacks = [e for e in ended if e.outcome is Outcome.ROLLED_BACK]
        self._each.show(key, after, most, len(rollbacks))
        for entry in ended:
            self._rollout.labels(entry.outcome).observe(entry.duration_seconds)
        for entry in rollbacks:
            self._rollbacks.labels(entry.reason).inc()
            rejected = after.rejection(entry.revision)
            if rejected is not None:
                self._detect.labels(entry.reason).observe(rejected.detect_seconds)
                self._restore.observe(rejected.restore_seconds)

    def _count_phase(self, key: tuple[str, str], phase: Phase | None) -> None:
        """How many resources are in each phase; None: the resource counts no more."""
        before = self._phases.pop(key, None)
        if before is not None:
            self._resources.labels(before).dec()
        if phase is not None:
            self._phases[key] = phase
            self._resources.labels(phase).inc()


def _new_entries(before: MaraudersMapStatus, after: MaraudersMapStatus) -> tuple[HistoryEntry, ...]:
    """The rollouts that have ended in between. A history that lost its oldest entry has not changed for that."""
    if not before.history:
        return after.history
    newest = _written(before.history[0])
    known = next((i for i, e in enumerate(after.history) if _written(e) == newest), len(after.history))
    return after.history[:known]


def _written(entry: HistoryEntry) -> dict[str, Any]:
    """The entry as it is stored: its times lose their fractions there, and an entry may be compared with itself read back."""
    return entry.model_dump(mode="json")
