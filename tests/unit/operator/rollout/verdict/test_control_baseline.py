"""A stable revision that was sick before is no control group: only what is worse than before is a disturbance."""

from __future__ import annotations

from ..world import Behaviour, World
from .test_environment import ready_world, seconds_in

GOOD, NEXT = "good:1", "good:2"
SICK = Behaviour(unready_of=(6, 45))
QUICK = {"minReadySeconds": 10, "bakeSeconds": 20}


def sick_world(**spec: object) -> World:
    return ready_world(rollout=QUICK, **spec).behave(GOOD, SICK).run(180)


def test_the_fix_gets_through_beside_a_stable_revision_that_flaps() -> None:
    """Each of its pods is unready for 6 s of every 45 s, each at its own time."""
    world = sick_world().edit(image=NEXT).run(90)
    assert world.status.stable is not None
    assert world.status.stable.image == NEXT
    assert [h.reason for h in world.status.history if h.reason] == []


def test_worse_than_before_is_a_disturbance() -> None:
    """All of them at once, where there was never more than one."""
    world = sick_world().edit(image=NEXT).run(6)
    world.behave(GOOD, Behaviour(unready_from=seconds_in(world))).run(5)
    assert world.status.hold is not None
    assert world.status.hold.reason == "StableDisturbed"
    assert "more than they did before" in world.status.hold.message


def test_a_quiet_stable_revision_adds_nothing_to_the_status() -> None:
    """A write for each pass would be one too many."""
    world = ready_world()
    before = world.status
    assert world.run(60).status == before
    assert before.stable is not None
    assert before.stable.memory.unrest == ()


def test_promote_overrides_it_and_says_so() -> None:
    """Someone knows why stable suffers: the revision on its way mends it."""
    world = ready_world(rollout=QUICK).edit(image=NEXT).run(6)
    world.behave(GOOD, Behaviour(unready_from=seconds_in(world))).run(5)
    assert world.status.hold is not None
    assert world.status.hold.reason == "StableDisturbed"
    world.behave(GOOD, Behaviour(unready_of=(30, 40)))
    world.annotate("promote", "1").run(60)
    assert world.reasons["Overridden"] == 1
    assert world.serving == world.revision(NEXT)


def test_undo_overrides_it() -> None:
    """The revision that serves is sick, and someone wants the one before."""
    world = ready_world(rollout=QUICK)
    old = world.serving
    world.edit(image=NEXT).run(60)
    world.behave(NEXT, Behaviour(unready_of=(6, 45))).run(30)
    world.annotate("rollback-to", f"{old}/1").run(3)
    world.behave(NEXT, Behaviour(unready_of=(20, 45))).run(40)
    assert world.serving == old
    assert world.status.hold is None
