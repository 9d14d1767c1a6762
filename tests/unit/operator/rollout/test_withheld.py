"""What a pass has learned is stored even when traffic could not be moved, and the same move is asked for again."""

from __future__ import annotations

from dataclasses import replace

from maraudersmap_operator.resource.status import Phase
from maraudersmap_operator.resource.status_candidate import Step
from maraudersmap_operator.rollout import Decision, RouteTo, Weigh

from .test_unknown import until
from .verdict.test_environment import ready_world
from .world import Behaviour, World

NEXT, BAD = "good:2", "bad:1"


def refused(world: World) -> Decision:
    """Run until a pass wants to move traffic; it may not, and everything else is carried out."""
    for _ in range(400):
        decision = world.turn_without_acting()
        moves = [a for a in decision.actions if isinstance(a, RouteTo | Weigh)]
        if moves:
            rest = tuple(a for a in decision.actions if a not in moves)
            world.carry_out(replace(decision, actions=rest, status=decision.withheld))
            return decision
        world.carry_out(decision)
        world.tick(0.5)
    raise AssertionError("traffic never moved")


def moves(decision: Decision) -> list[object]:
    return [a for a in decision.actions if isinstance(a, RouteTo | Weigh)]


def test_a_switch_that_was_refused_is_asked_for_again() -> None:
    """The step stays, and so does the old revision."""
    world = ready_world().edit(image=NEXT)
    stable = world.serving
    first = refused(world)
    assert world.status.candidate is not None
    assert world.status.candidate.step is Step.FULL_SIZE
    assert world.status.serving == stable
    for _ in range(3):
        again = refused(world)
        assert moves(again) == moves(first) == [RouteTo(world.revision(NEXT))]
    world.run(120)
    assert world.serving == world.revision(NEXT)
    assert world.phase() is Phase.READY


def test_a_verdict_is_kept_when_traffic_cannot_go_back() -> None:
    """Else the next pass, or the next operator, would have to find it again."""
    world = ready_world()
    stable = world.serving
    until(world.edit(image=NEXT), Step.BAKING)
    world.behave(NEXT, Behaviour(ready_after=None))
    first = refused(world)
    assert world.status.candidate is not None
    assert world.status.candidate.verdict is not None
    assert world.status.candidate.step is Step.BAKING
    assert world.status.serving == world.serving == world.revision(NEXT)
    assert moves(refused(world)) == moves(first) == [RouteTo(stable)]
    world.run(20)
    assert world.serving == stable
    assert world.rejections() == ["NotReadyAfterPromotion"]


def test_a_persons_promote_is_spent_only_with_its_effect() -> None:
    """An abort, whose verdict is stored, is spent at once."""
    world = until(ready_world(rollout={"autoPromote": False}).edit(image=NEXT), Step.FULL_SIZE)
    world.run(20).annotate("promote", "1")
    refused(world)
    assert world.status.tokens.promote == ""
    world.run(5)
    assert world.status.tokens.promote == "1"
    assert world.serving == world.revision(NEXT)
    world.annotate("abort", "1")
    refused(world)
    assert world.status.tokens.abort == "1"
    assert world.status.candidate is not None
    assert world.status.candidate.verdict is not None


def test_where_nothing_moves_it_is_the_status() -> None:
    """There is nothing to take back."""
    decision = ready_world().turn_without_acting()
    assert decision.withheld == decision.status
