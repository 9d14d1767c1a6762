"""A Secret that pods read gets a value with which none of them starts, in a rollout: that is not the candidate's fault."""

from __future__ import annotations

import pytest
from tests.unit.operator.fake.clock import moment
from tests.unit.operator.fake.harness import NAMESPACE, Loop

from maraudersmap_operator.cluster.kinds import SECRET

CANARY = {"strategy": "Canary", "steps": [{"share": 50, "pause": True}], "minReadySeconds": 1}
BLUE_GREEN = {"strategy": "BlueGreen", "autoPromote": False, "minReadySeconds": 1}


@pytest.mark.parametrize(("rollout", "step"), [(CANARY, "Sharing"), (BLUE_GREEN, "FullSize")])
async def test_the_candidate_waits_for_a_better_one(rollout: dict[str, object], step: str) -> None:
    async with Loop() as loop:
        owl = {"metadata": {"name": "owl", "namespace": NAMESPACE}, "stringData": {"key": "1"}}
        loop.server.create(SECRET, owl, manager="kubectl")
        await loop.create(rollout=rollout, jwtSecret={"secretRef": {"name": "owl", "key": "key"}})
        loop.good()
        await loop.until(lambda: loop.candidate.get("step") == step, 60)
        candidate = loop.candidate["revision"]
        await loop.run(10)
        # when
        since = loop.clock()
        loop.controllers.kubelet.crashes = lambda pod: moment(pod["metadata"]["creationTimestamp"]) > since
        loop.server.merge(SECRET, NAMESPACE, "owl", {"stringData": {"key": "2"}}, manager="kubectl")
        # then
        await loop.until(lambda: "hold" in loop.status or bool(loop.rejected), 400)
        await loop.run(300)
        assert loop.rejected == []
        assert loop.status["hold"]["reason"] == "StableDisturbed"
        assert len(loop.endpoints()) == 3
        # and with it
        loop.controllers.kubelet.crashes = lambda pod: False
        loop.server.merge(SECRET, NAMESPACE, "owl", {"stringData": {"key": "3"}}, manager="kubectl")
        await loop.until(lambda: loop.candidate.get("step") == step, 1200)
        assert loop.candidate["revision"] == candidate


GROWING = {
    "strategy": "Canary",
    "minReadySeconds": 1,
    "steps": [{"share": 20, "holdSeconds": 30}, {"share": 50}],
}


@pytest.mark.parametrize(("rollout", "replicas"), [(GROWING, 5), ({"strategy": "Rolling"}, 12)])
async def test_one_that_no_one_has_looked_at_yet_condemns_no_candidate_either(
    rollout: dict[str, object], replicas: int
) -> None:
    """No watch shows a Secret, and the candidate's pods are the first that begin with its new value."""
    async with Loop() as loop:
        owl = {"metadata": {"name": "owl", "namespace": NAMESPACE}, "stringData": {"key": "1"}}
        loop.server.create(SECRET, owl, manager="kubectl")
        await loop.create(
            rollout=rollout, replicas=replicas, jwtSecret={"secretRef": {"name": "owl", "key": "key"}}
        )
        await loop.until(lambda: loop.phase == "Ready")
        loop.good()
        await loop.until(lambda: loop.candidate.get("step") == "Sharing")
        good = loop.candidate["revision"]
        # when
        since = loop.clock()
        loop.controllers.kubelet.crashes = lambda pod: moment(pod["metadata"]["creationTimestamp"]) > since
        loop.server.merge(SECRET, NAMESPACE, "owl", {"stringData": {"key": "2"}}, manager="kubectl")
        # then
        await loop.until(lambda: "verdict" in loop.candidate, 140)
        assert loop.candidate["verdict"]["environment"]
        await loop.run(300)
        assert loop.rejected == []
        assert len(loop.endpoints()) == replicas
        # and with it
        loop.controllers.kubelet.crashes = lambda pod: False
        loop.server.merge(SECRET, NAMESPACE, "owl", {"stringData": {"key": "3"}}, manager="kubectl")
        await loop.until(lambda: loop.stable == good, 1200)
        assert loop.rejected == []


async def test_a_candidate_that_crashes_with_a_good_one_is_rejected_after_stable_has_started_with_it() -> (
    None
):
    async with Loop() as loop:
        owl = {"metadata": {"name": "owl", "namespace": NAMESPACE}, "stringData": {"key": "1"}}
        loop.server.create(SECRET, owl, manager="kubectl")
        await loop.create(jwtSecret={"secretRef": {"name": "owl", "key": "key"}})
        await loop.until(lambda: loop.phase == "Ready")
        loop.bad()
        await loop.until(lambda: bool(loop.candidate))
        # when
        await loop.run(2)
        loop.server.merge(SECRET, NAMESPACE, "owl", {"stringData": {"key": "2"}}, manager="kubectl")
        # then
        await loop.until(lambda: bool(loop.rejected), 400)
        assert [r["reason"] for r in loop.rejected] == ["CrashLoop"]
        assert [h["outcome"] for h in loop.status["history"]][:2] == ["RolledBack", "Withdrawn"]
        assert len(loop.endpoints()) == 3
