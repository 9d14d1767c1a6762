"""A Service that is deleted and held by someone's finalizer (a load balancer's clean-up takes minutes) still leads users."""

from __future__ import annotations

from tests.unit.operator.fake.harness import API, NAMESPACE, Loop

from maraudersmap_operator.cluster.kinds import SERVICE

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
