"""Answers decide: a worse candidate goes back, one that cannot be judged follows the policy."""

from __future__ import annotations

import pytest

from maraudersmap_operator.resource.status import Phase
from maraudersmap_operator.resource.status_candidate import Step

from ..world import Behaviour, World

NEXT = "good:2"
STEPS = [{"share": 25, "holdSeconds": 40}, {"share": 50, "holdSeconds": 10}]


def busy_world(strategy: str = "BlueGreen", requests_per_second: int = 20, **analysis: object) -> World:
    rollout = {"strategy": strategy, "minReadySeconds": 10, "bakeSeconds": 40, "analysis": analysis}
    if strategy == "Canary":
        rollout["steps"] = STEPS
    world = World(rollout=rollout).run(30)
    assert world.phase() is Phase.READY
    world.requests_per_second = requests_per_second
    return world


@pytest.mark.parametrize("strategy", ["BlueGreen", "Canary", "Rolling"])
@pytest.mark.parametrize(
    ("behaviour", "reason"), [(Behaviour(errors_percent=20), "ErrorRate"), (Behaviour(slow=True), "Latency")]
)
def test_worse_answers_go_back_within_thirty_seconds_of_traffic(
    strategy: str, behaviour: Behaviour, reason: str
) -> None:
    world = busy_world(strategy)
    stable = world.serving
    world.behave(NEXT, behaviour).edit(image=NEXT)
    while world.serving == stable:
        world.run(0.5)
    for _ in range(60):
        world.run(0.5)
        if world.status.candidate is None or world.status.candidate.verdict:
            break
    else:
        raise AssertionError(f"not within 30 s: {world.status.message}")
    world.run(40)
    assert world.rejections() == [reason]
    assert world.serving == stable


@pytest.mark.parametrize("strategy", ["BlueGreen", "Canary", "Rolling"])
def test_answers_as_good_as_before_are_promoted(strategy: str) -> None:
    world = busy_world(strategy).edit(image=NEXT).run(150)
    assert world.serving == world.revision(NEXT)
    assert world.phase() is Phase.READY


def test_both_sides_failing_alike_is_not_held_against_the_candidate() -> None:
    world = busy_world()
    world.behave("good:1", Behaviour(errors_percent=20)).behave(NEXT, Behaviour(errors_percent=20))
    world.edit(image=NEXT).run(120)
    assert world.rejections() == []
    assert world.serving == world.revision(NEXT)


def test_without_traffic_it_passes_and_says_so() -> None:
    world = busy_world(requests_per_second=0).edit(image=NEXT).run(120)
    assert world.phase() is Phase.READY
    assert world.reasons["AnalysisInconclusive"] == 1


def test_without_traffic_it_may_wait_for_a_person() -> None:
    world = busy_world(requests_per_second=0, onInconclusive="Pause").edit(image=NEXT).run(120)
    assert world.condition("Ready") == ("False", "WaitingForPromotion")
    assert world.status.candidate is not None
    assert world.status.candidate.step is Step.BAKING
    world.annotate("promote", "seen it").run(5)
    assert world.phase() is Phase.READY


def test_without_traffic_it_may_count_as_failed() -> None:
    world = busy_world(requests_per_second=0, onInconclusive="Fail").edit(image=NEXT).run(120)
    assert world.rejections() == ["AnalysisInconclusive"]


def test_switched_off_nobody_looks() -> None:
    world = busy_world(enabled=False).behave(NEXT, Behaviour(errors_percent=50)).edit(image=NEXT).run(120)
    assert world.phase() is Phase.READY
    assert world.serving == world.revision(NEXT)
