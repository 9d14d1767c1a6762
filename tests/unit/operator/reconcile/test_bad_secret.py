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
