"""Scenarios of the Canary strategy: after the trial out of traffic, growing shares of it."""

from __future__ import annotations

from maraudersmap_operator.resource.names import SHARED
from maraudersmap_operator.resource.status import Phase
from maraudersmap_operator.resource.status_candidate import Step
from maraudersmap_operator.resource.status_outcomes import Outcome
from maraudersmap_operator.rollout import RouteTo

from ..world import Behaviour, World

GOOD, NEXT = "good:1", "good:2"
CANARY = {
    "strategy": "Canary",
    "minReadySeconds": 3,
    "bakeSeconds": 10,
    "steps": [{"share": 10, "holdSeconds": 20}, {"share": 50, "holdSeconds": 20}],
}


def ready_world(**spec: object) -> World:
    world = World(rollout=CANARY, **spec).run(15)
    assert world.phase() is Phase.READY, world.status.message
    return world


def until(world: World, step: Step) -> World:
    """Run to a step that traffic has followed."""
    for _ in range(400):
        candidate = world.status.candidate
        if (
            candidate
            and candidate.step is step
            and (candidate.memory.progress.settled_at or step is Step.BAKING)
        ):
            return world
        world.run(0.5)
    raise AssertionError(f"never at {step}: {world.status.message}")


def test_shares_follow_from_the_number_of_pods_and_grow_step_by_step() -> None:
    """10 % of three pods is one pod, 50 % is three; then everything moves at once."""
    world = ready_world().edit(image=NEXT)
    old = world.serving
    until(world, Step.SHARING)
    new = world.revision(NEXT)
    assert world.serving == SHARED
    assert world.sizes == {old: 3, new: 1}
    assert "25 % of the traffic" in world.status.message
    assert world.status.serving == SHARED
    assert world.status.replicas.ready == world.status.replicas.desired == 4
    world.run(25)
    assert world.sizes == {old: 3, new: 3}
    until(world, Step.BAKING)
    assert world.serving == new
    world.run(30)
    assert world.phase() is Phase.READY
    assert world.sizes == {new: 3}
    assert [a.revision for a in world.actions if isinstance(a, RouteTo)][-2:] == [SHARED, new]


def test_witnesses_beyond_the_first_share_leave_before_users_come() -> None:
    """Two witnesses beside three pods would get 40 % where 10 were asked for."""
    world = ready_world().edit(image=NEXT)
    most = 0
    for _ in range(60):
        world.run(0.5)
        if world.serving == SHARED and world.status.candidate and world.status.candidate.canary_step == 0:
            most = max(most, len([p for p in world.pods if p.revision == world.revision(NEXT)]))
    assert most == 1


def test_pods_that_fall_under_shared_traffic_are_taken_back() -> None:
    """Stable has answered throughout; the revision enters the ledger."""
    world = until(ready_world().edit(image=NEXT), Step.SHARING)
    stable = world.status.stable
    assert stable is not None
    world.behave(NEXT, Behaviour(ready_after=None)).run(6)
    assert world.serving == stable.revision
    world.run(16)
    assert world.rejections() == ["NotReadyAfterPromotion"]
    assert world.serving == stable.revision
    assert world.sizes == {stable.revision: 3}


def test_pause_waits_for_a_person_and_no_deadline_counts_the_wait() -> None:
    """An hour at the first share; the rollout goes on, and a pod lost afterwards has the whole deadline again."""
    steps = [{"share": 10, "pause": True}, {"share": 50, "holdSeconds": 5}]
    world = World(rollout=CANARY | {"steps": steps, "timeoutSeconds": 600}).run(15).edit(image=NEXT)
    until(world, Step.SHARING)
    world.run(3600, step=5)
    assert world.status.candidate is not None
    assert world.status.candidate.canary_step == 0
    assert world.condition("Ready") == ("False", "WaitingForPromotion")
    world.annotate("promote", "go")
    until(world, Step.BAKING)
    world.run(20)
    assert world.phase() is Phase.READY
    assert world.status.history[0].outcome is Outcome.PROMOTED


def test_promote_ends_a_hold_early() -> None:
    steps = [{"share": 10, "holdSeconds": 3600}]
    world = World(rollout=CANARY | {"steps": steps}).run(15).edit(image=NEXT)
    until(world, Step.SHARING)
    world.annotate("promote", "now").run(15)
    assert world.serving == world.revision(NEXT)


def test_autoscaler_stays_with_stable_and_never_below_what_served() -> None:
    """The candidate takes load off stable: the autoscaler must not answer by shrinking what there is to go back to."""
    world = ready_world(autoscaling={"minReplicas": 2, "maxReplicas": 10})
    stable = world.serving
    world.sizes[stable] = 5
    until(world.run(5).edit(image=NEXT), Step.SHARING)
    assert world.autoscaler.revision == stable
    assert world.autoscaler.least == 5
    assert not world.autoscaler.held
    until(world, Step.BAKING)
    assert world.autoscaler.revision == world.revision(NEXT)
    assert world.sizes[world.revision(NEXT)] == 5


def test_new_spec_in_the_middle_takes_traffic_back_first() -> None:
    """Superseded, not rejected: traffic to stable, then the next candidate starts out of traffic."""
    world = until(ready_world().edit(image=NEXT), Step.SHARING)
    stable = world.status.stable
    assert stable is not None
    world.edit(image="good:3").run(3)
    assert world.serving == stable.revision
    assert world.rejections() == []
    world.run(120)
    assert world.phase() is Phase.READY
    assert world.serving == world.revision("good:3")


def test_stable_lost_in_the_middle_lets_the_candidate_through() -> None:
    """Nothing to protect: the healthy candidate takes all traffic at full size."""
    world = until(ready_world().edit(image=NEXT), Step.SHARING)
    world.status = world.status.model_copy(
        update={
            "candidate": world.status.candidate
            and world.status.candidate.but(memory={"control_group": {"pods": ()}})
        }
    )
    world.behave(GOOD, Behaviour(ready_after=None)).run(10)
    assert world.serving == world.revision(NEXT)
    assert world.sizes[world.revision(NEXT)] == 3


def test_pods_that_a_smaller_share_sends_away_have_not_crashed() -> None:
    """After a bad start three pods are there, a share of 10 % needs one: the others' ends are the operator's doing."""
    recovers = Behaviour(ready_after=1, dies_after=0.3, dies_until=6)
    world = ready_world().behave(NEXT, recovers).edit(image=NEXT)
    until(world, Step.SHARING)
    assert world.sizes[world.revision(NEXT)] == 1
    world.run(60)
    assert world.status.rejected == ()
    assert world.serving == world.revision(NEXT)
