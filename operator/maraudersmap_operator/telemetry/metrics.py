"""Metrics, with the names that controller-runtime's dashboards know, and the domain's own.

No histogram has a label per resource: a cluster may hold thousands.
"""

from __future__ import annotations

from collections.abc import Hashable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from maraudersmap_operator.resource import MaraudersMapStatus
from maraudersmap_operator.resource.status import Outcome, Phase

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
            "maraudersmap_drift_corrections", "Children put right after somebody changed them.", ["kind"],
            registry=registry,
        )  # fmt: skip
        self._phases: dict[Hashable, Phase] = {}
        for phase in Phase:
            self._resources.labels(phase).set(0)

    def request(self, method: str, code: int) -> None:
        """A request to the API server; code 0 for no answer."""
        self._requests.labels(method, str(code) if code else "<error>").inc()

    def reconciled(self, result: str, seconds: float) -> None:
        """A pass: result success, error or requeue_after."""
        self._reconciles.labels(CONTROLLER, result).inc()
        self._reconcile_time.labels(CONTROLLER).observe(seconds)

    def queue_depth(self, depth: int) -> None:
        self._depth.labels(CONTROLLER).set(depth)

    def leading(self, leads: bool) -> None:
        self._leader.labels("maraudersmap-operator").set(1 if leads else 0)

    def drift_corrected(self, kind: str) -> None:
        self._drift.labels(kind).inc()

    def forget(self, key: Hashable) -> None:
        """The resource is gone."""
        phase = self._phases.pop(key, None)
        if phase is not None:
            self._resources.labels(phase).dec()

    def observe(self, key: Hashable, before: MaraudersMapStatus, after: MaraudersMapStatus) -> None:
        """A pass has stored `after`: count what changed. Call after the write, so a failed one counts nothing."""
        self.forget(key)
        if after.phase is not None:
            self._phases[key] = after.phase
            self._resources.labels(after.phase).inc()
        if not after.history or after.history[: len(before.history)] == before.history:
            return
        entry = after.history[0]
        self._rollout.labels(entry.outcome).observe(entry.duration_seconds)
        if entry.outcome is Outcome.ROLLED_BACK:
            self._rollbacks.labels(entry.reason).inc()
            rejected = next((r for r in after.rejected if r.revision == entry.revision), None)
            if rejected is not None:
                self._detect.labels(entry.reason).observe(rejected.detect_seconds)
                self._restore.observe(rejected.restore_seconds)
