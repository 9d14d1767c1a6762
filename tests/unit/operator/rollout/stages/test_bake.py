"""The bake holds what the other stages hold: both revisions, a pause, a deadline, and a way back."""

from __future__ import annotations

from maraudersmap_operator.resource.status import Phase
from maraudersmap_operator.resource.status_candidate import Step
from maraudersmap_operator.rollout import Deploy, RouteTo

from ..test_unknown import until
from ..verdict.test_environment import ready_world, seconds_in
from ..world import Behaviour, World

GOOD, NEXT = "good:1", "good:2"
QUICK = {"minReadySeconds": 3, "bakeSeconds": 20, "progressDeadlineSeconds": 30, "timeoutSeconds": 600}


def baking(**spec: object) -> World:
    return until(ready_world(rollout=QUICK, **spec).edit(image=NEXT), Step.BAKING)


def test_a_deleted_candidate_gives_traffic_back_at_once() -> None:
    """Stable stands by with ready pods; it is tried again by itself."""
    world = baking()
    stable = world.status.stable
    assert stable is not None
    world.run(3).delete(world.target)
    assert RouteTo(stable.revision) in world.turn().actions
    world.run(2)
    assert world.serving == stable.revision
    assert world.rejections() == []
    assert world.status.history[0].reason == "PodsLost"
    world.run(90)
    assert world.serving == world.revision(NEXT)


def test_an_injected_container_that_fails_under_traffic_is_nothing_against_it() -> None:
    world = baking()
    stable = world.revision(GOOD)
    world.run(3).behave(NEXT, Behaviour(injected="the container proxy: CrashLoopBackOff")).run(2)
    assert world.serving == stable
    assert world.rejections() == []
    assert world.status.history[0].reason == "InjectedContainerFailing"
    assert world.status.hold is not None
    assert "the container proxy" in world.status.hold.message


def test_a_deleted_stable_is_rebuilt() -> None:
    """Else there would be no way back, and nothing would report it."""
    world = baking()
    stable = world.revision(GOOD)
    world.run(2).delete(stable)
    world.run(1)
    assert world.status.message.count("there is no way back to good:1 now")
    world.run(6)
    assert Deploy(stable) in world.actions
    assert world.sizes[stable] == 3
    assert "no way back" not in world.status.message


def test_a_stable_that_somebody_shrinks_is_sized_again() -> None:
    """It has to carry the traffic if it comes back."""
    world = baking()
    world.sizes[world.revision(GOOD)] = 1
    world.run(1)
    assert world.sizes[world.revision(GOOD)] == 3


def test_a_pause_holds_the_bake() -> None:
    """However long; a bad candidate still goes back."""
    world = baking()
    world.edit(rollout=QUICK | {"paused": True}).run(60)
    assert world.phase() is Phase.PAUSED
    assert world.status.candidate is not None
    world.edit(rollout=QUICK).run(2)
    assert world.status.candidate is None
    world = baking()
    world.edit(rollout=QUICK | {"paused": True}).run(2)
    world.behave(NEXT, Behaviour(ready_after=None)).run(30)
    assert world.serving == world.revision(GOOD)


def test_a_bake_that_lacks_pods_for_good_goes_back() -> None:
    """No node for the third: named while it waits, withdrawn when the deadline has passed after the bake."""
    world = baking()
    world.run(2)
    lost = next(p for p in world.pods if p.revision == world.target)
    world.pods.remove(lost)
    world.no_node_for.add(world.target)
    world.run(25)
    assert "cannot be scheduled" in world.status.message
    assert world.status.candidate is not None
    world.run(35)
    assert world.rejections() == []
    assert world.status.hold is not None
    assert world.status.hold.reason == "InsufficientCapacity"
    assert world.serving == world.revision(GOOD)


def test_without_a_way_back_what_serves_is_promoted_in_the_end() -> None:
    """Nothing else could serve."""
    world = baking()
    world.behave(GOOD, Behaviour(unready_from=seconds_in(world)))
    world.run(2)
    lost = next(p for p in world.pods if p.revision == world.target)
    world.pods.remove(lost)
    world.no_node_for.add(world.target)
    world.run(30)
    assert "there is no way back" in world.status.message
    world.run(40)
    assert world.status.stable is not None
    assert world.status.stable.image == NEXT
