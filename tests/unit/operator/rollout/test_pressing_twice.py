"""promote names the step it is meant for, and twice is once; undo is an emergency."""

from __future__ import annotations

from maraudersmap_operator.resource.names import SHARED
from maraudersmap_operator.resource.status_candidate import Step

from .test_unknown import until
from .verdict.test_environment import ready_world
from .world import Behaviour, World

GOOD, NEXT = "good:1", "good:2"
MANUAL = {"minReadySeconds": 3, "autoPromote": False, "bakeSeconds": 300}
CANARY = {
    "minReadySeconds": 3,
    "strategy": "Canary",
    "steps": [{"share": 10, "pause": True}, {"share": 30, "pause": True}, {"share": 50, "pause": True}],
}


def at_the_gate() -> World:
    world = until(ready_world(rollout=MANUAL).edit(image=NEXT), Step.FULL_SIZE).run(10)
    assert world.condition("Ready") == ("False", "WaitingForPromotion")
    return world


def test_two_bare_tokens_within_seconds_are_one() -> None:
    """The second does not end the bake that the first has begun."""
    world = at_the_gate().annotate("promote", "1").run(2).annotate("promote", "2").run(20)
    assert world.status.candidate is not None
    assert world.status.candidate.step is Step.BAKING
    assert world.status.tokens.promote == "2"
    world.annotate("promote", "3").run(3)
    assert world.status.candidate is None


def test_a_token_that_names_a_step_ends_that_step_alone() -> None:
    """However late the second one comes."""
    world = at_the_gate()
    named = f"{world.target}/FullSize"
    world.annotate("promote", f"{named}/1").run(30).annotate("promote", f"{named}/2").run(30)
    assert world.status.candidate is not None
    assert world.status.candidate.step is Step.BAKING
    assert world.reasons["NothingToPromote"] == 1
    world.annotate("promote", f"{world.target}/Baking/3").run(3)
    assert world.status.candidate is None


def test_a_token_for_a_step_before_acts_where_the_rollout_next_waits() -> None:
    """Pressed during the trial: once, at the first pause, and never again."""
    world = until(ready_world(rollout=CANARY).edit(image=NEXT), Step.WITNESSES)
    named = f"{world.target}/Witnesses"
    world.annotate("promote", f"{named}/1").run(30)
    assert world.status.candidate is not None
    assert world.status.candidate.place == "Sharing-2"
    world.annotate("promote", f"{named}/2").run(15)
    assert world.status.candidate is not None
    assert world.status.candidate.place == "Sharing-2"
    world.annotate("promote", f"{world.target}/Sharing-2/3").run(5)
    assert world.status.candidate is not None
    assert world.status.candidate.place == "Sharing-3"


def test_a_token_for_a_step_that_ended_by_itself_ends_no_other() -> None:
    """Someone wanted to cut the first hold short, and was too late."""
    steps = [{"share": 10, "holdSeconds": 5}, {"share": 50, "holdSeconds": 60}]
    world = ready_world(rollout=CANARY | {"steps": steps}).edit(image=NEXT)
    for _ in range(100):
        if world.status.candidate and world.status.candidate.place == "Sharing-2":
            break
        world.run(0.5)
    world.annotate("promote", f"{world.target}/Sharing-1/1").run(20)
    assert world.status.candidate is not None
    assert world.status.candidate.place == "Sharing-2"


def test_a_token_for_another_revision_promotes_nothing() -> None:
    """The spec has moved on since someone pressed."""
    world = at_the_gate().annotate("promote", "zzzzzzzz/FullSize/1").run(10)
    assert world.status.candidate is not None
    assert world.status.candidate.step is Step.FULL_SIZE
    assert world.reasons["NothingToPromote"] == 1


def test_undo_skips_holds_gates_and_a_pause_but_not_readiness() -> None:
    """An emergency, in a resource whose rollouts wait for people."""
    world = ready_world(rollout=CANARY).edit(image=NEXT)
    old = world.serving
    for step in ("Sharing-1", "Sharing-2", "Sharing-3"):
        for _ in range(100):
            if world.status.candidate and world.status.candidate.place == step and world.serving == SHARED:
                break
            world.run(0.5)
        world.annotate("promote", f"{world.target}/{step}/t")
    world.run(90)
    assert world.status.stable is not None
    assert world.status.stable.image == NEXT
    world.edit(rollout=CANARY | {"paused": True}).behave(GOOD, Behaviour(ready_after=6))
    world.annotate("rollback-to", f"{old}/1").run(6)
    assert world.serving == world.revision(NEXT)
    world.run(25)
    assert world.serving == old
