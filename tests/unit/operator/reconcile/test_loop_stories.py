"""The invariants of the loop along stories in which each of them has something to hold.

Random stories (test_loop_invariants.py) find what nobody has thought of; these are short, always the same, and each breaks
when the product code is broken in the way that `make mutants` breaks it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.unit.operator.fake.faults import Effect
from tests.unit.operator.fake.harness import API, NAMESPACE, Loop
from tests.unit.operator.fake.invariants import Invariants

from maraudersmap_operator.cluster.kinds import MARAUDERSMAP, NETWORK_POLICY, POD, SERVICE
from maraudersmap_operator.resource.names import MANAGER


@asynccontextmanager
async def watched(**spec: Any) -> AsyncIterator[Loop]:
    """A Ready resource; every invariant is checked at each write and each moment from here on, without an excuse."""
    async with Loop() as loop:
        rollout = {
            "bakeSeconds": 20,
            "minReadySeconds": 2,
            "progressDeadlineSeconds": 60,
            **spec.pop("rollout", {}),
        }
        await loop.create(rollout=rollout, **spec)
        Invariants(loop)
        await loop.run(30)
        yield loop


async def quietly(loop: Loop, seconds: int = 60) -> None:
    """12: nobody touches anything, and nothing is written."""
    await loop.run(20)
    version = loop.version()
    await loop.run(seconds)
    assert loop.version() == version, f"12: writes do not stop; {loop.described()}"


@pytest.mark.parametrize("strategy", ["BlueGreen", "Canary", "Rolling"])
async def test_a_good_revision_and_then_a_bad_one(strategy: str) -> None:
    """1, 2, 3, 4, 12."""
    async with watched(rollout={"strategy": strategy}) as loop:
        first = loop.stable
        loop.good()
        await loop.until(lambda: loop.stable not in ("", first) and loop.phase == "Ready", 400)
        loop.bad("crash")
        await loop.until(lambda: loop.phase == "RolledBack", 200)
        # It is asked for again and again, and not tried.
        loop.edit(replicas=2)
        await quietly(loop)
        assert set(loop.deployments()) == {loop.stable}


async def test_traffic_that_cannot_be_moved_is_not_claimed_to_have_moved() -> None:
    """10: the status says what the Service says, however long that write is refused."""
    async with watched() as loop:
        loop.good()
        loop.faults.add(Effect.STATUS, status=503, verb="patch", kind=SERVICE, seconds=0.0)
        await loop.until(lambda: loop.candidate.get("step") == "FullSize", 120)
        await loop.run(40)
        assert loop.status["serving"] == loop.selected == loop.stable
        loop.faults.clear()
        await loop.until(lambda: loop.phase == "Ready", 200)


async def test_a_verdict_survives_a_refused_ingress_and_a_status_that_cannot_be_stored() -> None:
    """9, 3: rejected once, whatever is refused around it."""
    async with watched() as loop:
        stable = loop.stable
        loop.server.admission.quota(NAMESPACE, **{"count/ingresses.networking.k8s.io": "0"})
        loop.bad("crash", ingress={"host": "map.hogwarts.example"})
        await loop.until(lambda: bool(loop.candidate), 60)
        loop.faults.add(Effect.STATUS, status=503, verb="apply_status", kind=MARAUDERSMAP, probability=0.5)
        await loop.until(lambda: bool(loop.rejected), 200)
        await loop.run(60)
        loop.faults.clear()
        await loop.run(60)
        assert [r["reason"] for r in loop.rejected] == ["CrashLoop"]
        assert set(loop.deployments()) == {stable}
        # and another one beside it in the ledger
        loop.bad("crash")
        await loop.until(lambda: len(loop.rejected) == 2, 200)


async def test_users_come_first_while_a_policy_is_denied() -> None:
    """11: the candidate's pods fall in the bake, and an unrelated child is refused for as long as one likes."""
    async with watched() as loop:
        stable = loop.stable
        loop.good()
        await loop.until(lambda: loop.candidate.get("step") == "Baking", 120)
        fallen = str(loop.candidate["revision"])
        loop.server.admission.forbid(
            lambda r: r.kind is NETWORK_POLICY and r.manager == MANAGER, "no such thing today"
        )
        for policy in [o["metadata"]["name"] for o in loop.all(NETWORK_POLICY)]:
            loop.server.delete(NETWORK_POLICY, NAMESPACE, policy)
        await loop.run(3)
        assert "NetworkPolicy" in loop.condition("ChildrenApplied")["message"]
        loop.controllers.kubelet.unready |= {p["metadata"]["name"] for p in loop.pods(fallen)}
        took = await loop.until(lambda: loop.selected == stable and bool(loop.endpoints()), 10)
        assert took <= 3


async def test_what_is_available_answers() -> None:
    """14: ready pods that no request reaches do not count, for as long as that cannot be mended."""
    async with watched() as loop:
        loop.faults.add(Effect.STATUS, status=503, verb="patch", kind=SERVICE)
        loop.server.merge(
            SERVICE, NAMESPACE, API, {"spec": {"selector": {"extra": "key"}}}, manager="kubectl-patch"
        )
        await loop.run(20)
        assert not loop.endpoints()
        assert loop.ready(loop.stable) == 3
        loop.faults.clear()
        await loop.until(lambda: bool(loop.endpoints()), 60)
        await loop.until(lambda: loop.condition("Available")["status"] == "True", 10)


async def test_time_in_which_nobody_watched_condemns_nobody() -> None:
    """13: the operator is away for longer than the deadline while a good revision waits for it to go on."""
    async with watched(rollout={"progressDeadlineSeconds": 30}) as loop:
        loop.good()
        await loop.until(
            lambda: bool(loop.candidate) and bool(loop.pods(str(loop.candidate["revision"]))), 60
        )
        trial = str(loop.candidate["revision"])
        kubelet = loop.controllers.kubelet
        kubelet.unready |= {p["metadata"]["name"] for p in loop.pods(trial)}
        await loop.run(4)
        loop.operators.clear()
        await loop.run(60)
        loop.start()
        await loop.run(3)
        kubelet.unready.clear()
        await loop.until(lambda: loop.stable == trial, 120)
        assert loop.rejected == []


async def test_pods_that_were_drained_condemn_nobody() -> None:
    """13: a pod that its node or a colleague took away has done nothing."""
    async with watched() as loop:
        loop.good()
        for _ in range(6):
            await loop.run(4)
            trial = str(loop.candidate.get("revision", ""))
            for pod in loop.pods(trial)[:1] if trial else []:
                loop.controllers.kubelet.fail_pod(NAMESPACE, pod["metadata"]["name"])
        await loop.until(lambda: loop.phase == "Ready", 400)
        assert loop.rejected == []
        assert {p["metadata"]["name"] for p in loop.all(POD)}


@pytest.mark.parametrize(
    ("misbehave", "reason", "most"),
    [("crash", "CrashLoop", 12), ("never-ready", "ProgressDeadlineExceeded", 22)],
)
async def test_a_verdict_comes_as_soon_as_the_evidence_is_there(
    misbehave: str, reason: str, most: float
) -> None:
    """Simulated seconds from the edit, migrations included: 2 below the 14 promised on a cluster; deadline and 2 more."""
    async with watched(rollout={"progressDeadlineSeconds": 20}) as loop:
        began = loop.clock()
        loop.bad(misbehave)
        await loop.until(lambda: bool(loop.rejected), 60, step=0.5)
        assert loop.rejected[0]["reason"] == reason
        assert (loop.clock() - began).total_seconds() <= most
