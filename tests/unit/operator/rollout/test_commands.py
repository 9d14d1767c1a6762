"""Annotations that ask for something once."""

from __future__ import annotations

from maraudersmap_operator.resource.status import Phase
from maraudersmap_operator.resource.status_candidate import Step

from .world import Behaviour, World

GOOD, NEXT, BAD = "good:1", "good:2", "bad:1"


def ready_world(**spec: object) -> World:
    world = World(**spec).run(30)
    assert world.phase() is Phase.READY, world.status.message
    return world


def test_manual_promotion_waits_at_full_size() -> None:
    """autoPromote off: a full set without traffic, until someone asks for it."""
    world = ready_world(rollout={"autoPromote": False}).edit(image=NEXT)
    stable = world.serving
    world.run(60)
    assert world.serving == stable
    assert world.sizes[world.revision(NEXT)] == 3
    assert world.condition("Ready") == ("False", "WaitingForPromotion")
    world.annotate("promote", "1").run(2)
    assert world.serving == world.revision(NEXT)
    world.run(70).edit(image="good:3").run(60)
    assert world.serving == world.revision(NEXT), "a used token promotes nothing else"


def test_promote_ends_the_bake() -> None:
    """Someone has looked and is sure."""
    world = ready_world(rollout={"bakeSeconds": 3600}).edit(image=NEXT).run(25)
    assert world.phase() is Phase.BAKING
    world.annotate("promote", "1").run(3)
    assert world.phase() is Phase.READY


def test_abort_rejects_the_candidate() -> None:
    """It is not tried again until retry."""
    world = ready_world().edit(image=NEXT).run(6)
    world.annotate("abort", "1").run(3)
    assert world.status.rejected[0].reason == "Aborted"
    assert world.phase() is Phase.ROLLED_BACK
    world.annotate("retry", "1").run(90)
    assert world.phase() is Phase.READY


def test_verbs_without_a_rollout_say_so_and_are_spent() -> None:
    """An old token must not hit a later rollout."""
    world = ready_world().annotate("abort", "1").annotate("promote", "1").run(2)
    assert world.reasons["NothingToAbort"] == 1
    assert world.reasons["NothingToPromote"] == 1
    world.edit(image=NEXT).run(120)
    assert world.serving == world.revision(NEXT)


def test_rollback_to_brings_an_earlier_revision_without_touching_the_spec() -> None:
    """Witnesses, full size, switch, as for any other; no migrations; the spec's next change ends it."""
    world = ready_world().edit(image=NEXT).run(120)
    old = world.revision(GOOD)
    assert set(world.sizes) == {world.revision(NEXT)}
    world.annotate("rollback-to", f"{old}/1").run(120)
    assert world.serving == old
    assert world.spec["image"] == NEXT
    assert world.phase() is Phase.ROLLED_BACK
    assert world.condition("RolledBack") == ("True", "RolledBackTo")
    done = len(world.actions)
    world.run(60)
    assert world.actions[done:] == []
    world.edit(image="good:3").run(120)
    assert world.serving == world.revision("good:3")
    assert world.phase() is Phase.READY


def test_rollback_to_stable_in_the_middle_leaves_the_candidate() -> None:
    """The quick way out: stable is there already."""
    world = ready_world().behave(NEXT, Behaviour(ready_after=60)).edit(image=NEXT).run(10)
    assert world.status.candidate is not None
    assert world.status.candidate.step is Step.WITNESSES
    stable = world.serving
    world.annotate("rollback-to", f"{stable}/1").run(3)
    assert set(world.sizes) == {stable}
    assert world.phase() is Phase.ROLLED_BACK
    world.annotate("retry", "1").run(150)
    assert world.serving == world.revision(NEXT)


def test_rollback_to_an_unknown_revision_names_the_known_ones() -> None:
    """And changes nothing."""
    world = ready_world().annotate("rollback-to", "nonsense/1").run(2)
    assert world.reasons["UnknownRevision"] == 1
    assert world.phase() is Phase.READY


def test_retry_in_the_middle_of_going_back_waits_until_it_is_over() -> None:
    """The token is not spent on a rejection that is yet to come: an exchange may take minutes to undo."""
    world = World(rollout={"strategy": "Rolling", "minReadySeconds": 3}, replicas=8).run(15)
    world.behave("app:2", Behaviour()).edit(image="app:2")
    while world.sizes[world.revision("good:1")] > 4:
        world.run(0.5)
    world.behave("app:2", Behaviour(ready_after=None)).run(8)
    assert world.status.candidate is not None
    assert world.status.candidate.verdict is not None
    world.annotate("retry", "again").behave("app:2", Behaviour()).run(120)
    assert world.serving == world.revision("app:2")
    assert world.phase() == "Ready"


def test_first_deployment_follows_the_spec_past_a_revision_with_more_pods() -> None:
    """Nothing is stable yet: what the spec has moved on from serves only until its successor is healthy."""
    world = World(autoscaling={"minReplicas": 2, "maxReplicas": 10}, rollout={"minReadySeconds": 30}).run(10)
    world.sizes[world.serving] = 8
    world.run(5).edit(image="app:2").run(60)
    assert world.serving == world.revision("app:2")
    assert world.sizes == {world.serving: 8}
    assert world.phase() == "Ready"


LONG = "x" * 200_000


def test_long_values_act_once_each_and_the_status_stays_bounded() -> None:
    world = ready_world(rollout={"bakeSeconds": 3600})
    for verb in ("restart", "retry", "abort", "promote", "rollback-to"):
        world.annotate(verb, LONG)
    world.run(5)
    assert len(world.status.model_dump_json()) < 20_000
    assert world.reasons["Restarting"] == 1
    assert world.reasons["UnknownRevision"] == 1
    world.annotate("restart", LONG + "y").run(5)
    assert world.reasons["Restarting"] == 2, "what differs at its end only is new as well"


def test_a_long_value_that_names_a_revision_and_a_place_still_means_them() -> None:
    """Cut to what stands for it, it must not become a bare token, which promotes whatever waits."""
    world = ready_world(rollout={"autoPromote": False}).edit(image=NEXT).run(60)
    stable = world.serving
    world.annotate("promote", f"bcdfghjk/FullSize/{LONG}").run(5)
    assert world.serving == stable
    assert world.reasons["NothingToPromote"] == 1
    world.run(15).annotate("promote", f"{world.revision(NEXT)}/FullSize/{LONG}").run(5)
    assert world.serving == world.revision(NEXT)


def test_a_long_value_that_an_earlier_release_has_stored_is_not_new() -> None:
    """Acting upon it again would exchange every pod at the upgrade."""
    world = ready_world().annotate("restart", LONG)
    tokens = world.status.tokens.model_copy(update={"restart": LONG})
    world.status = world.status.model_copy(update={"tokens": tokens})
    world.run(5)
    assert world.reasons["Restarting"] == 0
    assert world.status.tokens.restart == LONG
