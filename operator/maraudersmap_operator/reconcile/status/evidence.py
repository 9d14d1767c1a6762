"""Save what a failing pod shows before it goes: its last log lines and its Events, secrets masked."""

from __future__ import annotations

from maraudersmap_operator.cluster import Cluster, ClusterError, Key, Manifest, Store
from maraudersmap_operator.cluster.kinds import EVENT, POD
from maraudersmap_operator.cluster.mask import Mask
from maraudersmap_operator.resource import MaraudersMapStatus
from maraudersmap_operator.resource.status_outcomes import (
    MAX_LOG_LINE,
    MAX_LOG_LINES,
    MAX_POD_EVENTS,
    PodEvidence,
)
from maraudersmap_operator.telemetry import logger

from ..reading.endpoints import pods_of
from ..reading.labels import revision_of
from ..reading.pods import pod_facts
from .masking import Masks, masked_pod


async def gather(cluster: Cluster, store: Store, key: Key, revision: str, masks: Masks) -> PodEvidence | None:
    """Evidence from the revision's worst pod; None when there is none. Never fails a rollback."""
    pods = pods_of(store, key, revision) or [
        # Those of its migrations, or let go by their ReplicaSet. What has ended well shows nothing.
        p
        for p in store.children(key, POD)
        if revision_of(p) == revision and pod_facts(p).phase != "Succeeded"
    ]
    if not pods:
        return None
    worst = max(pods, key=lambda p: (pod_facts(p).termination_count, bool(pod_facts(p).waiting_reason)))
    of_runs = await masks.of(worst)
    facts = pod_facts(masked_pod(worst, of_runs))
    # Its log and its Events may be of any run that it has had.
    mask = of_runs.of_run(facts.created_at)
    last = facts.last_terminations[-1] if facts.last_terminations else None
    return PodEvidence(
        pod=facts.name,
        exit_code=last.exit_code if last else None,
        reason=last.reason if last else facts.waiting_reason,
        logs=tuple(line[:MAX_LOG_LINE] for line in await _log_lines(cluster, worst, mask)),
        events=tuple(text[:MAX_LOG_LINE] for text in await _events(cluster, key.namespace, facts.uid, mask)),
    )


def with_evidence(status: MaraudersMapStatus, evidence: dict[str, PodEvidence | None]) -> MaraudersMapStatus:
    """The ledger with what was saved of each revision's pods."""
    if not evidence:
        return status
    rejected = tuple(
        r.model_copy(update={"evidence": evidence[r.revision]}) if evidence.get(r.revision) else r
        for r in status.rejected
    )
    return status.model_copy(update={"rejected": rejected})


async def _log_lines(cluster: Cluster, pod: Manifest, mask: Mask) -> list[str]:
    """The last lines of the run that failed: the present one, or the one before when that has just been restarted."""
    meta, status = pod["metadata"], pod.get("status") or {}
    containers = status.get("containerStatuses") or ()
    if not containers:
        return []
    container = max(containers, key=lambda c: int(c.get("restartCount", 0)))
    running = "running" in (container.get("state") or {})
    previous = running and int(container.get("restartCount", 0)) > 0
    try:
        text = await cluster.logs(meta["namespace"], meta["name"], container["name"], MAX_LOG_LINES, previous)
    except ClusterError as error:
        # An image that was never pulled has no log; a pod that has gone meanwhile neither.
        logger().info("no log to keep", pod=meta["name"], error=str(error))
        return []
    # As a whole: a value may have several lines, and a long log begins in the middle of one.
    return [line for line in mask.container(text).splitlines() if line.strip()][-MAX_LOG_LINES:]


async def _events(cluster: Cluster, namespace: str, uid: str, mask: Mask) -> list[str]:
    try:
        listing = await cluster.list(EVENT, namespace, fields=f"involvedObject.uid={uid}")
    except ClusterError as error:
        logger().info("no events to keep", error=str(error))
        return []
    found = sorted(listing.items, key=lambda e: str(e.get("lastTimestamp") or e.get("eventTime") or ""))
    # Probes and hooks are quoted with what the container answered.
    lines = [f"{e.get('reason', '')}: {mask.container(str(e.get('message') or ''))}" for e in found]
    return lines[-MAX_POD_EVENTS:]
