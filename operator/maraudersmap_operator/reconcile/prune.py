"""Clear away what the spec no longer wants, and the records of revisions nobody can go back to."""

from __future__ import annotations

import json

from maraudersmap_operator.children import Owner
from maraudersmap_operator.cluster import Cluster, Key, Kind, Manifest, Store
from maraudersmap_operator.cluster.kinds import (
    AUTOSCALER,
    CONFIG_MAP,
    CONTROLLER_REVISION,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    INGRESS,
    JOB,
    NETWORK_POLICY,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
)
from maraudersmap_operator.resource import MaraudersMapStatus
from maraudersmap_operator.resource.names import Component

from .observe import attempt_of, component_of, revision_of

PRUNED = (
    INGRESS,
    AUTOSCALER,
    DISRUPTION_BUDGET,
    SERVICE,
    NETWORK_POLICY,
    DEPLOYMENT,
    STATEFUL_SET,
    CONFIG_MAP,
    SERVICE_ACCOUNT,
)


async def prune(
    cluster: Cluster,
    store: Store,
    owner: Owner,
    wanted: set[tuple[str, str]],
    status: MaraudersMapStatus,
    limit: int,
) -> None:
    """Delete our own children outside `wanted` (kind, name). Call it only when no rollout is on: until then the
    revision to go back to may still need what the new spec has dropped."""
    key = Key(owner.namespace, owner.name)
    await _prune_records(cluster, store, key, owner, status, limit)
    templates = json.dumps([r.get("data") for r in store.children(key, CONTROLLER_REVISION)])
    for kind in PRUNED:
        for obj in store.children(key, kind):
            name = obj["metadata"]["name"]
            if (kind.kind, name) in wanted or not _ours(obj, owner):
                continue
            if kind is DEPLOYMENT and component_of(obj) == Component.API:
                continue  # the rollout engine's
            if kind is CONFIG_MAP and f'"{name}"' in templates:
                continue  # a revision that can be restored reads it
            await _delete(cluster, store, kind, obj)


async def _prune_records(
    cluster: Cluster, store: Store, key: Key, owner: Owner, status: MaraudersMapStatus, limit: int
) -> None:
    """Keep the newest `limit` records besides those in use, and of each revision only the newest Job."""
    used = {status.serving} | {r.revision for r in status.rejected}
    used |= {status.stable.revision} if status.stable else set()
    used |= {status.candidate.revision} if status.candidate else set()
    records = sorted(store.children(key, CONTROLLER_REVISION), key=lambda r: int(r.get("revision", 0)))
    idle = [r for r in records if revision_of(r) not in used | {""} and _ours(r, owner)]
    gone = {revision_of(r) for r in idle[: max(0, len(idle) - limit)]}
    for record in idle:
        if revision_of(record) in gone:
            await _delete(cluster, store, CONTROLLER_REVISION, record)
    jobs = sorted(store.children(key, JOB), key=attempt_of)
    newest = {revision_of(j): j["metadata"]["name"] for j in jobs}
    for job in jobs:
        revision = revision_of(job)
        if _ours(job, owner) and (revision in gone or newest[revision] != job["metadata"]["name"]):
            await _delete(cluster, store, JOB, job)


def _ours(obj: Manifest, owner: Owner) -> bool:
    meta = obj["metadata"]
    refs = meta.get("ownerReferences") or ()
    return "deletionTimestamp" not in meta and any(
        r.get("controller") and r["uid"] == owner.uid for r in refs
    )


async def _delete(cluster: Cluster, store: Store, kind: Kind, obj: Manifest) -> None:
    meta = obj["metadata"]
    await cluster.delete(kind, meta["namespace"], meta["name"], meta["uid"])
    store.remove(meta["uid"])
