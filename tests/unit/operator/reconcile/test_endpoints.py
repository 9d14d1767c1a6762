"""Which pods speak for a revision."""

from __future__ import annotations

from typing import Any

from maraudersmap_operator.cluster import Key, Kind, Store
from maraudersmap_operator.cluster.kinds import DEPLOYMENT, MARAUDERSMAP, POD, REPLICA_SET
from maraudersmap_operator.reconcile.reading.endpoints import pods_of

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
