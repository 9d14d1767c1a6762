"""When an object is as wanted, and when it is somebody else's."""

from __future__ import annotations

from typing import Any

import pytest

from maraudersmap_operator.children import Owner
from maraudersmap_operator.reconcile.apply.child_writer import covers, obstacle_to
from maraudersmap_operator.reconcile.status.fates import State

OWNER = Owner("map", "test", "uid-1")


@pytest.mark.parametrize(
    ("live", "wanted"),
    [
        ({"a": 1, "b": 2}, {"a": 1}),
        ({"l": [{"n": 1, "default": True}]}, {"l": [{"n": 1}]}),
        ({"memory": "1Gi"}, {"memory": "1024Mi"}),
        ({"cpu": "1"}, {"cpu": "1000m"}),
        ({}, {"list": [], "map": {}, "flag": False}),
    ],
)
def test_covered(live: Any, wanted: Any) -> None:
    """Defaults and other people's fields are no drift, nor is the API server's own way to write a quantity."""
    assert covers(live, wanted)


@pytest.mark.parametrize(
    ("live", "wanted"),
    [
        ({"a": 2}, {"a": 1}),
        ({}, {"a": 1}),
        ({"l": [1, 2]}, {"l": [1]}),
        ({"memory": "2Gi"}, {"memory": "1Gi"}),
        ({"image": "app:2"}, {"image": "app:1"}),
    ],
)
def test_drifted(live: Any, wanted: Any) -> None:
    """A changed, removed or added part of what is ours."""
    assert not covers(live, wanted)


def live(**metadata: Any) -> dict[str, Any]:
    return {"kind": "Service", "metadata": {"name": "map-api", **metadata}}


def reference(uid: str, kind: str = "MaraudersMap", name: str = "map") -> list[dict[str, Any]]:
    return [{"uid": uid, "kind": kind, "name": name, "controller": True}]


def state(found: tuple[State, str] | None) -> State | None:
    return found[0] if found else None


def test_foreign_object_of_our_name_is_never_taken_over() -> None:
    """Neither one without an owner nor one that another controller has."""
    found = obstacle_to(live(), OWNER, kept=False)
    assert found is not None
    assert found[0] is State.OWNED_BY_ANOTHER
    assert "'map-api' exists already" in found[1]
    found = obstacle_to(live(ownerReferences=reference("u", "Helm", "x")), OWNER, kept=False)
    assert found is not None
    assert "controlled by Helm 'x'" in found[1]


def test_child_of_an_earlier_life_is_waited_out() -> None:
    """Same name, older UID: the garbage collector is on its way."""
    assert state(obstacle_to(live(ownerReferences=reference("uid-0")), OWNER, kept=False)) is State.LEAVING
    leaving = live(ownerReferences=reference("uid-1"), deletionTimestamp="t")
    assert state(obstacle_to(leaving, OWNER, kept=False)) is State.LEAVING


def test_own_and_orphaned_children_are_ours() -> None:
    """An orphan carries our labels and no controller."""
    assert obstacle_to(live(ownerReferences=reference("uid-1")), OWNER, kept=False) is None
    labels = {"app.kubernetes.io/managed-by": "maraudersmap-operator", "app.kubernetes.io/instance": "map"}
    assert obstacle_to(live(labels=labels), OWNER, kept=False) is None
    assert obstacle_to(live(), OWNER, kept=True) is None
