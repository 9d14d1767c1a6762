"""Hold the store against the cluster: kopf does not report what was deleted while a watch was broken.

The first audit fills the store and defines *synced*. Later ones correct it; the same object wrong in two audits in a row
means that the watches are deaf, which the health check then reports.
"""

from __future__ import annotations

import asyncio

from maraudersmap_operator.cluster import Cluster, ClusterError, Kind, Manifest, Store
from maraudersmap_operator.cluster.kinds import MARAUDERSMAP, OBSERVED
from maraudersmap_operator.reconcile import WorkQueue
from maraudersmap_operator.telemetry import Health, Metrics, logger

from .handlers import SELECTOR, keys

AUDIT_SECONDS = 300.0
RETRY_SECONDS = 5.0
# Give the watch this long to report what a LIST has seen first.
SETTLE_SECONDS = 5.0


async def audit_once(
    cluster: Cluster, store: Store, queue: WorkQueue, namespaces: tuple[str, ...], *, first: bool = False
) -> set[str]:
    """Make the store agree with a LIST of every kind; the UIDs that it had wrong. Raises ClusterError. `first`: of this
    process, to which everything is new: only where something is under way is it news."""
    wrong: set[str] = set()
    for kind in (MARAUDERSMAP, *OBSERVED):
        wrong |= await _audit_kind(cluster, store, queue, kind, namespaces, first)
    return wrong


async def audit_forever(
    cluster: Cluster,
    store: Store,
    queue: WorkQueue,
    namespaces: tuple[str, ...],
    health: Health,
    metrics: Metrics,
) -> None:
    """Audit now, then every AUDIT_SECONDS, until cancelled."""
    while True:
        try:
            first = not health.synced
            wrong = await audit_once(cluster, store, queue, namespaces, first=first)
            if health.synced and wrong:
                # The watch may have been about to report it. Corrected again at once: nothing may be wrong any more.
                await asyncio.sleep(SETTLE_SECONDS)
                again = await audit_once(cluster, store, queue, namespaces)
                health.wrong_audits = health.wrong_audits + 1 if again else 0
                logger().warning("audit corrected the store", objects=len(wrong), still_wrong=len(again))
            elif health.synced:
                health.wrong_audits = 0
            health.first_audit.set()
            metrics.audited(health.wrong_audits)
            delay = AUDIT_SECONDS
        except ClusterError as error:
            logger().warning("audit failed, trying again", error=str(error))
            delay = RETRY_SECONDS
        await asyncio.sleep(delay)


async def _audit_kind(
    cluster: Cluster,
    store: Store,
    queue: WorkQueue,
    kind: Kind,
    namespaces: tuple[str, ...],
    first: bool,
) -> set[str]:
    wrong: set[str] = set()
    selector = "" if kind is MARAUDERSMAP else SELECTOR
    for namespace in namespaces or (None,):
        seen: set[str] = set()
        listed_at, known = 0, store.newest(kind, namespace)
        # Page by page: a fleet's LIST as a whole would be the most that this process ever holds.
        async for page in cluster.pages(kind, namespace, selector):
            listed_at = page.resource_version
            bad = store.audit(kind, page, seen)
            wrong |= bad
            for obj in page.items:
                if obj["metadata"]["uid"] in bad:
                    for key in keys(store, kind, obj):
                        queue.add(key, news=not first or (kind is MARAUDERSMAP and _is_under_way(obj)))
        for obj in store.missing(kind, namespace, seen, listed_at):
            wrong.add(obj["metadata"]["uid"])
            for key in keys(store, kind, obj):
                queue.add(key)
            store.doubt(kind, obj["metadata"]["uid"])
        if known > listed_at:
            # The API server has gone back, to a backup of its own: what it reports from now on looks old, and only a process
            # that knows nothing yet believes it.
            wrong |= store.ahead(kind, namespace, listed_at)
    return wrong


def _is_under_way(resource: Manifest) -> bool:
    """A rollout is on, or the spec has changed and no one has looked at it yet."""
    status = resource.get("status") or {}
    return (
        bool(status.get("candidate"))
        or status.get("observedGeneration") != resource["metadata"]["generation"]
    )
