"""Deadlines count what someone watched: a gap between two leaders is no evidence."""

from __future__ import annotations

import pytest

from maraudersmap_operator.resource.status_candidate import Step

from .test_unknown import until
from .verdict.test_environment import ready_world
from .world import Behaviour, World

NEXT, BAD = "good:2", "bad:1"
QUICK = {"minReadySeconds": 3, "bakeSeconds": 20, "progressDeadlineSeconds": 30, "timeoutSeconds": 60}


def nobody_looks(world: World, seconds: float) -> World:
    world.tick(seconds)
    world.unwatched = seconds
    return world


@pytest.mark.parametrize("gap", [40, 600])
def test_neither_deadline_counts_the_gap(gap: float) -> None:
    """It becomes ready 12 s into what is watched; without the credit the first look after the gap would reject it."""
    world = until(
        ready_world(rollout=QUICK, replicas=2).behave(NEXT, Behaviour(ready_after=gap + 15)).edit(image=NEXT),
        Step.WITNESSES,
    )
    nobody_looks(world.run(5), gap).run(60)
    assert world.rejections() == []
    assert world.status.hold is None
    assert world.serving == world.revision(NEXT)


def test_it_is_credited_once() -> None:
    """And stored: the next operator knows of it."""
    world = until(
        ready_world(rollout=QUICK).behave(BAD, Behaviour(ready_after=None)).edit(image=BAD), Step.WITNESSES
    )
    nobody_looks(world, 100).run(10)
    assert world.status.candidate is not None
    assert world.status.candidate.memory.progress.unwatched_seconds == 100
    world.run(25)
    assert world.rejections() == ["ProgressDeadlineExceeded"]
    assert world.status.rejected[0].detect_seconds > 100


def test_a_bake_lasts_as_long_as_it_is_watched() -> None:
    """Else a good night's outage of the operator would promote anything."""
    world = until(ready_world(rollout=QUICK).edit(image=NEXT), Step.BAKING)
    nobody_looks(world, 300).run(10)
    assert world.status.candidate is not None
    assert world.status.candidate.step is Step.BAKING
    world.run(20)
    assert world.status.candidate is None
