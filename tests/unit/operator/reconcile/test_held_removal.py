"""A revision is removed when no user's request can reach it, and what holds the removal for long is reported."""

from __future__ import annotations

from tests.unit.operator.fake.faults import Effect
from tests.unit.operator.fake.foreign import stranger
from tests.unit.operator.fake.harness import NAME, NAMESPACE, Loop

from maraudersmap_operator.cluster.kinds import POD

BAKE = {"minReadySeconds": 1, "bakeSeconds": 30}


def labels_without_hash(loop: Loop, revision: str) -> dict[str, str]:
    """Of the revision's pods, those that no ReplicaSet of it adopts by."""
    labels = loop.pods(revision)[0]["metadata"]["labels"]
    return {k: v for k, v in labels.items() if k != "pod-template-hash"}


async def test_a_pod_without_a_controller_is_of_the_revision_that_its_label_names() -> None:
    async with Loop() as loop:
        await loop.create(replicas=2, rollout=BAKE)
        old = loop.stable
        loop.good()
        await loop.until(lambda: loop.candidate.get("step") == "Baking", 120)
        revision = loop.candidate["revision"]
        metadata = {"name": "copy", "namespace": NAMESPACE, "labels": labels_without_hash(loop, revision)}
        spec = loop.pods(revision)[0]["spec"]
        loop.server.create(POD, {"metadata": metadata, "spec": spec}, manager="kubectl")
        await loop.until(lambda: "copy" in loop.endpoints(), 30)
        await loop.until(lambda: loop.stable != old and old not in loop.deployments(), 120)


async def test_a_removal_that_waits_for_long_names_what_it_waits_for() -> None:
    """Whose the pod is cannot be read: it may be the old revision's, and have users' requests."""
    async with Loop() as loop:
        await loop.create(replicas=2, rollout=BAKE)
        old = loop.stable
        loop.good()
        await loop.until(lambda: loop.candidate.get("step") == "Baking", 120)
        unread = loop.faults.add(
            Effect.STATUS, status=503, verb="get", kind=POD, when=lambda call: call.name.startswith("snake")
        )
        stranger(loop, labels_without_hash(loop, loop.candidate["revision"]))
        await loop.until(lambda: len(loop.endpoints()) == 4, 30)
        await loop.until(lambda: loop.stable != old, 120)
        assert loop.condition("ChildrenApplied")["status"] == "True"
        await loop.until(lambda: loop.condition("ChildrenApplied")["status"] == "False", 120)
        condition = loop.condition("ChildrenApplied")
        assert condition["reason"] == "Waiting"
        assert f"Removal of Deployment {NAME}-api-{old}" in condition["message"]
        assert "through snake-" in condition["message"]
        assert old in loop.deployments()
        loop.faults.active.remove(unread)
        await loop.until(lambda: old not in loop.deployments(), 120)
