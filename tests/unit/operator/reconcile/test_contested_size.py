"""Someone else's autoscaler on our Deployment: what is tidiness is not fought over at full speed, what users need is."""

from __future__ import annotations

from tests.unit.operator.fake.harness import API, NAMESPACE, Loop

from maraudersmap_operator.cluster import Manifest
from maraudersmap_operator.cluster.kinds import AUTOSCALER, DEPLOYMENT


def foreign(loop: Loop, least: int, most: int) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": f"{API}-{loop.stable}"}
    spec: Manifest = {"scaleTargetRef": target, "minReplicas": least, "maxReplicas": most}
    meta = {"name": "keda-hpa-map", "namespace": NAMESPACE}
    loop.server.create(AUTOSCALER, {"metadata": meta, "spec": spec}, manager="keda")


def size(loop: Loop, revision: str = "") -> int:
    return int(loop.get(DEPLOYMENT, f"{API}-{revision or loop.stable}")["spec"]["replicas"])


def generation(loop: Loop) -> int:
    return int(loop.get(DEPLOYMENT, f"{API}-{loop.stable}")["metadata"]["generation"])


async def test_a_foreign_autoscaler_that_wants_more_is_named_and_not_fought_at_full_speed() -> None:
    async with Loop() as loop:
        await loop.create()
        foreign(loop, 5, 8)
        before, contested = generation(loop), set()
        loop.every_tick.append(lambda: contested.add(loop.condition("Contested").get("status", "")))
        await loop.run(600)
        assert generation(loop) - before < 40
        assert "True" in contested
        # and when it is gone, the size is put right again, and all is well
        loop.server.delete(AUTOSCALER, NAMESPACE, "keda-hpa-map")
        await loop.until(lambda: size(loop) == 3, 700)
        await loop.until(lambda: loop.condition("Contested")["status"] == "False", 30)
        assert loop.phase == "Ready"


async def test_the_condition_names_the_deployment_and_who_changes_its_size() -> None:
    async with Loop() as loop:
        await loop.create()
        name = f"{API}-{loop.stable}"
        loop.every_tick.append(lambda: loop.server.scale(DEPLOYMENT, NAMESPACE, name, 6, manager="keda"))
        await loop.until(lambda: loop.condition("Contested").get("status") == "True", 60)
        message = loop.condition("ChildrenApplied")["message"]
        assert name in message
        assert "'keda'" in message


async def test_pods_that_users_need_come_back_at_once_each_time() -> None:
    """Below what is wanted is less than what traffic needs, no matter who has scaled it down, and how often."""
    async with Loop() as loop:
        await loop.create()
        name, contested = f"{API}-{loop.stable}", False
        for round_ in range(12):
            loop.server.scale(DEPLOYMENT, NAMESPACE, name, round_ % 2, manager="keda")
            await loop.until(lambda: size(loop) == 3, 3)
            contested |= loop.condition("Contested").get("status") == "True"
            await loop.run(5)
        assert contested


async def test_a_user_who_changes_the_number_of_pods_often_is_no_contest() -> None:
    async with Loop() as loop:
        await loop.create()
        for replicas in (6, 3, 5, 2, 4, 1, 3, 2, 6, 1):
            loop.edit(replicas=replicas)
            await loop.run(8)
            assert size(loop) == replicas
            assert loop.condition("Contested").get("status", "False") == "False"


async def test_a_rollout_and_a_suspension_are_not_held_up_by_a_contest() -> None:
    async with Loop() as loop:
        await loop.create()
        first = loop.stable
        foreign(loop, 5, 8)
        await loop.until(lambda: loop.condition("Contested").get("status") == "True", 60)
        # when
        loop.good()
        await loop.until(lambda: loop.stable != first, 180)
        loop.server.delete(AUTOSCALER, NAMESPACE, "keda-hpa-map")
        await loop.until(lambda: set(loop.deployments()) == {loop.stable}, 60)
        loop.edit(suspend=True)
        await loop.until(lambda: size(loop) == 0, 5)
