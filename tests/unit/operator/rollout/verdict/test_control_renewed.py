"""A trial that lasts outlives the pods that its control group began with: those that took their place show as much."""

from __future__ import annotations

import pytest

from maraudersmap_operator.resource.status_candidate import Step

from ..world import Behaviour, World
from .test_environment import assert_withdrawn, ready_world, seconds_in

GOOD, NEXT = "good:1", "good:2"
WAITS = {"strategy": "Canary", "steps": [{"share": 50, "pause": True}], "bakeSeconds": 20}


def waiting(**spec: object) -> World:
    """A candidate with half of the traffic, until someone promotes it."""
    world = ready_world(rollout=WAITS, **spec).edit(image=NEXT).run(30)
    assert world.status.candidate is not None
    assert world.status.candidate.step is Step.SHARING
    return world


def replace_stable(world: World) -> None:
    """By a drain of its nodes, or a restart in place."""
    assert world.status.stable is not None
    gone = [p for p in world.pods if p.revision == world.status.stable.revision]
    for pod in gone:
        world.pods.remove(pod)
        world.run(6)


def control_group(world: World) -> set[str]:
    assert world.status.candidate is not None
    return {c.pod for c in world.status.candidate.memory.control_group.pods}


def test_what_ails_both_is_not_held_against_the_candidate() -> None:
    world = waiting()
    stable = world.status.stable
    assert stable is not None
    replace_stable(world)
    # when
    now = seconds_in(world)
    world.behave(NEXT, Behaviour(unready_from=now)).behave(GOOD, Behaviour(unready_from=now))
    world.run(20)
    # then
    assert_withdrawn(world, stable.revision, "StableDisturbed")


def test_what_ails_the_candidate_alone_is() -> None:
    world = waiting()
    replace_stable(world)
    # when
    world.behave(NEXT, Behaviour(unready_from=seconds_in(world))).run(40)
    # then
    assert world.rejections() == ["NotReadyAfterPromotion"]


@pytest.mark.parametrize("replicas", [3, 200])
def test_the_group_neither_grows_nor_changes_while_its_pods_are_there(replicas: int) -> None:
    world = waiting(replicas=replicas)
    before = control_group(world)
    world.edit(replicas=replicas + 2).run(20)
    assert control_group(world) == before
    if replicas == 3:
        replace_stable(world)
        assert len(control_group(world)) == len(before)
        assert not control_group(world) & before
