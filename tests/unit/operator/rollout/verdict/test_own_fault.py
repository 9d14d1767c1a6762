"""Only what a revision itself has done may reject it; what kept it from running at all can only withdraw it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from maraudersmap_operator.resource.policy import Strategy
from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status_candidate import Step
from maraudersmap_operator.rollout import PodFacts, RevisionFacts
from maraudersmap_operator.rollout.verdict.case import Case, Rejected, unless_disturbed

from ..world import START, Behaviour, World
from .test_environment import assert_withdrawn, ready_world

NEXT, BAD = "good:2", "bad:1"
QUICK = {"minReadySeconds": 3, "bakeSeconds": 10, "progressDeadlineSeconds": 30, "timeoutSeconds": 120}


def trying(behaviour: Behaviour, **spec: object) -> World:
    return ready_world(rollout=QUICK, replicas=2, **spec).behave(BAD, behaviour).edit(image=BAD)


def until_it_goes(world: World) -> World:
    for _ in range(200):
        if world.status.candidate is None and world.status.hold:
            return world
        world.run(1)
    raise AssertionError(f"never withdrawn: {world.status.message}; {world.rejections()}")


def test_a_container_that_ran_until_the_deadline_is_to_blame() -> None:
    """The rule that the others are exceptions from."""
    world = trying(Behaviour(ready_after=None)).run(36)
    assert world.rejections() == ["ProgressDeadlineExceeded"]


def test_the_deadline_counts_short_migrations_and_no_long_ones() -> None:
    """Someone who edits the spec counts from there; a migration of minutes is not the pods' time."""
    world = trying(Behaviour(ready_after=None, migration_takes=3)).run(32)
    assert world.rejections() == ["ProgressDeadlineExceeded"]
    assert 30 <= world.status.rejected[0].detect_seconds <= 31
    world = trying(Behaviour(ready_after=None, migration_takes=60)).run(83)
    assert world.rejections() == []
    world.run(10)
    assert world.rejections() == ["ProgressDeadlineExceeded"]


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(starts_after=10_000),
        Behaviour(starts_after=10_000, waiting=("SomethingNew", "a word that no table knows")),
        Behaviour(starts_after=10_000, waiting=("ErrImagePull", "503 Service Unavailable")),
    ],
)
def test_what_never_ran_is_withdrawn(behaviour: Behaviour) -> None:
    """A volume that is not mounted, a registry that is away, words of a kubelet to come."""
    world = trying(behaviour)
    stable = world.serving
    until_it_goes(world)
    assert_withdrawn(world, stable, "PodsNotStarted")
    assert world.status.hold is not None
    assert behaviour.waiting[1] in world.status.hold.message
    world.behave(BAD, Behaviour()).run(90)
    assert world.serving == world.revision(BAD)


def test_an_injected_container_is_reported_as_what_it_is() -> None:
    """The application is ready; the pod is not."""
    world = trying(Behaviour(injected="the container proxy: CrashLoopBackOff: back-off 10s"))
    stable = world.serving
    until_it_goes(world)
    assert_withdrawn(world, stable, "InjectedContainerFailing")
    assert world.status.hold is not None
    assert "the container proxy: CrashLoopBackOff" in world.status.hold.message


def test_a_pod_that_was_let_start_late_gets_its_share_of_the_deadline() -> None:
    """The obstacle goes away 4 s before the deadline; the good revision needs 12 s to become ready."""
    world = trying(Behaviour(starts_after=26, ready_after=12)).run(75)
    assert world.rejections() == []
    assert world.status.hold is None
    assert world.serving == world.revision(BAD)


def test_and_no_more_than_its_share() -> None:
    """Three quarters, counted from when its container ran."""
    world = trying(Behaviour(starts_after=26, ready_after=None)).run(46)
    assert world.rejections() == []
    world.run(10)
    assert world.rejections() == ["ProgressDeadlineExceeded"]


def test_a_job_killed_before_its_container_ran_withdraws() -> None:
    """The registry is away for longer than migrations.timeoutSeconds."""
    world = trying(Behaviour(migration_waits=True), migrations={"timeoutSeconds": 60})
    stable = world.serving
    until_it_goes(world)
    assert_withdrawn(world, stable, "MigrationInterrupted")
    assert world.status.hold is not None
    assert "503 away" in world.status.hold.message
    world.behave(BAD, Behaviour()).run(90)
    assert world.serving == world.revision(BAD)
    assert world.rejections() == []


def test_migrations_that_ran_until_the_jobs_deadline_have_failed() -> None:
    """Their exit code is lost with the pod, and their time was their own."""
    world = trying(
        Behaviour(migration_takes=60, migration_exits=False), migrations={"timeoutSeconds": 60}
    ).run(70)
    assert world.rejections() == ["MigrationFailed"]
    assert "not done after 60 s" in world.status.message


@pytest.mark.parametrize("after", [5, 55])
def test_migrations_killed_before_the_jobs_deadline_are_tried_again(after: float) -> None:
    """Someone deleted the pod, or its node went."""
    world = trying(Behaviour(migration_takes=after, migration_exits=False), migrations={"timeoutSeconds": 60})
    until_it_goes(world)
    assert world.rejections() == []


def test_withdrawn_under_traffic_three_times_waits_for_somebody() -> None:
    """Users have met it each time: two retries by itself, and still no entry in the ledger."""
    world = ready_world(rollout=QUICK, replicas=2)
    stable = world.serving
    world.edit(image=NEXT)
    for attempt in range(3):
        for _ in range(400):
            if world.serving == world.target:
                break
            world.run(0.5)
        world.run(1).delete(world.target)
        world.run(3)
        assert world.serving == stable
        assert world.status.hold is not None
        assert world.status.hold.stuck is (attempt == 2)
    assert world.condition("Stalled") == ("True", "PodsLost")
    assert "hogwarts.edu/retry" in world.status.message
    world.run(600, step=2)
    assert world.serving == stable
    assert world.rejections() == []
    world.annotate("retry", "1").run(40)
    assert world.serving == world.revision(NEXT)
    assert world.status.hold is None


def test_the_time_of_a_pause_is_credited_before_a_deadline_is_judged() -> None:
    """Well for longer than timeoutSeconds, made to wait; then its next pods take their time."""
    spec = {"replicas": 4}
    world = ready_world(rollout=QUICK, **spec).behave(NEXT, Behaviour(ready_after=8)).edit(image=NEXT).run(8)
    world.edit(rollout=QUICK | {"paused": True}).run(150)
    assert world.status.candidate is not None
    world.edit(rollout=QUICK).run(30)
    assert world.rejections() == []
    assert world.status.hold is None
    assert world.serving == world.revision(NEXT)


def test_a_deadline_that_passed_while_nobody_was_well_condemns_nobody() -> None:
    """The database is away for everybody when the rollout starts, and for longer than the deadline."""
    world = ready_world(rollout=QUICK)
    world.outage = True
    world.run(5).edit(image=NEXT).run(60)
    assert world.rejections() == []
    assert world.status.hold is not None
    assert world.status.hold.reason == "NoControlGroup"
    world.outage = False
    world.run(120)
    assert world.serving == world.revision(NEXT)


def test_containers_that_end_while_nobody_is_well_condemn_nobody() -> None:
    """Nothing distinguishes a revision that ends without its database from one that always ends."""
    world = ready_world(rollout=QUICK)
    world.outage = True
    world.run(5).behave(NEXT, Behaviour(ready_after=None, dies_after=0.3)).edit(image=NEXT).run(25)
    assert world.rejections() == []
    assert world.status.hold is not None
    assert world.status.hold.reason == "NoControlGroup"
    world.outage = False
    world.run(60)
    assert world.rejections() == ["CrashLoop"]


def crash_loop(stable: RevisionFacts, **where: object) -> str:
    """What it counts as, beside that stable revision, that the candidate keeps ending."""
    world = trying(Behaviour())
    world.run(3)
    candidate, facts = world.status.candidate, world.observed().revisions
    assert candidate is not None
    candidate = candidate.but(**where)
    case = Case(
        candidate=candidate,
        facts=facts[candidate.revision],
        stable=stable,
        migration=None,
        admission=None,
        rollout=world.resource.spec.rollout,
        wanted=2,
        now=world.now,
        migration_limit=timedelta(minutes=5),
        database="",
    )
    return str(unless_disturbed(case, Rejected(Reason.CRASH_LOOP, "it keeps ending")).reason)


@pytest.mark.parametrize(("size", "verdict"), [(2, "NoControlGroup"), (0, "CrashLoop")])
def test_a_stable_revision_that_an_exchange_has_emptied_is_not_a_sick_one(size: int, verdict: str) -> None:
    """It should have no pods: withdrawn, the revision that keeps ending would be given to the users again."""
    assert crash_loop(RevisionFacts("stable", size)) == verdict


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(None, "CrashLoop"), (15, "CrashLoop"), (-60, "NoControlGroup")]
)
def test_a_batch_of_stable_that_starts_in_a_bake_is_not_sick_before_it_has_had_its_time(
    seconds: int | None, verdict: str
) -> None:
    began = None if seconds is None else START + timedelta(seconds=seconds)
    batch = RevisionFacts("stable", 1, (PodFacts("late", "late", START, ran_since=began),))
    assert crash_loop(batch) == "NoControlGroup"
    assert crash_loop(batch, strategy=Strategy.ROLLING, step=Step.BAKING) == verdict


WELL = PodFacts("well", "well", START, ready=True)
ENDS = PodFacts("ends", "ends", START + timedelta(seconds=1), restarts=1)


@pytest.mark.parametrize(
    ("other", "verdict"),
    [
        (ENDS, "StableDisturbed"),
        (replace(ENDS, created_at=START), "CrashLoop"),
        (replace(ENDS, restarts=0), "CrashLoop"),
        (replace(ENDS, terminating=True), "CrashLoop"),
        (replace(ENDS, disrupted=True), "CrashLoop"),
    ],
    ids=["begun last", "ever since", "still starting", "on its way out", "lost with its node"],
)
def test_what_the_newest_pod_of_stable_meets_is_met_by_whatever_begins_now(
    other: PodFacts, verdict: str
) -> None:
    assert crash_loop(RevisionFacts("stable", 2, (WELL, other))) == verdict


def test_pods_that_are_ready_since_no_one_knows_when_are_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """A virtual kubelet gives its conditions no time of transition, and the API server asks for none."""
    facts = World._facts
    monkeypatch.setattr(World, "_facts", lambda world, pod: replace(facts(world, pod), ready_since=None))
    world = World(rollout=QUICK).run(30)
    assert world.status.message == "3 of 3 pods of revision " + world.serving + " are ready"
    world.edit(image=NEXT).run(60)
    assert world.status.stable is not None
    assert world.status.stable.image == NEXT
