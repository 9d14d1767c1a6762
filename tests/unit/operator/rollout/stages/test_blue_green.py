"""Scenarios of the BlueGreen engine: given a world, when time passes or a user edits, then this is where it ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status import Phase
from maraudersmap_operator.resource.status_candidate import Step
from maraudersmap_operator.resource.status_outcomes import Outcome
from maraudersmap_operator.rollout import (
    JobState,
    KeepEvidence,
    Need,
    Retire,
    RouteTo,
    ScaleTo,
    StoreStatus,
)

from ..world import Behaviour, World

GOOD, NEXT, BAD = "good:1", "good:2", "bad:1"
MISSING = Behaviour(image_missing=True)
CRASHES = Behaviour(ready_after=None, dies_after=0.3)
FLAPS = Behaviour(ready_after=1, dies_after=6)
SLOW = Behaviour(ready_after=90)


def ready_world(**spec: object) -> World:
    """A stable revision of GOOD, at rest."""
    world = World(**spec).run(30)
    assert world.phase() is Phase.READY, world.status.message
    return world


def test_first_revision_takes_traffic_at_once_and_becomes_stable() -> None:
    """Without anything to go back to there is nothing to wait for."""
    world = World().run(1)
    assert world.serving == world.target
    world.run(30)
    assert world.phase() is Phase.READY
    assert world.status.stable is not None
    assert world.status.stable.image == GOOD
    assert world.sizes == {world.target: 3}
    assert world.condition("Ready") == ("True", "StableServing")


def test_a_pass_at_rest_asks_for_nothing() -> None:
    """Same status, no actions, no Events."""
    world = ready_world()
    before = world.status
    decision = world.turn()
    assert decision.actions == ()
    assert decision.notes == ()
    assert decision.status == before


def test_good_revision_goes_through_witnesses_full_size_and_bake() -> None:
    """Traffic moves once, to a full set of ready pods; the old set stays until the bake is over."""
    world = ready_world().edit(image=NEXT)
    old = world.serving
    world.run(6)
    new = world.revision(NEXT)
    assert world.sizes == {old: 3, new: 2}
    assert world.serving == old
    world.run(14)
    assert world.serving == new
    assert world.sizes == {old: 3, new: 3}
    assert world.phase() is Phase.BAKING
    world.run(62)
    assert world.sizes == {new: 3}
    assert world.phase() is Phase.READY
    assert world.status.history[0].outcome is Outcome.PROMOTED


def test_missing_image_is_rejected_within_five_seconds() -> None:
    """The Job's pod and two witnesses say "not found": no deadline is waited for."""
    world = ready_world().behave(BAD, MISSING).edit(image=BAD)
    serving = world.serving
    world.run(5)
    assert world.phase() is Phase.ROLLED_BACK
    assert [r.reason for r in world.status.rejected] == ["ImageNotFound"]
    assert world.serving == serving
    assert set(world.sizes) == {serving}


def test_crash_at_start_is_rejected_within_fourteen_seconds() -> None:
    """A witness started 8 s after the first failure fails as well."""
    world = ready_world().behave(BAD, CRASHES).edit(image=BAD).run(14)
    assert world.phase() is Phase.ROLLED_BACK
    assert world.status.rejected[0].reason == "CrashLoop"
    assert "exit code 1" in world.status.rejected[0].message


def test_failing_for_the_first_six_seconds_is_not_held_against_it() -> None:
    """The same settings, a revision that recovers: promoted."""
    recovers = Behaviour(ready_after=1, dies_after=0.3, dies_until=6)
    world = ready_world().behave(NEXT, recovers).edit(image=NEXT).run(60)
    assert world.status.rejected == ()
    assert world.serving == world.revision(NEXT)


def test_ready_then_dying_never_meets_a_user() -> None:
    """Ready for 5 s, then dead, for ever: being ready in between does not forgive."""
    world = ready_world().behave(BAD, FLAPS).edit(image=BAD).run(20)
    assert world.phase() is Phase.ROLLED_BACK
    assert RouteTo(world.revision(BAD)) not in world.actions


def test_pod_that_has_ended_must_stay_ready_for_longer_than_it_ran_before() -> None:
    """The trial was too short to see it die; before the switch it does, and its next readiness proves nothing."""
    world = ready_world(rollout={"minReadySeconds": 4, "bakeSeconds": 5})
    world.behave(BAD, FLAPS).edit(image=BAD).run(30)
    assert world.rejections() == ["CrashLoop"]
    assert RouteTo(world.revision(BAD)) not in world.actions


def test_slow_start_is_not_rolled_back() -> None:
    """90 s to readiness is within the deadline of 300 s."""
    world = ready_world().behave(NEXT, SLOW).edit(image=NEXT).run(300)
    assert world.status.rejected == ()
    assert world.serving == world.revision(NEXT)


def test_never_ready_is_rejected_at_the_deadline() -> None:
    """Progress deadline plus at most two seconds, as someone counts who has just edited the spec."""
    world = ready_world(rollout={"progressDeadlineSeconds": 20, "minReadySeconds": 1})
    world.behave(BAD, Behaviour(ready_after=None)).edit(image=BAD).run(19)
    assert world.status.candidate is not None
    world.run(3)
    assert world.status.rejected[0].reason == "ProgressDeadlineExceeded"


def test_memory_comes_before_scale() -> None:
    """The ledger entry is stored before the candidate's pods go; traffic never left stable."""
    world = ready_world().behave(BAD, MISSING).edit(image=BAD).run(5)
    tail = world.actions[world.actions.index(StoreStatus()) :]
    assert tail == [StoreStatus(), Retire(world.revision(BAD))]
    assert world.actions[-3] == KeepEvidence(world.revision(BAD))


def test_the_revision_that_is_asked_for_is_named_also_when_it_is_rejected() -> None:
    """What reads the ledger finds the entry by it."""
    world = ready_world().behave(BAD, MISSING)
    assert world.status.target == world.serving
    world.edit(image=BAD).run(5)
    assert world.status.target == world.status.rejected[0].revision == world.revision(BAD)


def test_rejected_revision_is_not_tried_again() -> None:
    """Not after minutes, and not after an edit that leaves the pods as they are."""
    world = ready_world().behave(BAD, MISSING).edit(image=BAD).run(5)
    done = len(world.actions)
    world.run(120).edit(service={"annotations": {"a": "b"}}).run(10)
    assert world.actions[done:] == []
    assert world.phase() is Phase.ROLLED_BACK
    assert world.condition("Available") == ("True", "PodsReady")


def test_retry_token_forgives_once() -> None:
    """A new value tries again; the same value does not act twice."""
    world = ready_world().behave(BAD, MISSING).edit(image=BAD).run(5)
    world.behave(BAD, Behaviour()).annotate("retry", "1").run(30)
    assert world.serving == world.revision(BAD)
    world.run(60)
    assert world.phase() is Phase.READY


def test_used_retry_token_does_not_act_again() -> None:
    """The token is remembered with its effect."""
    world = ready_world().behave(BAD, MISSING).edit(image=BAD).run(5)
    world.annotate("retry", "1").run(5)
    assert world.reasons["RolledBack"] == 2
    world.run(60)
    assert world.reasons["RolledBack"] == 2


def test_going_back_to_the_stable_spec_is_a_no_op() -> None:
    """Only the status changes: nothing is deployed, scaled or routed."""
    world = ready_world().behave(BAD, MISSING).edit(image=BAD).run(5)
    done = len(world.actions)
    world.edit(image=GOOD).run(10)
    assert world.actions[done:] == []
    assert world.phase() is Phase.READY
    assert world.condition("RolledBack")[0] == "False"


def test_corrected_spec_rolls_out_after_a_rejection() -> None:
    """The ledger names hashes, not resources."""
    world = ready_world().behave(BAD, MISSING).edit(image=BAD).run(5).edit(image=NEXT).run(90)
    assert world.phase() is Phase.READY
    assert world.serving == world.revision(NEXT)


def test_new_spec_in_the_middle_supersedes_without_a_ledger_entry() -> None:
    """The old candidate goes; stable keeps serving throughout."""
    world = ready_world().behave("slow:1", SLOW).edit(image="slow:1").run(10)
    serving = world.serving
    world.edit(image=NEXT).run(8)
    assert world.serving == serving
    assert set(world.sizes) == {serving, world.revision(NEXT)}
    world.run(90)
    assert world.serving == world.revision(NEXT)
    assert [h.outcome for h in world.status.history[:2]] == [Outcome.PROMOTED, Outcome.SUPERSEDED]
    assert world.status.rejected == ()


def test_losing_readiness_in_the_bake_flips_back() -> None:
    """Stable is still there at full size: one selector write."""
    world = ready_world().edit(image=NEXT)
    stable = world.serving
    world.run(25)
    assert world.status.candidate is not None
    assert world.status.candidate.step is Step.BAKING
    world.behave(NEXT, Behaviour(ready_after=None)).run(3)
    assert world.serving == stable
    world.run(16)
    assert world.status.rejected[0].reason == "NotReadyAfterPromotion"
    assert world.sizes == {stable: 3}


def test_going_back_first_grows_stable_to_the_load() -> None:
    """The autoscaler has grown the candidate in its bake; stable must carry as much."""
    world = ready_world(autoscaling={"enabled": True}).edit(image=NEXT)
    stable = world.serving
    world.run(25)
    world.sizes[world.serving] = 7
    world.run(4).behave(NEXT, Behaviour(ready_after=None)).run(3)
    assert world.serving == stable
    assert world.sizes[stable] == 7
    growth = world.actions.index(ScaleTo(stable, 7))
    assert world.actions[growth + 1] == RouteTo(stable)


def test_candidate_is_as_large_as_the_live_count() -> None:
    """Autoscaled to 6, the candidate gets 6 before it gets traffic."""
    world = ready_world(autoscaling={"enabled": True})
    stable = world.serving
    world.sizes[stable] = 6
    world.run(2).edit(image=NEXT).run(25)
    assert world.sizes == {stable: 6, world.revision(NEXT): 6}
    assert world.serving == world.revision(NEXT)


def test_first_revision_that_is_bad_enters_no_ledger_and_heals() -> None:
    """Nothing to go back to: it is held, reported, and becoming ready promotes it."""
    world = World().behave(GOOD, MISSING).run(30)
    assert world.status.rejected == ()
    assert world.phase() is Phase.STALLED
    assert world.condition("Ready") == ("False", "ImageNotFound")
    world.behave(GOOD, Behaviour()).run(30)
    assert world.phase() is Phase.READY


def test_first_revision_that_crashed_often_is_promoted_once_it_stays_up() -> None:
    """What it did before has no earlier revision to be compared with."""
    world = World().behave(GOOD, CRASHES).run(60).behave(GOOD, Behaviour()).run(60)
    assert world.phase() is Phase.READY


def test_bad_first_revision_is_replaced_by_a_corrected_spec() -> None:
    """Its Deployment goes once the new one serves."""
    world = World(image=BAD).behave(BAD, CRASHES).run(30).edit(image=GOOD).run(40)
    assert world.phase() is Phase.READY
    assert set(world.sizes) == {world.revision(GOOD)}


def test_missing_reference_holds_a_new_revision_back() -> None:
    """The condition names it; stable serves; it heals by itself."""
    world = ready_world().edit(image=NEXT)
    world.references = Need(False, Reason.SECRET_NOT_FOUND, "Secret 'x' does not exist")
    world.run(5)
    assert world.condition("Ready") == ("False", "SecretNotFound")
    assert world.condition("Available")[0] == "True"
    assert len(world.sizes) == 1
    world.references = Need(True, Reason.READY)
    world.run(30)
    assert world.serving == world.revision(NEXT)


def test_no_candidate_before_the_database_is_ready() -> None:
    """Neither a Job nor a Deployment."""
    world = World()
    world.database = Need(False, Reason.DATABASE_NOT_READY, "starts")
    world.run(10)
    assert world.actions == []
    assert world.phase() is Phase.PENDING
    assert world.condition("DatabaseReady") == ("False", "DatabaseNotReady")


def test_failed_migration_rejects_the_revision() -> None:
    """Before a single pod of it was made."""
    world = ready_world().behave(BAD, Behaviour(migration_exit=1)).edit(image=BAD).run(5)
    assert world.status.rejected[0].reason == "MigrationFailed"
    assert set(world.sizes) == {world.serving}


def test_a_job_that_is_called_failed_after_all_was_done_ends_no_rollout() -> None:
    """Its pod had ended well; then a node took it away, or the Job's deadline ran out."""
    world = ready_world().edit(image=NEXT).run(10)
    candidate = world.status.candidate
    assert candidate is not None
    assert candidate.step is Step.WITNESSES
    job = world.jobs[candidate.revision]
    world.jobs[candidate.revision] = replace(job, state=JobState.FAILED, message="BackoffLimitExceeded")
    world.run(1)
    assert world.status.candidate is not None
    assert world.status.candidate.started_at == candidate.started_at
    world.run(90)
    assert world.serving == world.revision(NEXT)


def test_retry_after_a_failed_migration_runs_it_again() -> None:
    """The failed Job of the first try is no verdict on the second."""
    world = ready_world().behave(BAD, Behaviour(migration_exit=1)).edit(image=BAD).run(5)
    world.behave(BAD, Behaviour()).annotate("retry", "1").run(90)
    assert world.phase() is Phase.READY
    assert world.jobs[world.revision(BAD)].attempt == 2


def test_unreachable_database_is_not_the_revisions_fault() -> None:
    """Exit 75: tried again with growing pauses, no ledger entry."""
    world = ready_world().behave(NEXT, Behaviour(migration_exit=75)).edit(image=NEXT).run(20)
    assert world.status.rejected == ()
    assert world.condition("MigrationsReady") == ("False", "DatabaseUnreachable")
    assert world.jobs[world.revision(NEXT)].attempt >= 2
    world.behave(NEXT, Behaviour()).run(90)
    assert world.serving == world.revision(NEXT)


def test_moved_selector_is_put_back() -> None:
    """Until the bake, traffic belongs to stable, whatever the selector was changed to."""
    world = ready_world()
    stable = world.serving
    world.serving = "garbage1"
    world.run(1)
    assert world.serving == stable


def test_deleted_deployment_is_rebuilt() -> None:
    """From its ControllerRevision, at its size."""
    world = ready_world()
    del world.sizes[world.serving]
    world.run(10)
    assert world.sizes == {world.serving: 3}
    assert world.phase() is Phase.READY


def test_suspend_takes_all_pods_and_resume_brings_them_back() -> None:
    """Zero replicas while not suspended is drift."""
    world = ready_world(autoscaling={"enabled": True}).edit(suspend=True).run(2)
    assert set(world.sizes.values()) == {0}
    assert world.phase() is Phase.SUSPENDED
    world.edit(suspend=False).run(20)
    assert world.sizes == {world.serving: 3}
    assert world.phase() is Phase.READY


def test_switched_off_rollback_only_tells() -> None:
    """Nothing is undone; the condition reports what was seen."""
    world = ready_world(rollout={"rollback": {"enabled": False}}).behave(BAD, MISSING).edit(image=BAD).run(20)
    assert world.status.rejected == ()
    assert world.condition("Ready") == ("False", "ImageNotFound")


def test_sick_stable_lets_a_healthy_candidate_straight_through() -> None:
    """There is nothing to protect by waiting for a full set."""
    world = ready_world().behave(GOOD, Behaviour(ready_after=None)).edit(image=NEXT).run(16)
    assert world.serving == world.revision(NEXT)


def test_dying_between_any_two_actions_changes_nothing_in_the_end() -> None:
    """The operator is killed after each prefix of each decision of a rollback, then starts again."""
    for kill_at in range(12):
        world = ready_world().behave(BAD, CRASHES).edit(image=BAD)
        stable = world.serving
        killed = 0
        for _ in range(60):
            decision = world.turn_without_acting()
            if decision.actions and killed == kill_at:
                world.carry_out(decision, only=len(decision.actions) - 1)
            else:
                world.carry_out(decision)
            killed += bool(decision.actions)
            world.tick(0.5)
        assert world.phase() is Phase.ROLLED_BACK, kill_at
        assert world.sizes == {stable: 3}, kill_at
        assert world.serving == stable, kill_at


def test_waking_up_is_planned_for_every_deadline() -> None:
    """Nothing but time may pass: the engine asks to be woken for it."""
    world = ready_world().behave(BAD, Behaviour(ready_after=None)).edit(image=BAD)
    for _ in range(12):
        world.turn()
        world.tick(0.5)
    decision = world.turn()
    assert decision.wake_after is not None
    assert timedelta(0) < decision.wake_after <= timedelta(seconds=300)


def test_what_the_candidate_waited_for_is_forgotten_with_its_verdict() -> None:
    """In the very pass that rejects it, the phase is RolledBack, not what the migrations were about."""
    world = ready_world().behave(BAD, MISSING).edit(image=BAD)
    phases = []
    for _ in range(20):
        world.run(0.5)
        if world.rejections():
            phases.append(world.phase())
    assert set(phases) == {Phase.ROLLED_BACK}


def test_a_revision_asked_for_again_before_it_is_retired_serves_with_the_pods_it_has() -> None:
    """One pass must not send pods away and count on them."""
    world = ready_world().edit(image=NEXT)
    old = world.serving
    while world.status.candidate is None or world.status.candidate.step is not Step.BAKING:
        world.run(0.5)
    while world.status.candidate is not None:
        world.turn()
        world.tick(0.5)
    pods = {p.uid for p in world.pods if p.revision == old}
    # when
    world.edit(image=GOOD).run(70)
    # then
    assert world.phase() is Phase.READY
    assert world.serving == old
    assert {p.uid for p in world.pods} == pods
