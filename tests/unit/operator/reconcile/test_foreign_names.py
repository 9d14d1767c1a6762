"""An object of someone else that has the name of one of ours: never taken over, scaled or deleted, named with what to do, and
everything else goes on."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from tests.unit.operator.fake.harness import API, NAMESPACE, Loop

from maraudersmap_operator.cluster import Manifest
from maraudersmap_operator.cluster.kinds import (
    AUTOSCALER,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    INGRESS,
    NETWORK_POLICY,
    POD,
    SERVICE,
    SERVICE_ACCOUNT,
    Kind,
)

RESTORED = 3
SPEC: Manifest = {
    "replicas": 2,
    "ingress": {"host": "map.hogwarts.example"},
    "autoscaling": {"enabled": True, "minReplicas": 2, "maxReplicas": 3},
    "rollout": {"bakeSeconds": 60, "minReadySeconds": 1},
}
THEIRS = {"team": "slytherin"}
# Without these the pods of a revision serve all the same.
AROUND = (AUTOSCALER, DISRUPTION_BUDGET, INGRESS, NETWORK_POLICY, SERVICE_ACCOUNT)


def take_the_name(loop: Loop, kind: Kind, name: str, like: Manifest) -> Manifest:
    """Someone makes an object of that name, with labels of their own; as made."""
    meta = {"name": name, "namespace": NAMESPACE, "labels": THEIRS}
    body = {k: v for k, v in like.items() if k not in ("metadata", "status")}
    for given in ("clusterIP", "clusterIPs"):
        body.get("spec", {}).pop(given, None)
    if kind is SERVICE:
        body["spec"]["selector"] = THEIRS
    if kind is DEPLOYMENT:
        body["spec"]["selector"] = {"matchLabels": THEIRS}
        body["spec"]["template"]["metadata"] = {"labels": THEIRS}
    return loop.server.create(kind, {**body, "metadata": meta}, manager="kubectl")


def untouched(loop: Loop, kind: Kind, theirs: Manifest) -> bool:
    """Whatever controllers have written into its status."""
    meta = theirs["metadata"]
    live = loop.get(kind, meta["name"])
    same = ("uid", "labels", "annotations", "ownerReferences")
    return all(live["metadata"].get(k) == meta.get(k) for k in same) and live.get("spec") == theirs.get(
        "spec"
    )


def named(loop: Loop, names: Iterable[str]) -> bool:
    """With a remedy."""
    condition = loop.condition("ChildrenApplied")
    message = condition.get("message", "")
    return condition.get("reason") == "Conflict" and "rename" in message and all(n in message for n in names)


async def likes(*kinds: Kind) -> dict[Kind, Manifest]:
    """What the operator makes of each kind, elsewhere."""
    async with Loop() as loop:
        await loop.create(**SPEC)
        ours = "app.kubernetes.io/managed-by"
        made = {k: [o for o in loop.all(k) if ours in (o["metadata"].get("labels") or {})] for k in kinds}
        return {k: loop.get(k, found[0]["metadata"]["name"]) for k, found in made.items()}


async def test_what_is_around_a_service_may_be_someone_elses() -> None:
    models = await likes(*AROUND)
    async with Loop() as loop:
        theirs = {k: take_the_name(loop, k, m["metadata"]["name"], m) for k, m in models.items()}
        loop.apply(**SPEC)
        await loop.until(
            lambda: named(loop, [f"{k.kind} {t['metadata']['name']}" for k, t in theirs.items()]), 60
        )
        await loop.until(lambda: bool(loop.stable), 60)
        assert loop.condition("Available")["status"] == "True"
        loop.good()
        await loop.until(lambda: not loop.candidate and loop.status["serving"] == loop.stable, 200)
        assert all(untouched(loop, k, t) for k, t in theirs.items())
        assert loop.condition("Stalled")["status"] == "True"
        # and when they go, ours take their places
        for kind, obj in theirs.items():
            loop.server.delete(kind, NAMESPACE, obj["metadata"]["name"])
        await loop.until(lambda: loop.phase == "Ready", 180)
        assert all(
            loop.get(k, t["metadata"]["name"])["metadata"]["uid"] != t["metadata"]["uid"]
            for k, t in theirs.items()
        )


async def test_a_service_that_was_there_first_keeps_its_users() -> None:
    """Pods are made ready behind it; nothing is sent to them until one of the two is renamed."""
    models = await likes(SERVICE)
    async with Loop() as loop:
        theirs = take_the_name(loop, SERVICE, API, models[SERVICE])
        loop.apply(**SPEC)
        await loop.until(lambda: named(loop, [API]), 60)
        await loop.run(60)
        assert untouched(loop, SERVICE, theirs)
        assert loop.condition("Available")["status"] == "False"
        assert [d for d in loop.deployments().values() if d["spec"]["replicas"]]
        loop.server.delete(SERVICE, NAMESPACE, API)
        await loop.until(lambda: loop.phase == "Ready", 180)
        assert loop.endpoints()


async def baking(loop: Loop) -> tuple[str, str]:
    await loop.create(**SPEC)
    stable = loop.stable
    loop.good()
    await loop.until(lambda: loop.candidate.get("step") == "Baking" and len(loop.endpoints()) >= 2, 120)
    return stable, str(loop.candidate["revision"])


async def test_a_service_whose_name_is_taken_after_its_deletion() -> None:
    """In the bake, and the candidate fails: users are someone else's now; ours come back as soon as the name is free."""
    async with Loop() as loop:
        stable, candidate = await baking(loop)
        like = loop.get(SERVICE, API)
        loop.server.delete(SERVICE, NAMESPACE, API)
        theirs = take_the_name(loop, SERVICE, API, like)
        await loop.until(lambda: named(loop, [API]), 30)
        loop.controllers.kubelet.broken |= {p["metadata"]["name"] for p in loop.pods(candidate)}
        await loop.run(90)
        assert untouched(loop, SERVICE, theirs)
        assert loop.ready(stable) == 2, "nothing of what can be gone back to is taken away"
        loop.server.delete(SERVICE, NAMESPACE, API)
        assert (
            await loop.until(lambda: loop.selected == stable and bool(loop.endpoints()), 60) <= 1 + RESTORED
        )
        await loop.until(lambda: loop.condition("ChildrenApplied").get("status") == "True", 120)


@pytest.mark.parametrize("which", ["stable", "candidate"])
async def test_a_deployment_whose_name_is_taken_after_its_deletion(which: str) -> None:
    """In the bake. Its pods are gone: users go where ready pods are, and stay there."""
    async with Loop() as loop:
        stable, candidate = await baking(loop)
        revision, other = (stable, candidate) if which == "stable" else (candidate, stable)
        like = loop.get(DEPLOYMENT, f"{API}-{revision}")
        loop.server.delete(DEPLOYMENT, NAMESPACE, like["metadata"]["name"])
        theirs = take_the_name(loop, DEPLOYMENT, like["metadata"]["name"], like)
        assert await loop.until(lambda: loop.selected == other, 30) <= 1 + RESTORED
        if which == "stable":
            await loop.until(lambda: named(loop, [like["metadata"]["name"]]), 60)
        await loop.run(120)
        assert loop.selected == other
        assert loop.ready(other) >= 2
        assert untouched(loop, DEPLOYMENT, theirs)
        assert len([p for p in loop.all(POD) if p["metadata"]["labels"].get("team")]) == 2
        # and once the name is free, what was asked for comes
        loop.server.delete(DEPLOYMENT, NAMESPACE, like["metadata"]["name"])
        await loop.until(lambda: loop.phase == "Ready" and loop.selected == candidate, 400)
