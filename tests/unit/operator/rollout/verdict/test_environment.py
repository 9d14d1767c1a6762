"""Not the revision's fault: traffic on stable, candidate gone, no ledger entry, another try later."""

from __future__ import annotations

from dataclasses import replace

from maraudersmap_operator.resource.status import Phase
from maraudersmap_operator.resource.status_outcomes import Outcome
from maraudersmap_operator.rollout import PodFacts

from ..world import START, Behaviour, World

GOOD, NEXT, BAD = "good:1", "good:2", "bad:1"


def ready_world(**spec: object) -> World:
    world = World(**spec).run(30)
    assert world.phase() is Phase.READY, world.status.message
    return world


def seconds_in(world: World) -> float:
    return (world.now - START).total_seconds()


def assert_withdrawn(world: World, stable: str, reason: str) -> None:
    assert world.status.rejected == ()
    assert world.status.hold is not None
    assert world.status.hold.reason == reason
    assert world.serving == stable
    assert set(world.sizes) == {stable}
    assert world.phase() is Phase.PENDING
    assert world.status.history[0].outcome is Outcome.WITHDRAWN


def test_expired_pull_credentials_withdraw_and_heal() -> None:
    """Running pods do not pull, so stable shows nothing; the registry's refusal is no verdict on the code."""
    world = ready_world().behave(NEXT, Behaviour(pull_denied=True)).edit(image=NEXT)
    stable = world.serving
    world.run(8)
    assert_withdrawn(world, stable, "ImagePullDenied")
    world.behave(NEXT, Behaviour()).run(60)
    assert world.serving == world.revision(NEXT)


def test_full_quota_withdraws() -> None:
    """The ReplicaSet controller's message shows it; the second try comes later than the first."""
    world = ready_world().edit(image=NEXT)
    stable = world.serving
    world.create_error = (
        'pods "x" is forbidden: exceeded quota: all, requested: pods=1, used: pods=3, limited: pods=3'
    )
    world.run(12)
    assert_withdrawn(world, stable, "QuotaExceeded")
    world.run(45)
    assert world.status.hold is not None
    assert world.status.hold.attempts == 2
    world.create_error = ""
    world.run(180)
    assert world.serving == world.revision(NEXT)
    assert world.status.hold is None


def test_no_room_for_the_migrations_withdraws() -> None:
    """Its pod asks for as much as the candidate's. The Job's own deadline would make it a failure of the revision."""
    world = ready_world(rollout={"progressDeadlineSeconds": 20})
    stable = world.serving
    world.behave(NEXT, Behaviour(no_room=True)).edit(image=NEXT).run(19)
    assert world.status.hold is None
    world.run(5)
    assert_withdrawn(world, stable, "InsufficientCapacity")
    world.behave(NEXT, Behaviour()).run(90)
    assert world.serving == world.revision(NEXT)


def test_a_database_away_longer_than_a_rollout_may_last_is_not_held_against_the_revision() -> None:
    """The migrations cannot reach it (exit code 75) again and again, with pauses that grow past the rollout's time."""
    world = ready_world(rollout={"progressDeadlineSeconds": 20, "timeoutSeconds": 30})
    stable = world.serving
    world.behave(NEXT, Behaviour(migration_exit=75)).edit(image=NEXT).run(90)
    assert world.status.rejected == ()
    assert world.serving == stable
    assert "DatabaseUnreachable" in {h.reason for h in world.status.history}
    world.behave(NEXT, Behaviour()).run(200)
    assert world.serving == world.revision(NEXT)


def test_candidate_that_starves_stable_is_withdrawn() -> None:
    """Stable pods lose readiness after it started: traffic stays, the candidate goes, nothing is remembered."""
    world = ready_world().edit(image=NEXT)
    stable = world.serving
    world.run(6).behave(GOOD, Behaviour(unready_from=seconds_in(world)))
    world.run(4)
    assert world.status.hold is not None
    assert world.status.hold.reason == "StableDisturbed"
    assert world.status.rejected == ()
    assert set(world.sizes) == {stable}


def test_database_down_for_everybody_enters_no_ledger_in_the_bake() -> None:
    """The candidate's probe fails first, stable's a few seconds later: the second thought decides."""
    world = ready_world().edit(image=NEXT)
    world.run(25)
    assert world.phase() is Phase.BAKING
    now = seconds_in(world)
    world.behave(NEXT, Behaviour(unready_from=now)).behave(GOOD, Behaviour(unready_from=now + 5))
    world.run(30)
    assert world.status.rejected == ()
    assert world.status.history[0].outcome is Outcome.WITHDRAWN


def test_lost_node_is_not_held_against_anybody() -> None:
    """Pods of both revisions on it look unready: the rollout goes on."""
    world = ready_world().edit(image=NEXT).run(6)
    world.disrupted = {next(p.uid for p in world.pods if p.revision == world.serving)}
    world.run(20)
    assert world.status.hold is None
    assert world.status.rejected == ()
    assert world.serving == world.revision(NEXT)


def test_oom_kills_are_reported_by_name() -> None:
    """Counted as any other end."""
    behaviour = Behaviour(ready_after=1, dies_after=3, terminations_reason="OOMKilled")
    world = ready_world().behave(BAD, behaviour).edit(image=BAD).run(25)
    assert world.status.rejected[0].reason == "OOMKilled"


def test_new_spec_ends_the_hold() -> None:
    """It was about another revision."""
    world = ready_world().behave(NEXT, Behaviour(pull_denied=True)).edit(image=NEXT).run(8)
    world.edit(image="good:3").run(90)
    assert world.status.hold is None
    assert world.serving == world.revision("good:3")


def test_slow_missing_image_with_one_pod_waits_for_the_second_pull() -> None:
    """A single opinion is not enough, migrations switched off and one replica."""
    world = ready_world(replicas=1, migrations={"enabled": False})
    world.behave(BAD, replace(Behaviour(), image_missing=True)).edit(image=BAD).run(8)
    assert world.rejections() == []
    world.run(8)
    assert world.rejections() == ["ImageNotFound"]


def test_a_migrations_job_that_cannot_start_says_why() -> None:
    """A registry that is down holds the rollout at its first step; the status has the kubelet's words."""
    world = ready_world().edit(image=NEXT)
    world.run(0.5)
    waiting = PodFacts(
        "job", "job", world.now, waiting_reason="ErrImagePull", waiting_message="503 Service Unavailable"
    )
    revision = world.revision(NEXT)
    world.jobs[revision] = replace(world.jobs[revision], finished_at=None, pods=(waiting,))
    world.run(5)
    assert "503 Service Unavailable" in world.status.message
    assert world.status.rejected == ()
