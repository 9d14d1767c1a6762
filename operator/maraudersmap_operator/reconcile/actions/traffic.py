"""Where users' requests go: one small fenced write, and the live look that comes before anything is taken away.

Traffic moves by a JSON patch of the Service's selector alone: it needs nothing else of the spec to be right, and a stale
version of the object is a Conflict. (A selector-only apply is refused, because ports are required; an apply of the whole
Service fails as soon as someone has edited a port.)
"""

from __future__ import annotations

from maraudersmap_operator import children
from maraudersmap_operator.children import Owner
from maraudersmap_operator.cluster import Cluster, Conflict, Key, Manifest, NotFound, Refused, Store
from maraudersmap_operator.cluster.identity import controller_of
from maraudersmap_operator.cluster.kinds import DEPLOYMENT, ENDPOINT_SLICE, POD, REPLICA_SET, SERVICE
from maraudersmap_operator.resource.names import LABEL_SERVICE

from ..apply.child_writer import obstacle_to
from ..context.subject import Subject
from ..reading.endpoints import pods_of, ready_endpoints, selected_revision, slices_of
from ..reading.labels import revision_of

# Another write came first, of a label or a port: the same move is right for the new version too, at most so often.
TRIES = 3


async def route_to(subject: Subject, revision: str) -> None:
    """Point the Service at the revision, or at every one (names.SHARED). Raises ClusterError when that is not certain."""
    cluster, store, owner = subject.cluster, subject.store, subject.owner
    wanted = children.service(owner, subject.spec, revision or None)
    name = wanted["metadata"]["name"]
    live = store.find(subject.key, SERVICE, name) or await cluster.get(SERVICE, owner.namespace, name)
    for tries_left in reversed(range(TRIES)):
        if live is None:
            # Bare of what only convergence adds: nothing of the user's can keep it from being made.
            store.confirm(SERVICE, await cluster.create(wanted))
            return
        obstacle = obstacle_to(live, owner, kept=False)
        if obstacle and not _still_leads(live, owner):
            raise Refused(obstacle[1], 409)
        try:
            moved = await cluster.patch(
                SERVICE,
                owner.namespace,
                name,
                [
                    {
                        "op": "replace",
                        "path": "/metadata/resourceVersion",
                        "value": live["metadata"]["resourceVersion"],
                    },
                    {"op": "add", "path": "/spec/selector", "value": wanted["spec"]["selector"]},
                ],
            )
        except (Conflict, NotFound):
            if not tries_left:
                raise
            live = await cluster.get(SERVICE, owner.namespace, name)
            continue
        store.confirm(SERVICE, moved)
        return


def _still_leads(live: Manifest, owner: Owner) -> bool:
    """It is ours and being deleted: until its finalizers let it go (a load balancer's take minutes) it leads users."""
    controller = controller_of(live)
    return (
        "deletionTimestamp" in live["metadata"] and controller is not None and controller["uid"] == owner.uid
    )


async def look(subject: Subject) -> str:
    """Read the Service and its endpoints live, into the store as well; the revision that it selects now.

    An earlier answer may have been lost, and a watch may lag: nothing is taken away on hearsay. Raises ClusterError.
    """
    name = children.names.service(subject.owner.name)
    live = await subject.cluster.get(SERVICE, subject.owner.namespace, name)
    if live is not None:
        subject.store.confirm(SERVICE, live)
    await _read_endpoints(subject.cluster, subject.store, subject.key, name)
    return selected_revision(live)


async def _read_endpoints(cluster: Cluster, store: Store, key: Key, service: str) -> None:
    listing = await cluster.list(ENDPOINT_SLICE, key.namespace, f"{LABEL_SERVICE}={service}")
    for item in listing.items:
        store.confirm(ENDPOINT_SLICE, item)
    present = {item["metadata"]["uid"] for item in listing.items}
    for known in slices_of(store, key, service):
        if known["metadata"]["uid"] not in present:
            store.remove(known["metadata"]["uid"])


def may_be_answered_by(store: Store, key: Key, revision: str) -> frozenset[str]:
    """Names of pods that get users' requests and may be the revision's: neither another revision's nor someone else's for
    certain. A chain of owners that cannot be followed yet is unknown, not absent; where it ends without a controller, at the
    pod or at a ReplicaSet that its Deployment has let go, the pod's label counts."""
    let_go = {r["metadata"]["uid"] for r in store.children(key, REPLICA_SET) if controller_of(r) is None}
    others = {r for d in store.children(key, DEPLOYMENT) if (r := revision_of(d)) and r != revision}
    names = {_name(pod) for other in others for pod in pods_of(store, key, other)}
    names |= {
        _name(pod)
        for pod in store.children(key, POD)
        if revision_of(pod) != revision
        and ((controller := controller_of(pod)) is None or controller["uid"] in let_go)
    }
    return ready_endpoints(store, key, children.names.service(key.name)) - names


def others_answer(store: Store, key: Key, revision: str) -> bool:
    """Some pod gets users' requests that is not the revision's, as far as the store knows."""
    names: set[str] = {_name(pod) for pod in pods_of(store, key, revision)}
    return bool(ready_endpoints(store, key, children.names.service(key.name)) - names)


def _name(obj: Manifest) -> str:
    return str(obj["metadata"]["name"])
