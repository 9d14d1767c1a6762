"""What is deleted and held by a finalizer: a Service still leads users (a load balancer's clean-up takes minutes), and a
Deployment makes room for its successor."""

from __future__ import annotations

from tests.unit.operator.fake.harness import API, NAMESPACE, Loop

from maraudersmap_operator.cluster.kinds import DEPLOYMENT, POD, SERVICE

HOLD = "service.kubernetes.io/load-balancer-cleanup"


def delete_and_hold(loop: Loop) -> None:
    live = loop.get(SERVICE, API)
    live["metadata"]["finalizers"] = [HOLD]
    loop.server.update(SERVICE, live, manager="cloud-controller-manager")
    loop.server.delete(SERVICE, NAMESPACE, API)


def let_go(loop: Loop) -> None:
    live = loop.get(SERVICE, API)
    live["metadata"]["finalizers"] = []
    loop.server.update(SERVICE, live, manager="cloud-controller-manager")


async def test_traffic_leaves_a_dying_candidate_although_the_service_is_leaving() -> None:
    async with Loop() as loop:
        # given
        await loop.create()
        stable = loop.stable
        loop.bad("ready-then-dies:30")
        await loop.until(lambda: loop.candidate.get("step") == "Baking", 120)
        # when
        delete_and_hold(loop)
        # then
        await loop.until(lambda: bool(loop.rejected) and loop.selected == stable, 90)
        assert "is being deleted" in loop.condition("ChildrenApplied")["message"]
        # and when it is gone at last
        let_go(loop)
        await loop.until(lambda: loop.selected == stable and len(loop.endpoints()) == 3, 10)
        assert "finalizers" not in loop.get(SERVICE, API)["metadata"]


async def test_a_moved_selector_is_put_back_although_the_service_is_leaving() -> None:
    async with Loop() as loop:
        # given
        await loop.create()
        stable = loop.stable
        delete_and_hold(loop)
        await loop.run(3)
        # when
        patch = {"spec": {"selector": {"hogwarts.edu/revision": "nowhere"}}}
        loop.server.merge(SERVICE, NAMESPACE, API, patch, manager="kubectl-edit")
        # then
        await loop.until(lambda: loop.selected == stable, 5)


def delete_in_the_foreground(loop: Loop, deployment: str, *more: str) -> None:
    """As the API server and its garbage collector do it: the pods begin to end, their Deployment stays until they have."""
    live = loop.get(DEPLOYMENT, deployment)
    live["metadata"]["finalizers"] = ["foregroundDeletion", *more]
    loop.server.update(DEPLOYMENT, live, manager="kube-apiserver")
    loop.server.delete(DEPLOYMENT, NAMESPACE, deployment)
    for pod in loop.pods(loop.stable):
        loop.server.delete(POD, NAMESPACE, pod["metadata"]["name"])


async def test_a_deployment_deleted_in_the_foreground_is_made_again_before_its_pods_have_ended() -> None:
    async with Loop() as loop:
        # given
        await loop.create(availability={"terminationGraceSeconds": 60})
        name = f"{API}-{loop.stable}"
        before = loop.get(DEPLOYMENT, name)["metadata"]["uid"]
        # when
        delete_in_the_foreground(loop, name)
        await loop.tick()
        assert not loop.endpoints()
        # then
        assert await loop.until(lambda: len(loop.endpoints()) == 3, 60) < 20
        assert loop.get(DEPLOYMENT, name)["metadata"]["uid"] != before
        await loop.until(lambda: loop.phase == "Ready", 60)


async def test_what_else_holds_it_is_waited_for_and_named() -> None:
    async with Loop() as loop:
        # given
        await loop.create(replicas=1)
        name = f"{API}-{loop.stable}"
        # when
        delete_in_the_foreground(loop, name, "example.com/backup")
        # then
        await loop.until(lambda: name in loop.condition("ChildrenApplied").get("message", ""), 30)
        assert loop.get(DEPLOYMENT, name)["metadata"]["finalizers"]
