"""Looking for oneself where the watches cannot be believed, before a pass decides anything."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from maraudersmap_operator.cluster import Cluster, ClusterError, Key, Store, Unavailable
from maraudersmap_operator.cluster.identity import Reference, version
from maraudersmap_operator.cluster.kinds import POD
from maraudersmap_operator.resource.names import LABEL_INSTANCE, LABEL_MANAGED_BY, MANAGER
from maraudersmap_operator.telemetry import logger

T = TypeVar("T")

# These reads come before traffic is protected: one that hangs must not hold it for the client's own 30 s. Users may have to
# wait for the end of one pass and for the looks of the next.
LOOK_SECONDS = 1.0


async def in_time(read: Awaitable[T]) -> T:
    """The read's answer; Unavailable when there is none within LOOK_SECONDS: unknown, like any other failure to read."""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            return await read
    except TimeoutError as error:
        raise Unavailable(f"no answer within {LOOK_SECONDS:g} s") from error


async def settle_doubts(cluster: Cluster, store: Store, key: Key) -> bool:
    """Read what was reported deleted, what no watch shows and what others name as their controller, one by one.

    False when something is still in doubt, or out of the watches' sight: look again soon. What cannot be read counts as
    before: unknown is not gone.
    """
    # At the same time: each of them may take as long as a read may.
    doubts = (*store.doubtful(key), *store.unresolved(key))
    certain = all(await asyncio.gather(*(_settle(cluster, store, reference) for reference in doubts)))
    return certain and not store.doubtful(key)


async def _settle(cluster: Cluster, store: Store, reference: Reference) -> bool:
    """False when it could not be read."""
    try:
        live = await in_time(cluster.get(reference.kind, reference.namespace, reference.name))
    except ClusterError as error:
        logger().info("in doubt", object=f"{reference.kind.kind} {reference.name}", error=str(error))
        return False
    if live is None or live["metadata"]["uid"] != reference.uid:
        store.remove(reference.uid)
    else:
        store.confirm(reference.kind, live)
    return True


async def refresh_pods(cluster: Cluster, store: Store, key: Key) -> None:
    """While a rollout is on, the verdict rests on pods: read them, whatever the watch has brought so far."""
    selector = f"{LABEL_MANAGED_BY}={MANAGER},{LABEL_INSTANCE}={key.name}"
    try:
        listing = await in_time(cluster.list(POD, key.namespace, selector))
    except ClusterError as error:
        logger().warning("pods not read, going on with what the watch has shown", error=str(error))
        return
    for pod in listing.items:
        store.put(POD, pod)
    present = {p["metadata"]["uid"] for p in listing.items}
    for pod in store.children(key, POD):
        # Newer than the LIST: created while it ran. Without our label: no list with a selector has it.
        labelled = (pod["metadata"].get("labels") or {}).get(LABEL_MANAGED_BY) == MANAGER
        if pod["metadata"]["uid"] not in present and labelled and version(pod) <= listing.resource_version:
            store.remove(pod["metadata"]["uid"])


def fingerprint(store: Store, key: Key) -> int:
    """Changes whenever anything that belongs to the resource does, as far as the store knows: an object that was reported
    deleted counts as before until it is looked for, and must be."""
    doubts = tuple(sorted(reference.uid for reference in store.doubtful(key)))
    return hash((tuple(store.versions(key)), doubts))
