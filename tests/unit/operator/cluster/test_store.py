"""The store never goes back in time, knows identity by UID, and is corrected by audits."""

from __future__ import annotations

from typing import Any

from maraudersmap_operator.cluster import Key, Listing, Store
from maraudersmap_operator.cluster.kinds import MARAUDERSMAP, POD, SERVICE

KEY = Key("test", "map")
POD_SPEC = {
    "nodeName": "n",
    "containers": [
        {
            "env": [
                {"name": "X", "valueFrom": {"secretKeyRef": {"name": "b", "key": "k"}}},
                {"name": "Y", "value": "1"},
            ],
            "envFrom": [{"secretRef": {"name": "a"}}],
        }
    ],
}


def obj(name: str, version: int, uid: str = "", **extra: Any) -> dict[str, Any]:
    labels = {"app.kubernetes.io/instance": "map"}
    meta = {
        "name": name,
        "namespace": "test",
        "uid": uid or name,
        "resourceVersion": str(version),
        "labels": labels,
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, **extra}


def test_older_news_do_not_overwrite_newer() -> None:
    """A watch event from before our own write is ignored."""
    store = Store()
    assert store.put(POD, obj("a", 5))
    assert not store.put(POD, obj("a", 4))
    assert not store.put(POD, obj("a", 5))
    assert store.children(KEY, POD)[0]["metadata"]["resourceVersion"] == "5"


def test_recreated_object_is_another_one() -> None:
    """Deleting the old UID leaves the new one."""
    store = Store()
    store.put(MARAUDERSMAP, obj("map", 1, uid="old"))
    store.put(MARAUDERSMAP, obj("map", 9, uid="new"))
    store.remove("old")
    found = store.resource(KEY)
    assert found is not None
    assert found["metadata"]["uid"] == "new"


def test_audit_drops_what_was_deleted_unheard_and_adds_what_was_missed() -> None:
    """Both are told; an object newer than the LIST stays."""
    store = Store()
    store.put(POD, obj("gone", 1))
    store.put(POD, obj("same", 2))
    store.put(POD, obj("newer", 50))
    store.put(SERVICE, obj("service", 1))
    wrong = store.audit(POD, Listing((obj("same", 2), obj("missed", 3)), resource_version=40))
    assert wrong == {"gone", "missed"}
    assert [p["metadata"]["name"] for p in store.children(KEY, POD)] == ["missed", "newer", "same"]
    assert len(store.children(KEY, SERVICE)) == 1


def test_audit_of_one_namespace_leaves_the_others() -> None:
    """A namespaced install lists each namespace by itself."""
    store = Store()
    other = obj("elsewhere", 1)
    other["metadata"]["namespace"] = "other"
    store.put(POD, other)
    assert store.audit(POD, Listing((), resource_version=9), "test") == set()
    assert len(store) == 1


def test_pods_are_kept_slim() -> None:
    """managedFields, last-applied and the pod's spec are most of its size; which Secrets feed it is kept."""
    store = Store()
    pod = obj("a", 1, spec=POD_SPEC, status={"phase": "Running"})
    pod["metadata"] |= {
        "managedFields": [{}],
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "own": "1"},
    }
    store.put(POD, pod)
    kept = store.children(KEY, POD)[0]
    assert kept["spec"] == {"nodeName": "n", "secretNames": ["a", "b"]}
    assert not store.put(POD, kept)
    kept["metadata"]["resourceVersion"] = "2"
    store.put(POD, kept)
    assert store.children(KEY, POD)[0]["spec"]["secretNames"] == ["a", "b"]
    assert "managedFields" not in kept["metadata"]
    assert kept["metadata"]["annotations"] == {"own": "1"}
    assert "managedFields" in pod["metadata"]


def test_late_events_do_not_bring_back_what_was_deleted() -> None:
    """Our own deletion is known before the watch tells of the changes that came before it."""
    store = Store()
    store.put(POD, obj("a", 1))
    store.remove("a")
    assert not store.put(POD, obj("a", 2))
    assert store.children(KEY, POD) == []
