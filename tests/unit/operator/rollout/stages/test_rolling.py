"""Scenarios of the Rolling strategy: pods are exchanged in batches, for clusters without room for two sets."""

from __future__ import annotations

import pytest

from maraudersmap_operator.resource.names import SHARED
from maraudersmap_operator.resource.status import Phase
from maraudersmap_operator.resource.status_candidate import Step

from ..world import Behaviour, World

GOOD, NEXT = "good:1", "good:2"
ROLLING = {"strategy": "Rolling", "minReadySeconds": 3, "bakeSeconds": 20}


def ready_world(replicas: int = 8, **spec: object) -> World:
    world = World(rollout=ROLLING, replicas=replicas, **spec).run(15)
    assert world.phase() is Phase.READY, world.status.message
    return world


def watched(world: World, seconds: float) -> tuple[int, int]:
    """Let time pass; the most pods there were, and the fewest ready endpoints."""
    most, fewest = 0, 1000
    for _ in range(int(seconds * 2)):
        world.turn()
        world.tick(0.5)
        most, fewest = max(most, len(world.pods)), min(fewest, len(world.endpoints))
    return most, fewest


def baking(world: World) -> World:
    """The next revision has all traffic, and stable no pods any more."""
    stable = world.serving
    world.edit(image=NEXT)
    for _ in range(200):
        world.run(0.5)
        if world.status.candidate and world.status.candidate.step is Step.BAKING:
            break
    assert world.sizes[stable] == 0
    return world


def test_exchange_needs_room_for_one_batch_and_never_serves_with_less() -> None:
    """Eight pods go in batches of two: ten at most, never fewer than eight ready."""
    world = ready_world().edit(image=NEXT)
    most, fewest = watched(world, 60)
    assert most == 10
    assert fewest == 8
    assert world.serving == world.revision(NEXT)
    world.run(30)
    assert world.phase() is Phase.READY
    assert world.sizes == {world.revision(NEXT): 8}


def test_witness_out_of_traffic_stops_a_bad_revision_before_any_exchange() -> None:
    world = ready_world().behave("bad:1", Behaviour(ready_after=None, dies_after=0.3)).edit(image="bad:1")
    stable = world.serving
    _, fewest = watched(world, 40)
    assert world.rejections() == ["CrashLoop"]
    assert fewest == 8
    assert world.sizes == {stable: 8}


def test_exchange_is_undone_in_batches_when_it_goes_wrong() -> None:
    """Half-way, the new pods fall: the old ones come back, and traffic with them."""
    world = ready_world().edit(image=NEXT)
    stable = world.serving
    for _ in range(200):
        world.run(0.5)
        if world.sizes.get(stable, 8) <= 4:
            break
    assert world.serving == SHARED
    world.behave(NEXT, Behaviour(ready_after=None)).run(60)
    assert world.rejections() == ["NotReadyAfterPromotion"]
    assert world.serving == stable
    assert world.sizes == {stable: 8}
    assert world.phase() is Phase.ROLLED_BACK


def test_bake_gives_up_by_the_same_exchange_reversed() -> None:
    """Stable has no pods any more: it gets them back while the candidate's serve as well as they can."""
    world = ready_world()
    stable = world.serving
    baking(world)
    world.annotate("abort", "no")
    most, fewest = watched(world, 60)
    assert most == 10
    assert fewest == 8
    assert world.rejections() == ["Aborted"]
    assert world.sizes == {stable: 8}


def test_a_batch_of_stable_is_ready_when_the_verdict_comes() -> None:
    """It starts when the first of the candidate's pods falls, in the room that the exchange had, without traffic."""
    world = ready_world()
    stable = world.serving
    baking(world)
    world.disrupted.add(world.pods[0].uid)
    world.run(5)
    assert world.sizes[stable] == 2
    assert world.serving == world.revision(NEXT)
    world.behave(NEXT, Behaviour(ready_after=None))
    world.run(1.5)
    assert world.serving == SHARED
    assert len(world.endpoints) == 2
    world.run(60)
    assert world.rejections() == ["NotReadyAfterPromotion"]
    assert world.sizes == {stable: 8}


def test_a_pod_of_stable_that_is_ready_before_the_fallen_one_again_ends_the_patience() -> None:
    """The first stays down while one of stable's starts: users need not wait five seconds more once half are down."""
    world = baking(ready_world(replicas=3))
    first, second, third = (p for p in world.pods if p.revision == world.revision(NEXT))
    world.hang(first).run(4)
    assert world.serving == world.revision(NEXT)
    # when
    world.hang(second).run(0.5)
    assert world.serving == SHARED
    world.hang(third).run(30)
    assert world.rejections() == ["NotReadyAfterPromotion"]


def test_a_pod_of_stable_that_was_ready_before_they_fell_ends_no_patience() -> None:
    """That it is ready shows nothing of what has hit the candidate's since."""
    world = baking(ready_world(replicas=3))
    first, second, third = (p for p in world.pods if p.revision == world.revision(NEXT))
    world.hang(first).run(4)
    world.hung.clear()
    # when
    world.run(1).hang(second, third).run(4)
    world.hung.clear()
    world.run(40)
    assert world.rejections() == []
    assert world.phase() is Phase.READY


def test_a_batch_of_stable_that_was_not_needed_goes_with_the_promotion() -> None:
    world = baking(ready_world())
    world.disrupted.add(world.pods[0].uid)
    world.run(2)
    world.disrupted.clear()
    most, fewest = watched(world, 40)
    assert most == 10
    assert fewest >= 7
    assert world.phase() is Phase.READY
    assert world.sizes == {world.revision(NEXT): 8}


@pytest.mark.parametrize(("enabled", "reversible"), [(False, True), (True, False)])
def test_nothing_is_started_for_a_way_back_that_is_not_taken(enabled: bool, reversible: bool) -> None:
    rollout = ROLLING | {"rollback": {"enabled": enabled}}
    world = World(rollout=rollout, migrations={"reversible": reversible}, replicas=8).run(15)
    stable = world.serving
    baking(world)
    world.disrupted.add(world.pods[0].uid)
    world.run(5)
    assert world.sizes[stable] == 0


def test_autoscaler_is_held_while_pods_are_exchanged() -> None:
    world = ready_world(autoscaling={"minReplicas": 4, "maxReplicas": 10})
    world.edit(image=NEXT)
    held = set()
    for _ in range(120):
        world.run(0.5)
        held.add((world.serving == SHARED, world.autoscaler.held))
    assert held == {(False, False), (True, True)}
    assert world.serving == world.revision(NEXT)
    assert world.sizes[world.revision(NEXT)] == 4


def test_what_falls_without_a_control_group_and_recovers_is_tried_again() -> None:
    """In the bake of an exchange no pod of stable is left. A database that is away for everybody then looks like a bad
    revision; that its pods are ready again beside stable's shows that it was not."""
    world = baking(ready_world())
    world.outage = True
    world.run(8)
    world.outage = False
    world.run(60)
    assert world.rejections() == []
    assert world.reasons["Withdrawn"] == 1
    assert world.status.history[0].reason == "NoControlGroup"
    world.run(120)
    assert world.serving == world.revision(NEXT)
    assert world.phase() is Phase.READY
