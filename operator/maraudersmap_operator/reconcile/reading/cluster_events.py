"""Events of the cluster about our objects: what only they report."""

from __future__ import annotations

from maraudersmap_operator.cluster import Cluster, ClusterError
from maraudersmap_operator.cluster.kinds import EVENT
from maraudersmap_operator.cluster.mask import Mask
from maraudersmap_operator.telemetry import logger

from .live_reads import in_time


async def latest_warning(cluster: Cluster, namespace: str, kind: str, name: str) -> str:
    """What the cluster reports about an object that has no pods: quota and admission report only by Events."""
    fields = f"involvedObject.kind={kind},involvedObject.name={name},type=Warning"
    try:
        listing = await in_time(cluster.list(EVENT, namespace, fields=fields))
    except ClusterError as error:
        logger().info("no events to read", object=f"{kind} {name}", error=error.message)
        return ""
    events = sorted(listing.items, key=lambda e: str(e.get("lastTimestamp") or e.get("eventTime") or ""))
    return Mask().cluster(str(events[-1].get("message", ""))) if events else ""
