"""The evaluation database and cache: is the database ready? Images that run are left alone, and a pod in the way of a repair
goes."""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime

from maraudersmap_operator import children
from maraudersmap_operator.children import Owner
from maraudersmap_operator.cluster import Cluster, Key, Manifest, Store
from maraudersmap_operator.cluster.identity import controller_of
from maraudersmap_operator.cluster.kinds import DEPLOYMENT, POD, STATEFUL_SET
from maraudersmap_operator.resource import MaraudersMap
from maraudersmap_operator.resource.names import Component
from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.rollout import Need
from maraudersmap_operator.telemetry import logger

from ..context.subject import Subject
from ..reading.cluster_events import latest_warning
from ..reading.labels import component_of
from ..reading.pods import pod_facts, required_time

LABEL_HASH = "controller-revision-hash"
LABEL_POD_NAME = "statefulset.kubernetes.io/pod-name"


def with_running_images(store: Store, key: Key, manifest: Manifest) -> Manifest:
    """The manifest with the image that runs, if one does: a setting of the operator is no wish to exchange data's pods.

    An image that nothing has come up with is not running: it is replaced by the setting's.
    """
    kind = {"StatefulSet": STATEFUL_SET, "Deployment": DEPLOYMENT}.get(manifest["kind"])
    if kind is None:
        return manifest
    live = store.find(key, kind, manifest["metadata"]["name"])
    if live is None or not (_is_ready(live) or _has_run(store, key, live)):
        return manifest
    running = {c["name"]: c.get("image") for c in live["spec"]["template"]["spec"]["containers"]}
    wanted = deepcopy(manifest)
    for container in wanted["spec"]["template"]["spec"]["containers"]:
        container["image"] = running.get(container["name"]) or container["image"]
    return wanted


def _is_ready(live: Manifest) -> bool:
    return int((live.get("status") or {}).get("readyReplicas") or 0) > 0


def _has_run(store: Store, key: Key, live: Manifest) -> bool:
    """A pod of it has had a container that started: it is down, not impossible."""
    component = component_of(live)
    for pod in store.children(key, POD):
        if component_of(pod) != component:
            continue
        statuses = (pod.get("status") or {}).get("containerStatuses") or ()
        if any("running" in (s.get("state") or {}) or s.get("restartCount") for s in statuses):
            return True
    return False


async def heal_database(subject: Subject) -> None:
    """Delete a database pod that never came up and is of an older template: its StatefulSet waits for it to get ready before
    it would replace it (kubernetes#67250); and one that it has let go. Raises ClusterError."""
    if subject.spec.database.evaluation is None:
        return
    cluster, store, key = subject.cluster, subject.store, subject.key
    stateful_set = store.find(key, STATEFUL_SET, children.names.postgres(key.name))
    status = (stateful_set or {}).get("status") or {}
    if stateful_set is not None and status and not status.get("replicas"):
        await _make_room(cluster, store, stateful_set)
        return
    newest = status.get("updateRevision")
    if not newest or status.get("currentRevision") == newest or status.get("readyReplicas"):
        return
    for pod in store.children(key, POD):
        if component_of(pod) != Component.POSTGRES or "deletionTimestamp" in pod["metadata"]:
            continue
        facts = pod_facts(pod)
        of = (pod["metadata"].get("labels") or {}).get(LABEL_HASH)
        if of != newest and not facts.ready and facts.waiting_reason:
            meta = pod["metadata"]
            # As it was looked at: one that has come up since has data.
            await cluster.delete(
                POD, meta["namespace"], meta["name"], meta["uid"], version=meta["resourceVersion"]
            )
            store.leave(meta["uid"])


async def _make_room(cluster: Cluster, store: Store, stateful_set: Manifest) -> None:
    """Delete the pod that bears the name of the one that is to be made, and belongs to no one: someone has taken a label off
    it, so the StatefulSet has let it go and would wait for ever. No request reaches it as it is. Raises ClusterError."""
    meta = stateful_set["metadata"]
    name = f"{meta['name']}-0"
    pod = await cluster.get(POD, meta["namespace"], name)
    if pod is None or controller_of(pod) is not None or "deletionTimestamp" in pod["metadata"]:
        return
    labels = pod["metadata"].get("labels") or {}
    if labels.get(LABEL_POD_NAME) != name:
        return  # it was never one of the StatefulSet's
    if all(labels.get(k) == v for k, v in stateful_set["spec"]["selector"]["matchLabels"].items()):
        return  # an orphan: the StatefulSet is about to adopt it
    logger().warning("released database pod deleted: it has lost a label of its StatefulSet", pod=name)
    # As it was looked at: with its label back it is the StatefulSet's again.
    uid, version = pod["metadata"]["uid"], pod["metadata"]["resourceVersion"]
    await cluster.delete(POD, meta["namespace"], name, uid, version=version)
    store.leave(uid)


def data_since(store: Store, key: Key, resource: MaraudersMap) -> datetime | None:
    """How old the data of a database without storage can be at most: no older than its pod. None when the data is kept
    elsewhere, or no pod shows it."""
    evaluation = resource.spec.database.evaluation
    if evaluation is None or evaluation.storage is not None or "database" in resource.unknown:
        return None
    pods = (p for p in store.children(key, POD) if component_of(p) == Component.POSTGRES)
    return max((required_time(p["metadata"]["creationTimestamp"]) for p in pods), default=None)


async def database_warning(
    cluster: Cluster, store: Store, key: Key, resource: MaraudersMap, owner: Owner, pods: list[Manifest]
) -> str:
    """Why the evaluation database has no pod, in the cluster's words."""
    name = children.names.postgres(owner.name)
    if resource.spec.database.evaluation is None or store.find(key, STATEFUL_SET, name) is None:
        return ""
    if any(component_of(p) == Component.POSTGRES for p in pods):
        return ""
    return await latest_warning(cluster, key.namespace, "StatefulSet", name)


def database_need(
    store: Store, key: Key, resource: MaraudersMap, owner: Owner, pods: list[Manifest], warning: str
) -> Need:
    name = children.names.postgres(owner.name)
    stateful_set = store.find(key, STATEFUL_SET, name)
    not_asked_for = "database" in resource.unknown and stateful_set is None
    if resource.spec.database.evaluation is None or not_asked_for:
        return Need(
            True, Reason.EXTERNAL, "the database is the user's own; migrations show whether it can be reached"
        )
    status = (stateful_set or {}).get("status") or {}
    if int(status.get("readyReplicas") or 0) >= 1:
        return Need(True, Reason.EVALUATION_DATABASE_READY, _storage_message(resource))
    own = [pod_facts(p) for p in pods if component_of(p) == Component.POSTGRES]
    why = next((f"{p.waiting_reason}: {p.waiting_message}" for p in own if p.waiting_message), "")
    why = why or next((p.unschedulable for p in own if p.unschedulable), "")
    why = why or warning
    return Need(
        False, Reason.DATABASE_NOT_READY, f"the evaluation database is not ready{': ' + why if why else ''}"
    )


def _storage_message(resource: MaraudersMap) -> str:
    evaluation = resource.spec.database.evaluation
    if evaluation is not None and evaluation.storage is None:
        return "its data lives in an emptyDir and is lost with the pod; database.evaluation.storage keeps it"
    return "its data lives in a persistent volume"
