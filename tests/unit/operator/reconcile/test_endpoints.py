"""Which pods speak for a revision."""

from __future__ import annotations

from typing import Any

from maraudersmap_operator.cluster import Key, Kind, Store
from maraudersmap_operator.cluster.kinds import DEPLOYMENT, ENDPOINT_SLICE, MARAUDERSMAP, POD, REPLICA_SET
from maraudersmap_operator.reconcile.reading.endpoints import pods_of, ready_endpoints

KEY = Key("demo", "map")
LABELS = {
    "app.kubernetes.io/managed-by": "maraudersmap-operator",
    "app.kubernetes.io/instance": "map",
    "app.kubernetes.io/component": "api",
    "hogwarts.edu/revision": "abc",
}


def put(store: Store, kind: Kind, name: str, owner: tuple[str, str] | None) -> None:
    meta: dict[str, Any] = {
        "name": name, "namespace": "demo", "uid": name, "resourceVersion": "1", "labels": LABELS,
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    if owner:
        meta["ownerReferences"] = [{"kind": owner[0], "name": owner[1], "uid": owner[1], "controller": True}]
    store.put(kind, {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta, "spec": {}})


def test_only_pods_of_the_revisions_present_deployment_count() -> None:
    """Those of one retired a moment ago look ready and are about to go; a stranger's carry our labels at most."""
    store = Store()
    put(store, MARAUDERSMAP, "map", None)
    put(store, DEPLOYMENT, "map-api-abc", ("MaraudersMap", "map"))
    put(store, REPLICA_SET, "now", ("Deployment", "map-api-abc"))
    put(store, POD, "new", ("ReplicaSet", "now"))
    put(store, REPLICA_SET, "before", ("Deployment", "retired"))
    put(store, POD, "old", ("ReplicaSet", "before"))
    put(store, POD, "foreign", ("Helm", "x"))
    assert [p["metadata"]["name"] for p in pods_of(store, KEY, "abc")] == ["new"]


def test_only_pods_that_are_named_answer() -> None:
    """Someone has made a slice by hand, from a copy: the API server asks neither for a name nor for a pod."""
    store = Store()
    put(store, MARAUDERSMAP, "map", None)
    meta = {
        "name": "by-hand", "namespace": "demo", "uid": "by-hand", "resourceVersion": "1",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": LABELS | {"kubernetes.io/service-name": "map-api"},
    }  # fmt: skip
    references: tuple[dict[str, str] | None, ...] = (
        None,
        {"kind": "Pod"},
        {"kind": "Node", "name": "node-1"},
        {"kind": "Pod", "name": "pod-1"},
    )
    endpoints = [{"conditions": {"ready": True}, **({"targetRef": r} if r else {})} for r in references]
    store.put(
        ENDPOINT_SLICE,
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": meta,
            "endpoints": endpoints,
        },
    )
    assert ready_endpoints(store, KEY, "map-api") == {"pod-1"}
