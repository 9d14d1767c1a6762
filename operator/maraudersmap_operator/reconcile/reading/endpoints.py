"""What the Services select, and which pods are behind them, as far as the store knows."""

from __future__ import annotations

from maraudersmap_operator import children
from maraudersmap_operator.cluster import Key, Manifest, Store
from maraudersmap_operator.cluster.identity import controller_of
from maraudersmap_operator.cluster.kinds import DEPLOYMENT, ENDPOINT_SLICE, POD, REPLICA_SET, SERVICE
from maraudersmap_operator.resource.names import LABEL_REVISION, LABEL_SERVICE, NO_REVISION, SHARED, Component

from .labels import component_of, revision_of


def serving_revision(store: Store, key: Key) -> str:
    """The revision in the Service's selector; empty for none, SHARED for every one."""
    return selected_by(store, key, children.names.service(key.name))


def selected_by(store: Store, key: Key, name: str) -> str:
    return selected_revision(store.find(key, SERVICE, name))


def selected_revision(service: Manifest | None) -> str:
    """The revision that a Service selects; empty for none, SHARED for every one."""
    if service is None:
        return ""
    revision = str((service["spec"].get("selector") or {}).get(LABEL_REVISION, SHARED))
    return "" if revision == NO_REVISION else revision


def ready_endpoints(store: Store, key: Key, service: str) -> frozenset[str]:
    """Names of the pods that get the Service's requests and are ready. Someone else's count for nothing."""
    return endpoint_names(store, key, service, ready=True) - store.strangers(key).keys()


def strangers_answer(store: Store, key: Key) -> bool:
    """Whether the Service selects ready pods that are not ours, or not any more: someone has taken a label off them or off
    their ReplicaSet. Slices may be older than the selector, so the pods' labels are held against it."""
    name = children.names.service(key.name)
    service = store.find(key, SERVICE, name)
    selector = ((service or {}).get("spec") or {}).get("selector") or {}
    ready = endpoint_names(store, key, name, ready=True)
    labels = [labels for pod, labels in store.strangers(key).items() if pod in ready]
    return bool(selector) and any(selector.items() <= found.items() for found in labels)


def preview_endpoints(store: Store, key: Key) -> frozenset[str] | None:
    """The same of the preview Service; None where there is one and nothing is known yet of what is behind it."""
    name = children.names.preview_service(key.name)
    if store.find(key, SERVICE, name) is None:
        return frozenset()  # slices outlive their Service by a moment
    return ready_endpoints(store, key, name) if slices_of(store, key, name) else None


def endpoint_names(store: Store, key: Key, service: str, *, ready: bool = False) -> frozenset[str]:
    """Names of all pods behind the Service, of any owner. `ready`: only those that get requests."""
    return frozenset(
        name
        for s in slices_of(store, key, service)
        for e in s.get("endpoints") or ()
        if (name := _pod_named(e)) and ((e.get("conditions") or {}).get("ready") or not ready)
    )


def _pod_named(endpoint: Manifest) -> str:
    """The pod behind it; empty for what is none, or has no name: a slice may be of someone's hand."""
    reference = endpoint.get("targetRef") or {}
    return str(reference.get("name") or "") if reference.get("kind") == POD.kind else ""


def slices_of(store: Store, key: Key, service: str) -> list[Manifest]:
    """The Service's EndpointSlices."""
    slices = store.children(key, ENDPOINT_SLICE)
    return [s for s in slices if (s["metadata"].get("labels") or {}).get(LABEL_SERVICE) == service]


def pods_of(store: Store, key: Key, revision: str) -> list[Manifest]:
    """Pods that a Deployment of the revision has made, through its ReplicaSets. Those of an earlier Deployment of the same
    revision, retired a moment ago, look ready and are about to go: they have another controller."""
    deployments = {
        d["metadata"]["uid"] for d in store.children(key, DEPLOYMENT) if revision_of(d) == revision
    }
    sets = {r["metadata"]["uid"] for r in store.children(key, REPLICA_SET) if _controller(r) in deployments}
    return [
        p for p in store.children(key, POD) if component_of(p) == Component.API and _controller(p) in sets
    ]


def _controller(obj: Manifest) -> str:
    return str((controller_of(obj) or {}).get("uid", ""))
