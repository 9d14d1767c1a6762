"""One set of series per resource, made at each scrape from what the last pass stored.

A cluster may hold thousands of resources, so what each costs is counted: five series while all is well, one more while it is
autoscaled and one while a rollout is on, three once a revision has been rejected. The phase is one series, not one per
possible phase; distributions and reasons over all resources are in metrics.py, without a label per resource.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from maraudersmap_operator.resource import MaraudersMapStatus
from maraudersmap_operator.resource.status_outcomes import RejectedRevision

NAMED = ("namespace", "maraudersmap")


@dataclass(slots=True)
class _Resource:
    """What is shown of one resource. Times are seconds since 1970; None: no series."""

    phase: str
    desired: int
    ready: int
    most: int | None
    stable_since: float | None
    rollout_since: float | None
    rejected: RejectedRevision | None
    rollbacks: int


class ResourceCollector(Collector):
    """The resources that this process has passed over, until `forget`."""

    def __init__(self) -> None:
        self._resources: dict[tuple[str, str], _Resource] = {}

    def show(
        self, key: tuple[str, str], status: MaraudersMapStatus, most: int | None, rollbacks: int
    ) -> None:
        """The resource is like this now. `most`: the autoscaler's maximum; None without one. `rollbacks`: new ones."""
        known = self._resources.get(key)
        self._resources[key] = _Resource(
            phase=str(status.phase or ""),
            desired=status.replicas.desired,
            ready=status.replicas.ready,
            most=most,
            stable_since=_seconds(status.stable.since if status.stable else None),
            rollout_since=_seconds(status.candidate.started_at if status.candidate else None),
            rejected=status.rejected[0] if status.rejected else None,
            rollbacks=rollbacks + (known.rollbacks if known else 0),
        )

    def forget(self, key: tuple[str, str]) -> None:
        """The resource is gone, and its series with it."""
        self._resources.pop(key, None)

    def describe(self) -> Iterator[Metric]:
        """Nothing: the registry would otherwise collect to learn the names."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        phase = GaugeMetricFamily(
            "maraudersmap_resource_phase",
            "1 for the phase that the resource is in.",
            labels=(*NAMED, "phase"),
        )
        desired = _gauge("desired_replicas", "Pods that the serving revision should have.")
        ready = _gauge("ready_replicas", "Of those, ready.")
        most = _gauge("max_replicas", "The most pods that its autoscaler may ask for; only with autoscaling.")
        stable = _gauge("stable_since_timestamp_seconds", "When its stable revision became stable.")
        rollout = _gauge("rollout_started_timestamp_seconds", "When its rollout began; only during one.")
        rollbacks = CounterMetricFamily(
            "maraudersmap_resource_rollbacks", "Rollbacks seen by this process.", labels=NAMED
        )
        rejected = GaugeMetricFamily(
            "maraudersmap_resource_last_rejected_timestamp_seconds",
            "When its last revision was rejected, and why; only once one was.",
            labels=(*NAMED, "reason"),
        )
        detect = _gauge("last_detect_seconds", "Seconds from that rollout's start to the verdict.")
        restore = _gauge(
            "last_restore_seconds", "Seconds from that rollout's start until all traffic was on stable."
        )
        # A copy: scrapes are written in a thread, beside the passes.
        for name, one in sorted(self._resources.copy().items()):
            if one.phase:
                phase.add_metric((*name, one.phase), 1)
            desired.add_metric(name, one.desired)
            ready.add_metric(name, one.ready)
            rollbacks.add_metric(name, one.rollbacks)
            for family, value in ((most, one.most), (stable, one.stable_since), (rollout, one.rollout_since)):
                if value is not None:
                    family.add_metric(name, value)
            if one.rejected is not None:
                rejected.add_metric((*name, one.rejected.reason), one.rejected.rejected_at.timestamp())
                detect.add_metric(name, one.rejected.detect_seconds)
                restore.add_metric(name, one.rejected.restore_seconds)
        yield from (phase, desired, ready, most, stable, rollout, rollbacks, rejected, detect, restore)


def _gauge(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"maraudersmap_resource_{name}", text, labels=NAMED)


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
