"""A pod counts by what it is: what has ended takes no room, and what should be gone is waited for no longer."""

from __future__ import annotations

from datetime import timedelta

import pytest

from maraudersmap_operator.resource.status import Phase
from maraudersmap_operator.resource.status_candidate import Step
from maraudersmap_operator.rollout import PodFacts

from ..test_unknown import until
from ..verdict.test_environment import ready_world
from ..world import START, Behaviour

GOOD, NEXT = "good:1", "good:2"
ROLLING = {"strategy": "Rolling", "minReadySeconds": 3, "bakeSeconds": 10, "progressDeadlineSeconds": 30}
CANARY = {"strategy": "Canary", "minReadySeconds": 3, "bakeSeconds": 10, "progressDeadlineSeconds": 30}


def leaving(gone_by: timedelta) -> PodFacts:
    return PodFacts("stuck", "stuck", START, phase="Running", terminating=True, gone_by=START + gone_by)


@pytest.mark.parametrize(
    "pod",
    [
        PodFacts("evicted", "evicted", START, phase="Failed", disrupted=True),
        leaving(timedelta(seconds=5)),
    ],
)
def test_an_exchange_ends_although_pods_of_stable_lie_around(pod: PodFacts) -> None:
    """Evicted pods stay until someone deletes them; a pod on a dead node never ends."""
    world = ready_world(rollout=ROLLING)
    world.lying_around[world.serving] = (pod,) * 3
    world.edit(image=NEXT).run(60)
    assert world.serving == world.revision(NEXT)
    assert world.phase() is Phase.READY


def test_a_pod_on_its_way_out_takes_room_until_its_grace_is_over_and_is_named_then() -> None:
    """For want of room an exchange waits for it, and no longer than it may take."""
    world = ready_world(rollout=ROLLING, replicas=4)
    stable = world.serving
    world.lying_around[stable] = (leaving(world.now - START + timedelta(seconds=30)),) * 2
    world.edit(image=NEXT)
    world.run(20)
    assert world.sizes == {stable: 3, world.target: 1}
    assert "2 pods of" in world.status.message
    world.run(16)
    assert "past their grace period" in world.status.message
    world.run(30)
    assert world.serving == world.revision(NEXT)


def test_a_leftover_that_cannot_be_deleted_is_named_and_withdraws_what_would_share_with_it() -> None:
    """Its pods would get traffic as well. BlueGreen needs no sharing, and goes past it."""
    world = ready_world(rollout=CANARY)
    stable = world.serving
    world.behave("bad:1", Behaviour(ready_after=2, dies_after=4)).edit(image="bad:1")
    until(world, Step.WITNESSES)
    world.undeletable.add(world.target)
    stray = world.target
    world.run(40)
    assert world.rejections() == ["CrashLoop"]
    world.behave("bad:1", Behaviour()).edit(image=NEXT).run(20)
    assert stray in world.status.message
    assert world.condition("Ready") == ("False", "LeftoversRemain")
    world.run(25)
    assert world.status.hold is not None
    assert world.status.hold.reason == "LeftoversRemain"
    assert world.serving == stable
    world.edit(rollout=CANARY | {"strategy": "BlueGreen"}).annotate("retry", "1").run(60)
    assert world.serving == world.revision(NEXT)


def test_available_counts_endpoints_not_pods() -> None:
    """A selector that leads nowhere, a slice that is not written: no one is answered, however ready the pods."""
    world = ready_world()
    seen = world.observed()
    assert world.condition("Available") == ("True", "PodsReady")
    world.serving = "nobody00"
    world.tick(0.5)
    decision = world.turn_without_acting()
    assert {c.type: c.reason for c in decision.status.conditions}["Available"] == "NoEndpoints"
    assert seen.ready_endpoints


def test_a_restart_that_hangs_on_a_crashing_pod_is_degraded_with_its_cause() -> None:
    """A Secret got a wrong password: the Deployment keeps its three old pods and one new one that crashes."""
    world = ready_world()
    crashing = PodFacts(
        "new",
        "new",
        world.now,
        down=True,
        restarts=2,
        waiting_reason="CrashLoopBackOff",
        waiting_message="back-off 20s restarting failed container",
    )
    world.lying_around[world.serving] = (crashing,)
    done = len(world.actions)
    world.run(5)
    assert world.phase() is Phase.DEGRADED
    assert "CrashLoopBackOff" in world.status.message
    assert world.condition("Available")[0] == "True"
    assert world.actions[done:] == []
    world.lying_around.clear()
    world.run(1)
    assert world.phase() is Phase.READY


def test_so_is_one_that_hangs_on_a_pod_that_does_not_become_ready() -> None:
    """Given half a minute."""
    world = ready_world()
    world.lying_around[world.serving] = (PodFacts("new", "new", world.now, ran_since=world.now),)
    world.run(20)
    assert world.phase() is Phase.READY
    world.run(15)
    assert world.phase() is Phase.DEGRADED
    assert "pod new is not ready" in world.status.message
