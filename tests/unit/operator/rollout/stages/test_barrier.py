"""spec.migrations.reversible: false. The schema has moved past what the stable revision works with."""

from __future__ import annotations

from maraudersmap_operator.resource.status import Phase
from maraudersmap_operator.resource.status_candidate import Step

from ..world import Behaviour, World

GOOD, BAD = "good:1", "bad:1"
QUICK = {"minReadySeconds": 3, "bakeSeconds": 30}
CRASHES = Behaviour(ready_after=None, dies_after=0.3)


def world_without_way_back(**spec: object) -> World:
    world = World(migrations={"reversible": False}, rollout=QUICK, **spec).run(20)
    assert world.phase() is Phase.READY, world.status.message
    return world


def baking(world: World) -> World:
    while not (world.status.candidate and world.status.candidate.step is Step.BAKING):
        world.run(0.5)
    return world


def test_bad_revision_behind_the_barrier_waits_for_a_person() -> None:
    """No rollback by itself, no ledger entry; the message names the two ways on."""
    world = world_without_way_back().behave(BAD, CRASHES).edit(image=BAD).run(60)
    assert world.phase() is Phase.STALLED
    assert world.condition("Ready") == ("False", "IrreversibleMigration")
    assert "CrashLoop" in world.status.message
    assert "hogwarts.edu/abort" in world.status.message
    assert world.rejections() == []
    assert world.revision(BAD) in world.sizes


def test_traffic_stays_where_it_is_when_pods_fall_in_the_bake() -> None:
    world = baking(world_without_way_back().edit(image="good:2"))
    world.behave("good:2", Behaviour(ready_after=None)).run(10)
    assert world.serving == world.revision("good:2")
    assert world.condition("Ready") == ("False", "IrreversibleMigration")


def test_a_person_may_go_back_all_the_same() -> None:
    world = world_without_way_back().behave(BAD, CRASHES).edit(image=BAD).run(60)
    world.annotate("abort", "I know").run(5)
    assert world.rejections() == ["Aborted"]
    assert world.serving == world.revision(GOOD)


def test_barrier_falls_when_a_person_goes_back_all_the_same() -> None:
    """The old revision works with the new schema, as they know: what is tried next and falls goes back to it."""
    world = world_without_way_back().behave(BAD, CRASHES).edit(image=BAD).run(60)
    world.annotate("abort", "I know").run(5)
    assert world.status.barrier == ""
    world = baking(world.behave("good:2", Behaviour(migration_unchanged=True)).edit(image="good:2"))
    world.behave("good:2", Behaviour(ready_after=None, migration_unchanged=True)).run(25)
    assert world.serving == world.revision(GOOD)
    assert world.rejections() == ["NotReadyAfterPromotion", "Aborted"]


def test_corrected_spec_goes_forward_from_what_serves() -> None:
    """Superseded under traffic: it is what the next revision is measured against, nothing goes back to old code."""
    world = baking(world_without_way_back().edit(image="good:2"))
    old = world.revision(GOOD)
    world.edit(image="good:3")
    for _ in range(100):
        world.run(0.5)
        assert world.serving != old
    assert world.status.stable is not None
    assert world.status.stable.image == "good:3"


def test_job_that_changed_nothing_sets_no_barrier() -> None:
    """A change of configuration is rolled back as ever."""
    behaviour = Behaviour(ready_after=None, dies_after=0.3, migration_unchanged=True)
    world = world_without_way_back().behave(BAD, behaviour).edit(image=BAD).run(30)
    assert world.rejections() == ["CrashLoop"]


def test_barrier_falls_when_the_revision_behind_it_is_stable() -> None:
    world = world_without_way_back().edit(image="good:2").run(90)
    assert world.phase() is Phase.READY
    assert world.status.barrier == ""


def test_barrier_survives_the_death_of_the_operator() -> None:
    """Whatever the last action that was carried out, the next pass knows of it."""
    for keep in range(4):
        world = world_without_way_back().behave(BAD, CRASHES).edit(image=BAD)
        for _ in range(60):
            decision = world.turn_without_acting()
            world.carry_out(
                decision, only=min(keep, len(decision.actions)) if decision.status.barrier else None
            )
            if decision.status.barrier:
                break
            world.tick(0.5)
        world.run(60)
        assert world.rejections() == []
        assert world.status.barrier == world.revision(BAD)
