"""Clear away what the spec no longer wants, in every phase, and the records of revisions that cannot be gone back to.

Exposure and autoscaling go at once. What the pods of a revision that runs, or can be gone back to, were made with stays.
"""

from __future__ import annotations

import json

from maraudersmap_operator.children import Owner
from maraudersmap_operator.cluster import Cluster, ClusterError, Key, Kind, Manifest, NotLeading, Store
from maraudersmap_operator.cluster.identity import controller_of
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
    STATEFUL_SET,
)
from maraudersmap_operator.resource import MaraudersMapStatus
from maraudersmap_operator.resource.names import Component
from maraudersmap_operator.telemetry import logger

from ..context.subject import Subject
from ..reading.jobs import attempt_of, has_ended
from ..reading.labels import component_of, revision_of
from ..reading.template_references import may_be_leaned_on

PRUNED = (
    INGRESS,
    AUTOSCALER,
    DISRUPTION_BUDGET,
    SERVICE,
    NETWORK_POLICY,
    DEPLOYMENT,
    STATEFUL_SET,
    CONFIG_MAP,
)
# What a template may lean on without the spec wanting it any more.
BACKING = (Component.POSTGRES, Component.CACHE, Component.LIMITS, Component.REDIS)


async def prune(
    subject: Subject, wanted: set[tuple[str, str]], status: MaraudersMapStatus, *, config_maps_known: bool
) -> None:
    """Delete our own children outside `wanted` (kind, name). Raises NotLeading, and what `go_on` raises when a newer pass has
    decided: what cannot be deleted now is tried again in the next pass.

    `config_maps_known`: every ConfigMap of the spec was read, so `wanted` has every copy.
    """
    store, owner, key = subject.store, subject.owner, subject.key
    gone = _outlived_records(store, key, status, subject.spec.rollout.revision_history_limit)
    unwanted: list[tuple[Kind, Manifest]] = [(CONTROLLER_REVISION, r) for r in gone]
    unwanted += [
        (JOB, j) for j in _outlived_jobs(store, key, {revision_of(r) for r in gone}, _migrating(status))
    ]
    # Of a revision that runs there may be no record: someone has deleted it, and it may not be made again.
    made = [r.get("data") for r in store.children(key, CONTROLLER_REVISION)]
    templates = json.dumps([*made, *(d["spec"]["template"] for d in store.children(key, DEPLOYMENT))])
    used = may_be_leaned_on(store, owner, status)
    for kind in PRUNED:
        for obj in store.children(key, kind):
            name = obj["metadata"]["name"]
            if (kind.kind, name) in wanted or _engines(kind, obj):
                continue
            if kind is CONFIG_MAP and (not config_maps_known or f'"{name}"' in templates):
                continue  # a revision that runs, or can be restored, reads it
            if component_of(obj) in BACKING and component_of(obj) in used:
                continue
            unwanted.append((kind, obj))
    for kind, obj in unwanted:
        if _ours(obj, owner):
            subject.go_on()
            await _delete(subject.cluster, store, kind, obj)


def _engines(kind: Kind, obj: Manifest) -> bool:
    """Deployments of revisions are the rollout engine's to retire."""
    return kind is DEPLOYMENT and component_of(obj) == Component.API


def _outlived_records(store: Store, key: Key, status: MaraudersMapStatus, limit: int) -> list[Manifest]:
    """The oldest records beyond `limit`, apart from those in use."""
    used = {status.serving} | {r.revision for r in status.rejected}
    used |= {r.revision for r in (status.stable, status.candidate) if r is not None}
    used |= {status.pin.revision} if status.pin else set()
    records = sorted(store.children(key, CONTROLLER_REVISION), key=lambda r: int(r.get("revision") or 0))
    idle = [r for r in records if revision_of(r) not in used | {""}]
    return idle[: max(0, len(idle) - limit)]


def _migrating(status: MaraudersMapStatus) -> set[str]:
    """Revisions of which a Job may run: the candidate, and the stable one when there is none, or when it is gone back to."""
    candidate, stable = status.candidate, status.stable
    back = candidate is None or candidate.verdict is not None
    return {r.revision for r in (candidate, stable if back else None) if r is not None}


def _outlived_jobs(store: Store, key: Key, gone: set[str], migrating: set[str]) -> list[Manifest]:
    """Of each revision only the newest Job is kept, none of revisions that are gone, and none that still runs but those of
    the revisions `migrating`."""
    jobs = sorted((j for j in store.children(key, JOB) if revision_of(j)), key=attempt_of)
    newest = {revision_of(j): j["metadata"]["name"] for j in jobs}
    return [
        j
        for j in jobs
        if revision_of(j) in gone
        or newest[revision_of(j)] != j["metadata"]["name"]
        or (revision_of(j) not in migrating and not has_ended(j))
    ]


def _ours(obj: Manifest, owner: Owner) -> bool:
    """Controlled by this very resource, and not going already: what has no owner is not deleted."""
    controller = controller_of(obj)
    return (
        "deletionTimestamp" not in obj["metadata"]
        and controller is not None
        and controller["uid"] == owner.uid
    )


async def _delete(cluster: Cluster, store: Store, kind: Kind, obj: Manifest) -> None:
    meta = obj["metadata"]
    try:
        await cluster.delete(kind, meta["namespace"], meta["name"], meta["uid"])
    except NotLeading:
        raise
    except ClusterError as error:
        logger().warning("not pruned", child=f"{kind.kind} {meta['name']}", error=error.message)
    else:
        store.leave(meta["uid"])
