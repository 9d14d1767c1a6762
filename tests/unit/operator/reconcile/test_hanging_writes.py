"""Each write that hangs, alone: traffic still goes back within 3 s of need.

Which writes there are is read from the operator's role, of which every verb is proven used (rights/test_roles.py): a new kind
of write is a new right, and is tried here, or fails until it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.operator.fake.authorization import FINALIZERS, Right, rights_of
from tests.unit.operator.fake.faults import Call, Effect
from tests.unit.operator.fake.harness import API, NAME, NAMESPACE, Loop
from tests.unit.operator.reconcile.test_hanging import CHILDREN, EVERYTHING, baking, restored
from tests.unit.operator.rights.shipped import GRANTED, WRITES

from maraudersmap_operator.cluster import Manifest
from maraudersmap_operator.cluster.client import REQUEST_TIMEOUT_SECONDS
from maraudersmap_operator.cluster.kinds import (
    DEPLOYMENT,
    EVENT,
    HTTP_ROUTE,
    INGRESS,
    MARAUDERSMAP,
    MONITORING,
    POD,
    SECRET,
    SERVICE,
    STATEFUL_SET,
    Kind,
)
from maraudersmap_operator.resource.names import LABEL_REVISION, MANAGER

KINDS = {(k.group, k.plural): k for k in (*CHILDREN, *MONITORING, INGRESS, POD, EVENT, MARAUDERSMAP)}
COMPONENT = "app.kubernetes.io/component"
STRUCK = 30
# Without an answer to these no one can do what they are there for.
NOT_TRIED = {
    Right("", "services", "patch"): "it is the move of traffic itself",
    Right("", "pods", "create"): "a dry run, made while the candidate has no pod at all",
    Right("batch", "jobs", "create"): "migrations run before the candidate has traffic",
    FINALIZERS: "no request asks for it: an owner reference does",
}
EVENTS_COUNTED_UP = Right("", "events", "patch")
WRITTEN = sorted(r for r in GRANTED if r.verb in WRITES and r not in NOT_TRIED)


def test_what_is_not_tried_is_granted() -> None:
    assert set(NOT_TRIED) <= GRANTED


@pytest.mark.parametrize("right", WRITTEN, ids=str)
async def test_a_write_that_hangs_holds_no_traffic_on_dead_pods(right: Right) -> None:
    async with Loop() as loop:

        def hangs(call: Call) -> bool:
            exists = loop.server.storage.get(call.kind, call.namespace, call.name) is not None
            return right in rights_of(call, exists=exists)

        group, resource, verb = right
        kind = KINDS[group, resource.partition("/")[0]]
        gateway = None if kind is INGRESS else EVERYTHING["gateway"]
        ingress = {"host": "map.hogwarts.example"} if kind is INGRESS else None
        if kind in MONITORING:
            loop.server.served |= set(MONITORING)
        monitoring = {"enabled": verb != "create"}
        stable, candidate = await baking(loop, gateway=gateway, ingress=ingress, monitoring=monitoring)
        await loop.run(5)
        if right == EVENTS_COUNTED_UP:
            _asks_for_what_is_not_recorded(loop, kind)
            await loop.until(lambda: bool(loop.events("UnknownRevision")), STRUCK)
        loop.faults.add(Effect.TIMEOUT, only_writes=True, seconds=REQUEST_TIMEOUT_SECONDS, when=hangs)
        _SPECIAL.get(right, _USUAL[verb])(loop, kind)
        await loop.until(lambda: bool(loop.faults.injected["timeout"]), STRUCK)
        await restored(loop, stable, candidate)


# --- what makes the operator write ------------------------------------------------------------------------------------
def _own(loop: Loop, kind: Kind) -> Manifest:
    """One that may be touched without taking anything from what serves: it is not the users' Service, a revision's
    Deployment or its pod."""
    for obj in loop.all(kind):
        meta = obj["metadata"]
        labels = meta.get("labels") or {}
        serves = (kind, meta["name"]) == (SERVICE, API) or (
            kind in (DEPLOYMENT, POD) and labels.get(COMPONENT) == "api"
        )
        if labels.get("app.kubernetes.io/managed-by") == MANAGER and not serves:
            return loop.get(kind, meta["name"])
    raise AssertionError(f"nothing of the kind {kind.kind} was made: make it, or name the right in NOT_TRIED")


def _is_taken_away(loop: Loop, kind: Kind) -> None:
    loop.server.delete(kind, NAMESPACE, _own(loop, kind)["metadata"]["name"])


def _is_changed(loop: Loop, kind: Kind) -> None:
    labels = {"metadata": {"labels": {COMPONENT: "other"}}}
    loop.server.merge(kind, NAMESPACE, _own(loop, kind)["metadata"]["name"], labels, manager="kubectl-label")


def _is_left_over(loop: Loop, kind: Kind) -> None:
    """One more, of our own, that nothing asks for."""
    obj = _own(loop, kind)
    meta = obj["metadata"]
    obj["metadata"] = {
        "name": f"{NAME}-leftover",
        "namespace": NAMESPACE,
        "labels": {**meta["labels"], COMPONENT: "other"},
        "ownerReferences": meta["ownerReferences"],
    }
    obj.pop("status", None)
    for given in ("clusterIP", "clusterIPs"):
        obj.get("spec", {}).pop(given, None)
    if kind in (DEPLOYMENT, STATEFUL_SET):
        # Whose pods they are of is read from the selector.
        spec = obj["spec"]
        spec["replicas"] = 0
        for labels in (spec["selector"]["matchLabels"], spec["template"]["metadata"]["labels"]):
            labels[COMPONENT] = "other"
    loop.server.create(kind, obj, manager=MANAGER)


def _is_edited(**change: Any) -> Callable[[Loop, Kind], None]:
    return lambda loop, kind: loop.edit(**change)


def _lacks_an_owner(loop: Loop, kind: Kind) -> None:
    orphan = _own(loop, kind)
    del orphan["metadata"]["ownerReferences"]
    loop.server.update(kind, orphan, manager="kubectl-edit")


def _is_an_earlier_attempt(loop: Loop, kind: Kind) -> None:
    job = _own(loop, kind)
    meta = job["metadata"]
    body = {
        "metadata": {
            "name": f"{meta['name'].rsplit('-', 1)[0]}-0",
            "namespace": NAMESPACE,
            "labels": meta["labels"],
            "ownerReferences": meta["ownerReferences"],
        },
        "spec": {"template": job["spec"]["template"]},
    }
    labels = body["spec"]["template"]["metadata"]["labels"]
    for generated in [key for key in labels if "controller-uid" in key or "job-name" in key]:
        del labels[generated]
    loop.server.create(kind, body, manager=MANAGER)


def _are_too_many(loop: Loop, kind: Kind) -> None:
    record = _own(loop, kind)
    for number in range(3):
        revision = f"{number:08x}"
        meta = {
            "name": f"{NAME}-{revision}",
            "namespace": NAMESPACE,
            "labels": {**record["metadata"]["labels"], LABEL_REVISION: revision},
            "ownerReferences": record["metadata"]["ownerReferences"],
        }
        body = {"metadata": meta, "revision": number, "data": record["data"]}
        loop.server.create(kind, body, manager=MANAGER)
    loop.edit(rollout={"revisionHistoryLimit": 1})


def _loses_its_selector(loop: Loop, kind: Kind) -> None:
    """The evaluation database's pod: its StatefulSet lets it go."""
    labels = {"metadata": {"labels": {"app.kubernetes.io/name": "other"}}}
    [pod] = [p for p in loop.all(POD) if p["metadata"]["labels"].get(COMPONENT) == "postgres"]
    loop.server.merge(POD, NAMESPACE, pod["metadata"]["name"], labels, manager="kubectl-label")


def _lacks_a_key(loop: Loop, kind: Kind) -> None:
    [name] = [s["metadata"]["name"] for s in loop.all(SECRET) if "jwt-secret" in s.get("data", {})]
    loop.server.merge(SECRET, NAMESPACE, name, {"data": {"jwt-secret": None}}, manager="kubectl-edit")


def _unseen(disturb: Callable[[Loop, Kind], None]) -> Callable[[Loop, Kind], None]:
    """No watch shows the kind: an edit makes the operator look."""

    def both(loop: Loop, kind: Kind) -> None:
        disturb(loop, kind)
        loop.edit(networkPolicy={"enabled": False})

    return both


def _is_scaled(loop: Loop, kind: Kind) -> None:
    name = loop.deployments()[loop.stable]["metadata"]["name"]
    loop.server.merge(DEPLOYMENT, NAMESPACE, name, {"spec": {"replicas": 1}}, manager="kubectl-scale")


def _asks_for_what_is_not_recorded(loop: Loop, kind: Kind) -> None:
    loop.ask("rollback-to", f"zonko/{len(loop.events('UnknownRevision'))}")


_USUAL = {
    "create": _is_taken_away,
    "update": _is_changed,
    "patch": _is_changed,
    "delete": _is_left_over,
}
_SPECIAL: dict[Right, Callable[[Loop, Kind], None]] = {
    Right("", "events", "create"): _asks_for_what_is_not_recorded,
    EVENTS_COUNTED_UP: _asks_for_what_is_not_recorded,
    Right("", "pods", "delete"): _loses_its_selector,
    Right("", "secrets", "create"): _unseen(_is_taken_away),
    Right("", "secrets", "patch"): _unseen(_lacks_a_key),
    Right("apps", "controllerrevisions", "patch"): _is_taken_away,  # recorded again, by an apply
    Right("apps", "controllerrevisions", "delete"): _are_too_many,
    Right("apps", "deployments/scale", "patch"): _is_scaled,
    Right("batch", "jobs", "update"): _lacks_an_owner,
    Right("batch", "jobs", "delete"): _is_an_earlier_attempt,
    Right(HTTP_ROUTE.group, HTTP_ROUTE.plural, "create"): _unseen(_is_taken_away),
    Right(HTTP_ROUTE.group, HTTP_ROUTE.plural, "update"): _unseen(_is_changed),
    Right(HTTP_ROUTE.group, HTTP_ROUTE.plural, "delete"): _is_edited(gateway=None),
    Right(MARAUDERSMAP.group, f"{MARAUDERSMAP.plural}/status", "patch"): _is_edited(
        networkPolicy={"enabled": False}
    ),
}
for _kind in MONITORING:
    _SPECIAL |= {
        Right(_kind.group, _kind.plural, "create"): _is_edited(monitoring={"enabled": True}),
        Right(_kind.group, _kind.plural, "update"): _is_edited(
            monitoring={"labels": {"release": "prometheus"}}
        ),
        Right(_kind.group, _kind.plural, "delete"): _is_edited(monitoring={"enabled": False}),
    }
