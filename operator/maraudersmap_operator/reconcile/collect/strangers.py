"""Pods of someone else that our Services lead to: their labels are ours, their controller is not.

Seen in the Services' endpoints, whatever labels a watch selects by. They are never counted, scaled or deleted, and reported,
since users' requests go there.
"""

from __future__ import annotations

from maraudersmap_operator import children
from maraudersmap_operator.cluster import Cluster, ClusterError, Key, Manifest, Store
from maraudersmap_operator.cluster.identity import controller_of, owner_key
from maraudersmap_operator.cluster.kinds import DEPLOYMENT, POD, REPLICA_SET
from maraudersmap_operator.cluster.store import Labels
from maraudersmap_operator.telemetry import logger

from ..context.subject import Subject
from ..reading.endpoints import endpoint_names
from ..reading.live_reads import in_time
from ..status.fates import Fate, State

APPS = {kind.kind: kind for kind in (DEPLOYMENT, REPLICA_SET)}


async def find_strangers(subject: Subject) -> list[Fate]:
    """The fate of each; the store knows them from then on. What cannot be read counts as before. Raises nothing of the
    cluster's."""
    cluster, store, key = subject.cluster, subject.store, subject.key
    own = {p["metadata"]["name"] for p in store.children(key, POD)}
    fates: dict[str, Fate] = {}
    found: dict[str, Labels] = {}
    for service in (children.names.service(key.name), children.names.preview_service(key.name)):
        for name in sorted(endpoint_names(store, key, service) - own - found.keys()):
            try:
                pod = await in_time(cluster.get(POD, key.namespace, name))
                whose = await _controller_of_another(cluster, store, key, pod)
                labels = {} if pod is None else pod["metadata"].get("labels") or {}
            except ClusterError as error:
                logger().info("an endpoint's pod was not read", pod=name, error=error.message)
                if name not in store.strangers(key):
                    continue
                whose, labels = "someone else's", store.strangers(key)[name]
            if whose:
                found[name] = labels
                fates[name] = Fate("Pod", name, State.OWNED_BY_ANOTHER, _sentence(whose, service))
    store.note_strangers(key, found)
    return list(fates.values())


async def _controller_of_another(cluster: Cluster, store: Store, key: Key, pod: Manifest | None) -> str:
    """Whose the pod is, in words; empty when it is ours, or gone. Raises ClusterError."""
    if pod is None or _is_ours(store, key, pod):
        return ""
    controller = controller_of(pod)
    if controller is None:
        return "no controller's"
    if controller["kind"] == REPLICA_SET.kind:
        replica_set = await in_time(cluster.get(REPLICA_SET, key.namespace, controller["name"]))
        if replica_set is None or _is_ours(store, key, replica_set):
            return ""
        if (above := controller_of(replica_set)) is not None:
            controller = above
    # Of one that is gone: the garbage collector is about to take the pod, whose it ever was.
    if (kind := APPS.get(controller["kind"])) is not None:
        live = await in_time(cluster.get(kind, key.namespace, controller["name"]))
        if live is None or live["metadata"]["uid"] != controller["uid"]:
            return ""
    return f"of {controller['kind']} {controller['name']!r}"


def _is_ours(store: Store, key: Key, obj: Manifest) -> bool:
    """It belongs to the resource, or has no controller and the resource's labels."""
    controller = controller_of(obj)
    return owner_key(obj) == key if controller is None else store.belongs(key, str(controller["uid"]))


def _sentence(whose: str, service: str) -> str:
    return f"is {whose} and has the labels that Service {service!r} selects by: change them, for users' requests go there"
