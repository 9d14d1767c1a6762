"""What belongs to someone else is named where it stands in the way, and never counted, scaled or deleted."""

from __future__ import annotations

import pytest
from tests.unit.operator.fake.controllers.garbage import GarbageCollector
from tests.unit.operator.fake.controllers.network import EndpointSlices
from tests.unit.operator.fake.foreign import stranger
from tests.unit.operator.fake.harness import API, NAME, NAMESPACE, Loop

from maraudersmap_operator.cluster import Manifest
from maraudersmap_operator.cluster.kinds import CONFIG_MAP, DEPLOYMENT, POD, REPLICA_SET, SECRET, SERVICE

LABELS = {
    "app.kubernetes.io/name": "maraudersmap",
    "app.kubernetes.io/instance": NAME,
    "app.kubernetes.io/component": "api",
}
PREVIEW = f"{API}-preview"
SECRETS = f"{NAME}-secrets"
MANAGED = {"app.kubernetes.io/managed-by": "maraudersmap-operator"}


def serving_labels(loop: Loop) -> dict[str, str]:
    selector: dict[str, str] = loop.get(SERVICE, API)["spec"]["selector"]
    assert LABELS.items() <= selector.items()
    return dict(selector)


async def test_pods_of_another_that_our_service_leads_to_are_named_and_not_counted() -> None:
    async with Loop() as loop:
        await loop.create(replicas=2)
        stranger(loop, serving_labels(loop))
        await loop.until(lambda: len(loop.endpoints()) == 4, 30)
        await loop.until(lambda: loop.condition("ChildrenApplied").get("status") == "False", 30)
        message = loop.condition("ChildrenApplied")["message"]
        assert "of Deployment 'snake'" in message
        assert API in message
        # Nothing of ours answers any more: what the stranger answers does not count.
        loop.controllers.kubelet.unready |= {
            p["metadata"]["name"] for p in loop.pods(loop.stable) if not snake(p)
        }
        await loop.until(lambda: loop.condition("Available").get("status") == "False", 30)
        assert len(loop.endpoints()) == 2
        await loop.run(60)
        assert loop.get(DEPLOYMENT, "snake")["spec"]["replicas"] == 2
        # As soon as it leads nowhere else, nothing is left to report.
        loop.controllers.kubelet.unready.clear()
        loop.server.delete(DEPLOYMENT, NAMESPACE, "snake")
        await loop.until(lambda: loop.condition("ChildrenApplied").get("status") == "True", 180)
        await loop.until(lambda: loop.phase == "Ready", 30)


async def test_what_has_all_of_our_labels_and_another_controller_is_a_stranger_too() -> None:
    """Even with the label that says whose it is: identity is the chain of controllers."""
    async with Loop() as loop:
        await loop.create(replicas=2)
        stranger(loop, {**serving_labels(loop), **MANAGED})
        await loop.until(
            lambda: "of Deployment 'snake'" in loop.condition("ChildrenApplied").get("message", ""), 60
        )
        loop.good()
        await loop.until(lambda: not loop.candidate and loop.status["serving"] == loop.stable, 300)
        await loop.run(120)
        assert sum(snake(p) for p in loop.all(POD)) == 2
        assert len([r for r in loop.all(REPLICA_SET) if snake(r)]) == 1


@pytest.mark.parametrize("gone", ["Deployment", "its ReplicaSet, too"])
async def test_pods_that_wait_for_the_garbage_collector_are_no_strangers(gone: str) -> None:
    """It deletes a Deployment's ReplicaSet first, and the pods, which are in the endpoints still, after that."""
    async with Loop() as loop:
        await loop.create(rollout={"strategy": "BlueGreen", "autoPromote": False, "minReadySeconds": 1})
        loop.good()
        await loop.until(
            lambda: loop.candidate.get("step") == "FullSize" and len(loop.endpoints(PREVIEW)) == 3, 60
        )
        candidate = loop.candidate["revision"]
        # when
        loop.controllers.off |= {GarbageCollector, EndpointSlices}
        loop.ask("abort")
        await loop.until(lambda: candidate not in loop.deployments(), 60)
        if gone != "Deployment":
            [replica_set] = [r for r in loop.all(REPLICA_SET) if candidate in r["metadata"]["name"]]
            loop.server.delete(REPLICA_SET, NAMESPACE, replica_set["metadata"]["name"])
        # then
        seen = set()
        for _ in range(30):
            await loop.run(1)
            seen.add(loop.condition("ChildrenApplied")["status"])
        assert seen == {"True"}
        assert loop.pods(candidate)


def snake(obj: Manifest) -> bool:
    return (obj["metadata"].get("labels") or {}).get("team") == "slytherin"


async def test_a_secret_of_another_that_has_our_name_is_named_and_kept() -> None:
    async with Loop() as loop:
        vault = loop.server.create(
            CONFIG_MAP, {"metadata": {"name": "vault", "namespace": NAMESPACE}}, manager="kubectl"
        )
        owner = {
            "apiVersion": "v1", "kind": "ConfigMap", "name": "vault", "uid": vault["metadata"]["uid"], "controller": True,
        }  # fmt: skip
        meta = {"name": SECRETS, "namespace": NAMESPACE, "ownerReferences": [owner]}
        data = {"jwt-secret": "alohomora-alohomora-alohomora"}
        loop.server.create(SECRET, {"metadata": meta, "stringData": data}, manager="kubectl")
        before = loop.get(SECRET, SECRETS)
        loop.apply()
        await loop.until(lambda: loop.condition("ChildrenApplied").get("status") == "False", 60)
        assert "controlled by ConfigMap 'vault'" in loop.condition("ChildrenApplied")["message"]
        await loop.run(60)
        assert loop.get(SECRET, SECRETS) == before
        assert not loop.deployments()
