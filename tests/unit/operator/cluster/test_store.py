"""The store never goes back in time, knows identity by UID, and is corrected by audits."""

from __future__ import annotations

from typing import Any

from maraudersmap_operator.cluster import Key, Kind, Listing, Store
from maraudersmap_operator.cluster.kinds import DEPLOYMENT, MARAUDERSMAP, POD, REPLICA_SET, SERVICE
from maraudersmap_operator.cluster.slim import slim

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


LABELS = {
    "app.kubernetes.io/instance": "map",
    "app.kubernetes.io/managed-by": "maraudersmap-operator",
}


def obj(name: str, version: int, uid: str = "", owner: str = "", **extra: Any) -> dict[str, Any]:
    meta: dict[str, Any] = {
        "name": name,
        "namespace": "test",
        "uid": uid or name,
        "resourceVersion": str(version),
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": dict(LABELS),
    }
    if owner:
        meta["ownerReferences"] = [{"kind": "X", "name": owner, "uid": owner, "controller": True}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, **extra}


def test_older_news_do_not_overwrite_newer() -> None:
    """A watch event from before our own write is ignored."""
    store = Store()
    store.put(MARAUDERSMAP, obj("map", 1))
    assert store.put(POD, obj("a", 5))
    assert not store.put(POD, obj("a", 4))
    assert not store.put(POD, obj("a", 5))
    assert store.children(KEY, POD)[0]["metadata"]["resourceVersion"] == "5"


def names(store: Store, kind: Kind = POD) -> list[str]:
    return [o["metadata"]["name"] for o in store.children(KEY, kind)]


def test_recreated_object_is_another_one() -> None:
    """Deleting the old UID leaves the new one, whose children are those that name it as their controller."""
    store = Store()
    store.put(MARAUDERSMAP, obj("map", 1, uid="old"))
    store.put(SERVICE, obj("of-old", 2, owner="old"))
    store.put(MARAUDERSMAP, obj("map", 9, uid="new"))
    store.put(SERVICE, obj("of-new", 10, owner="new"))
    store.vanish(MARAUDERSMAP, obj("map", 11, uid="old"))
    found = store.resource(KEY)
    assert found is not None
    assert found["metadata"]["uid"] == "new"
    assert names(store, SERVICE) == ["of-new"]


def test_what_had_the_name_before_is_gone_unreported() -> None:
    """A Service was deleted and made again while its watch was silent; our own write shows the new one."""
    store = Store()
    store.put(MARAUDERSMAP, obj("map", 1))
    store.put(SERVICE, obj("map-api", 5, uid="first", owner="map"))
    store.confirm(SERVICE, obj("map-api", 9, uid="second", owner="map"))
    assert [o["metadata"]["uid"] for o in store.children(KEY, SERVICE)] == ["second"]
    # What the watch brings late does not bring it back.
    assert not store.put(SERVICE, obj("map-api", 6, uid="first", owner="map"))
    # The same name of another kind is another object.
    store.put(POD, obj("map-api", 10, uid="pod", owner="map"))
    assert store.find(KEY, SERVICE, "map-api") is not None


def test_children_are_found_through_their_controllers() -> None:
    """Labels are anyone's to edit: a pod counts by its chain, an orphan by its labels, a stranger's not at all."""
    store = Store()
    store.put(MARAUDERSMAP, obj("map", 1))
    store.put(DEPLOYMENT, obj("deployment", 2, owner="map"))
    store.put(REPLICA_SET, obj("set", 3, owner="deployment"))
    unlabelled = obj("pod", 4, owner="set")
    unlabelled["metadata"]["labels"] = {}
    store.put(POD, unlabelled)
    store.put(POD, obj("orphan", 5))
    store.put(POD, obj("stranger", 6, owner="someone"))
    assert names(store) == ["orphan", "pod"]
    assert store.keys_of(unlabelled) == set()  # its chain ends at something that is no MaraudersMap here


def test_a_lost_label_is_no_death() -> None:
    """A selector watch reports DELETED, with the version of the change, for an object that is still there."""
    store = Store()
    store.put(MARAUDERSMAP, obj("map", 1))
    store.put(SERVICE, obj("service", 2, owner="map"))
    store.vanish(SERVICE, obj("service", 3, owner="map"))
    assert names(store, SERVICE) == ["service"]
    assert [r.name for r in store.doubtful(KEY)] == ["service"]
    live = obj("service", 3, owner="map")
    live["metadata"]["labels"] = {}
    store.confirm(SERVICE, live)
    assert [r.name for r in store.doubtful(KEY)] == ["service"], "no watch shows it: look again"
    store.put(SERVICE, obj("service", 4, owner="map"))
    assert store.doubtful(KEY) == []


def test_what_a_live_read_does_not_find_is_gone() -> None:
    """Late events from before do not bring it back; a later version of the same object does."""
    store = Store()
    store.put(MARAUDERSMAP, obj("map", 1))
    store.put(SERVICE, obj("a", 5, owner="map"))
    store.vanish(SERVICE, obj("a", 6, owner="map"))
    store.remove("a")
    assert not store.put(SERVICE, obj("a", 5, owner="map"))
    assert names(store, SERVICE) == []
    assert store.put(SERVICE, obj("a", 7, owner="map"))


def test_a_deleted_pod_is_gone_at_once() -> None:
    """It was on its way out: its DELETED can mean nothing else."""
    store = Store()
    store.put(MARAUDERSMAP, obj("map", 1))
    store.put(POD, obj("a", 2))
    gone = obj("a", 3)
    gone["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    store.vanish(POD, gone)
    assert names(store) == []


def test_our_own_deletion_marks_and_buries_nothing() -> None:
    store = Store()
    store.put(MARAUDERSMAP, obj("map", 1))
    store.put(POD, obj("a", 2))
    store.leave("a")
    assert ["deletionTimestamp" in p["metadata"] for p in store.children(KEY, POD)] == [True]


def test_an_audit_doubts_what_was_deleted_unreported_and_adds_what_was_missed() -> None:
    """Both are reported; an object newer than the LIST stays."""
    store = Store()
    store.put(MARAUDERSMAP, obj("map", 1))
    for name, version in (("gone", 1), ("same", 2), ("newer", 50)):
        store.put(POD, obj(name, version))
    store.put(SERVICE, obj("service", 1))
    seen: set[str] = set()
    listing = Listing((obj("same", 2), obj("missed", 3)), resource_version=40)
    assert store.audit(POD, listing, seen) == {"missed"}
    assert [o["metadata"]["name"] for o in store.missing(POD, None, seen, 40)] == ["gone"]
    store.doubt(POD, "gone")
    assert store.missing(POD, None, seen, 40) == []
    assert names(store) == ["gone", "missed", "newer", "same"]


def test_an_audit_of_one_namespace_leaves_the_others() -> None:
    """A namespaced install lists each namespace by itself."""
    store = Store()
    other = obj("elsewhere", 1)
    other["metadata"]["namespace"] = "other"
    store.put(POD, other)
    assert store.missing(POD, "test", set(), 9) == []


def test_pods_are_kept_slim() -> None:
    """managedFields, annotations and the pod's spec are most of its size; which Secrets feed it is kept."""
    pod = obj("a", 1, spec=POD_SPEC, status={"phase": "Running", "hostIP": "10.0.0.1"})
    pod["metadata"] |= {"managedFields": [{}], "annotations": {"own": "1"}}
    kept = slim(POD, pod)
    assert kept["spec"] == {"nodeName": "n", "secretNames": ["a", "b"]}
    assert kept["status"] == {"phase": "Running"}
    assert slim(POD, kept) == kept
    assert not {"managedFields", "annotations"} & set(kept["metadata"])
    assert "managedFields" in pod["metadata"]


def test_nothing_is_kept_of_a_resource_that_is_gone() -> None:
    store = Store()
    store.put(MARAUDERSMAP, obj("map", 1))
    store.note_strangers(KEY, {"a": {}})
    assert store.strangers(KEY) == {"a": {}}
    # when
    store.vanish(MARAUDERSMAP, obj("map", 2))
    store.note_strangers(KEY, {"b": {}})
    # then
    store.put(MARAUDERSMAP, obj("map", 3, uid="its successor"))
    assert store.strangers(KEY) == {}


def test_what_was_never_seen_is_not_taken_to_be_leaving_for_ever() -> None:
    store = Store()
    store.put(MARAUDERSMAP, obj("map", 1))
    # when
    store.leave("a")
    # then
    store.put(POD, obj("a", 5, owner="map"))
    [pod] = store.children(KEY, POD)
    assert "deletionTimestamp" not in pod["metadata"]
