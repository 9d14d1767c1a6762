"""Phase, reason of Ready and message come from one situation: the first of a list that holds, and each of them can be met."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status import ConditionType, Phase
from maraudersmap_operator.resource.status_candidate import Step
from maraudersmap_operator.rollout import Need, phase
from maraudersmap_operator.rollout.context import Context
from maraudersmap_operator.rollout.phase import PRECEDENCE, Situation

from .test_unknown import until
from .verdict.test_environment import ready_world
from .verdict.test_own_fault import QUICK
from .world import Behaviour, World

NEXT, BAD = "good:2", "bad:1"
AWAY = "ConfigMap owl does not exist"
CANARY = {"strategy": "Canary", "steps": [{"share": 50, "holdSeconds": 60}]}
GATEWAY = {"parentRefs": [{"name": "edge"}]}


def held_for_good() -> World:
    """Its pods are lost each time that it has traffic."""
    world = ready_world(rollout=QUICK, replicas=2).edit(image=NEXT)
    for _ in range(3):
        for _ in range(400):
            if world.serving == world.target:
                break
            world.run(0.5)
        world.run(1).delete(world.target)
        world.run(3)
    return world


def unknown() -> World:
    world = ready_world()
    world.unknown = AWAY
    return world


def unread() -> World:
    world = ready_world()
    world.references = Need(False, Reason.REFERENCES_UNREAD, "Secret owl could not be read")
    return world


def pinned() -> World:
    world = ready_world()
    first = world.serving
    return world.edit(image=NEXT).run(120).annotate("rollback-to", f"{first}/1").run(120)


def superseded() -> World:
    """The first rollout has made room for another one."""
    return World().run(2).edit(image=NEXT)


def without_database() -> World:
    world = ready_world()
    world.set_database(False)
    return world


def without_route() -> World:
    world = ready_world(gateway=GATEWAY)
    world.no_gateway = True
    return world


def one_pod_short() -> World:
    """It is gone, and no other can be created in its place."""
    world = ready_world()
    world.create_error, world.pods = "exceeded quota: all", world.pods[1:]
    world.tick(1)
    return world


def node_lost() -> World:
    world = ready_world()
    world.disrupted.add(world.pods[0].uid)
    world.tick(1)
    return world


# How each is met, the reason of Ready that goes with it, and words of its message.
MET: dict[str, tuple[Callable[[], World], Reason, str]] = {
    "_suspended": (lambda: ready_world().edit(suspend=True), Reason.SUSPENDED, "no pods run"),
    "_paused": (
        lambda: ready_world().edit(image=NEXT, rollout={"paused": True}),
        Reason.PAUSED,
        "the new revision waits",
    ),
    "_held_for_good": (held_for_good, Reason.PODS_LOST, "is not tried again by itself"),
    "_held_until_next_try": (
        lambda: ready_world().behave(NEXT, Behaviour(pull_denied=True)).edit(image=NEXT).run(8),
        Reason.IMAGE_PULL_DENIED,
        "the next try follows",
    ),
    "_needs_a_person": (unknown, Reason.CONFIG_MAP_NOT_FOUND, AWAY),
    "_first_rollout": (lambda: World().run(3), Reason.WAITING_FOR_PODS, "pods"),
    "_baking": (lambda: until(ready_world().edit(image=NEXT), Step.BAKING), Reason.BAKING, "is watched"),
    "_rolling_out": (
        lambda: until(ready_world(rollout=CANARY).edit(image=NEXT), Step.SHARING).run(10),
        Reason.ROLLING_OUT,
        "of the traffic",
    ),
    "_blocked": (unread, Reason.REFERENCES_UNREAD, "could not be read"),
    "_pinned": (pinned, Reason.ROLLED_BACK, "asked for by hogwarts.edu/rollback-to"),
    "_rejected": (
        lambda: ready_world().behave(BAD, Behaviour(image_missing=True)).edit(image=BAD).run(60),
        Reason.ROLLED_BACK,
        "was rolled back (ImageNotFound",
    ),
    "_about_to_start": (superseded, Reason.PENDING, "pods of revision"),
    "_without_database": (without_database, Reason.DEGRADED, "away"),
    "without_route": (without_route, Reason.DEGRADED, "no Gateway"),
    "_weak": (one_pod_short, Reason.DEGRADED, "; exceeded quota: all"),
    "_incomplete": (node_lost, Reason.DEGRADED, "pods of revision"),
    "describe_serving": (ready_world, Reason.STABLE_SERVING, "pods of revision"),
}


@pytest.mark.parametrize("situation", PRECEDENCE, ids=lambda s: s.message.__name__)
def test_each_situation_is_met_and_gives_all_three(
    situation: Situation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every sentence is exchanged for the name of its situation: what is shown names the one that it comes from."""
    name = situation.message.__name__
    story, reason, words = MET[name]
    world = story()
    shown = world.turn_without_acting().status
    monkeypatch.setattr(phase, "PRECEDENCE", [_named(s) for s in PRECEDENCE])
    assert world.turn_without_acting().status.message.split("; ")[0] == name
    ready = shown.condition(ConditionType.READY)
    assert ready is not None
    assert (shown.phase, ready.reason) == (situation.phase, reason)
    assert words in shown.message
    assert ready.message == shown.message


def test_there_is_always_one_and_each_is_named_once() -> None:
    assert [s.message.__name__ for s in PRECEDENCE] == list(MET)
    assert {s.phase for s in PRECEDENCE} == set(Phase)


def test_a_rollout_that_is_suspended_is_shown_as_suspended() -> None:
    """Its candidate is kept, but no pod of it runs: it is not on trial."""
    world = until(ready_world().edit(image=NEXT), Step.WITNESSES).edit(suspend=True).run(5)
    assert world.status.candidate is not None
    assert world.phase() is Phase.SUSPENDED
    assert world.status.message == "spec.suspend is true: no pods run"


def _named(situation: Situation) -> Situation:
    def message(context: Context) -> str:
        return situation.message.__name__ if situation.message(context) else ""

    return Situation(situation.phase, message, situation.reason)
