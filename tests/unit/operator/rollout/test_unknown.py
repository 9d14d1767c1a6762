"""It is not known what the spec asks for: what is there is kept and judged, and nothing starts."""

from __future__ import annotations

import pytest

from maraudersmap_operator.resource.status import Phase
from maraudersmap_operator.resource.status_candidate import Step
from maraudersmap_operator.rollout import Deploy, Migrate, RecordRevision, RouteTo, ScaleTo

from .verdict.test_environment import ready_world
from .world import Behaviour, World

GOOD, NEXT, BAD = "good:1", "good:2", "bad:1"
AWAY = "ConfigMap owl does not exist"


def until(world: World, step: Step) -> World:
    for _ in range(200):
        if world.status.candidate and world.status.candidate.step is step:
            return world
        world.run(0.5)
    raise AssertionError(f"never {step}: {world.status.message}")


def test_a_pin_outlives_a_reference_that_goes_and_comes() -> None:
    """Else what was undone would roll out by itself (CASES: unread taken for changed)."""
    world = ready_world()
    first = world.serving
    world.edit(image=NEXT).run(120)
    world.annotate("rollback-to", f"{first}/1").run(120)
    assert world.serving == first
    world.unknown = AWAY
    world.actions.clear()
    world.run(30)
    assert world.status.message == AWAY
    assert world.condition("Stalled") == ("True", "ConfigMapNotFound")
    assert world.condition("RolledBack")[0] == "True"
    world.unknown = ""
    world.run(60)
    assert world.actions == []
    assert world.serving == first
    assert world.phase() is Phase.ROLLED_BACK


def test_nothing_new_starts() -> None:
    """Not even when the spec changes meanwhile."""
    world = ready_world()
    world.unknown = AWAY
    world.edit(image=NEXT).run(60)
    assert not [
        a for a in world.actions if isinstance(a, Migrate | RecordRevision) and a.revision == world.target
    ]
    world.unknown = ""
    world.run(60)
    assert world.serving == world.revision(NEXT)


@pytest.mark.parametrize("step", [Step.MIGRATING, Step.WITNESSES, Step.FULL_SIZE])
def test_a_candidate_waits_where_it_is(step: Step) -> None:
    """Neither abandoned nor moved on, however long; then it goes its way."""
    world = until(ready_world(rollout={"autoPromote": step is not Step.FULL_SIZE}).edit(image=NEXT), step)
    world.unknown = AWAY
    world.run(600)
    assert world.status.candidate is not None
    assert world.status.candidate.step is step
    assert world.status.message == AWAY
    assert world.phase() is Phase.STALLED
    world.unknown = ""
    world.annotate("promote", "1").run(90)
    assert world.serving == world.revision(NEXT)
    assert world.status.candidate is None


def test_a_bad_candidate_goes_back_all_the_same() -> None:
    """And into the ledger: what it did is known."""
    world = ready_world()
    stable = world.serving
    until(world.behave(BAD, Behaviour(ready_after=1, dies_after=3)).edit(image=BAD), Step.WITNESSES)
    world.unknown = AWAY
    world.run(40)
    assert world.rejections() == ["CrashLoop"]
    assert set(world.sizes) == {stable}


def test_traffic_goes_back_from_a_bad_bake_and_a_good_one_ends() -> None:
    """The bake asks for nothing that the spec would have to say."""
    world = until(ready_world().edit(image=NEXT), Step.BAKING)
    world.unknown = AWAY
    world.run(70)
    assert world.status.stable is not None
    assert world.status.stable.image == NEXT
    world = ready_world()
    stable = world.serving
    until(world.edit(image=NEXT), Step.BAKING)
    world.unknown = AWAY
    world.behave(NEXT, Behaviour(ready_after=None)).run(20)
    assert world.serving == stable


def test_verbs_that_need_the_target_wait_for_it() -> None:
    """A retry of something unknown would be lost."""
    world = ready_world().behave(BAD, Behaviour(migration_exit=1)).edit(image=BAD).run(30)
    assert world.rejections() == ["MigrationFailed"]
    world.unknown = AWAY
    world.behave(BAD, Behaviour()).annotate("retry", "1").run(10)
    assert world.status.tokens.retry == ""
    world.unknown = ""
    world.run(90)
    assert world.serving == world.revision(BAD)


def test_stable_is_rebuilt_meanwhile() -> None:
    """Someone deletes its Deployment; during migrations too."""
    world = ready_world()
    stable = world.serving
    world.unknown = AWAY
    world.delete(stable)
    world.run(10)
    assert world.sizes == {stable: 3}
    assert Deploy(stable) in world.actions
    assert ScaleTo(stable, 3) in world.actions


def test_stable_is_kept_while_migrations_run() -> None:
    """They may take an hour."""
    world = ready_world().behave(NEXT, Behaviour(no_room=True)).edit(image=NEXT)
    stable = world.serving
    until(world, Step.MIGRATING)
    world.delete(stable)
    world.serving = "nobody00"
    world.run(10)
    assert world.sizes == {stable: 3}
    assert RouteTo(stable) in world.actions


@pytest.mark.parametrize("meanwhile", [{}, {"replicas": 4}])
def test_an_undo_that_had_to_wait_acts_once_the_spec_is_known(meanwhile: dict[str, object]) -> None:
    """What stays the same revision has nothing to do with it."""
    world = ready_world()
    first = world.serving
    world.edit(image=NEXT).run(120)
    world.unknown = AWAY
    world.annotate("rollback-to", f"{first}/1").run(5)
    assert [w.verb for w in world.status.tokens.waiting] == ["rollback-to"]
    world.edit(**meanwhile).run(5)
    world.unknown = ""
    world.run(120)
    assert world.serving == first
    assert world.status.tokens.waiting == ()


@pytest.mark.parametrize("verb", ["rollback-to", "retry"])
def test_a_verb_that_had_to_wait_is_void_once_the_spec_asks_for_something_else(verb: str) -> None:
    """Else the newest spec would be held back by a request that its author has never seen."""
    world = ready_world()
    first = world.serving
    world.edit(image=NEXT).run(120)
    world.unknown = AWAY
    world.annotate(verb, f"{first}/1").run(5).edit(image="good:3").run(5)
    assert world.reasons["VerbSuperseded"] == 1
    world.unknown = ""
    world.run(120)
    assert world.serving == world.revision("good:3")
    assert world.phase() is Phase.READY
    assert world.status.pin is None
    assert world.status.tokens.waiting == ()
    assert world.reasons["VerbSuperseded"] == 1
