"""Going forward: walk the candidate through the stages of its strategy."""

from __future__ import annotations

from datetime import timedelta
from typing import assert_never

from maraudersmap_operator.resource.status import CandidateRevision, Outcome, StableRevision, Step

from .facts import JobState, MigrationFacts, RevisionFacts
from .memory import FRESH_ATTEMPT, controls, remember
from .plan import Deploy, MarkMigrated, Migrate, NoteType, Record, ScaleTo
from .retreat import condemn
from .steady import clear_others, hold_stable, resize, restore_traffic
from .strategy import Stage, stage_of, stage_size, wanted_size
from .turn import SOON, Turn
from .verbs import take_promote
from .verdict import (
    Case,
    Doomed,
    Environment,
    Healthy,
    Pending,
    Verdict,
    blameless,
    classify,
    keeps_ending,
    why_waiting,
)
from .words import Trouble, pod_trouble

HALF_DOWN_PATIENCE = timedelta(seconds=5)
MIGRATION_BACKOFF = timedelta(seconds=5)
MIGRATION_BACKOFF_MAX = timedelta(minutes=5)


def start(turn: Turn) -> None:
    """Begin the rollout of the target. No candidate before everything it needs is there."""
    target, observed = turn.observed.target, turn.observed
    for need in (observed.references, observed.database):
        if not need.ready:
            turn.block(need.reason, need.message)
            return
    candidate = CandidateRevision(
        revision=target.revision,
        image=target.image,
        step=Step.MIGRATING,
        started_at=turn.now,
        step_started_at=turn.now,
        progressed_at=turn.now,
        controls=controls(turn.stable_facts),
    )
    turn.update(candidate=candidate)
    turn.note(NoteType.NORMAL, "RolloutStarted", f"Revision {target.revision} ({target.image}) starts")
    advance(turn)


def advance(turn: Turn) -> None:
    """Take the candidate as far as it can go in this pass."""
    candidate = turn.status.candidate
    assert candidate is not None
    facts = turn.facts(candidate.revision)
    turn.update(candidate=remember(candidate, facts, turn.stable_facts, turn.observed.migration, turn.now))
    if candidate.revision not in turn.observed.recorded:
        turn.act(Record(candidate.revision))
    if candidate.step is Step.MIGRATING and not _migrated(turn):
        _judge(turn, wanted=0)
        return
    if turn.status.candidate and turn.status.candidate.step is Step.MIGRATING:
        _enter(turn, Step.FULL_SIZE if turn.status.stable is None else Step.WITNESSES)
    if turn.status.stable is None:
        _first_deployment(turn)
    else:
        _walk(turn, turn.status.stable)


def _walk(turn: Turn, stable: StableRevision) -> None:
    candidate = turn.status.candidate
    assert candidate is not None
    stage = stage_of(turn.spec.rollout.strategy, candidate.step)
    if stage.takes_traffic:
        _bake(turn, candidate, stable)
        return
    hold_stable(turn, stable)
    wanted = _deploy(turn, candidate, stage)
    # Until the bake, traffic belongs to stable, whoever moved the selector.
    restore_traffic(turn, stable.revision)
    clear_others(turn, keep={stable.revision, candidate.revision})
    verdict = _judge(turn, wanted)
    if not isinstance(verdict, Healthy):
        return
    if turn.spec.rollout.paused:
        turn.block("Paused", f"spec.rollout.paused is true: the rollout stays at {candidate.step}")
        return
    stable_is_down = turn.stable_facts.ready == 0
    if candidate.step is Step.FULL_SIZE and not turn.spec.rollout.auto_promote and not take_promote(turn):
        turn.block("WaitingForPromotion", "the full new set waits for a new value of hogwarts.edu/promote")
        return
    if candidate.step is Step.WITNESSES and not stable_is_down:
        _enter(turn, Step.FULL_SIZE)
        _walk(turn, stable)
        return
    # A stable revision without one ready pod has nothing to protect: a healthy candidate goes straight through.
    if stable_is_down and (grown := wanted_size(turn.spec, turn.stable_facts.size)) > wanted:
        turn.act(ScaleTo(candidate.revision, grown))
    turn.route(candidate.revision)
    _enter(turn, Step.BAKING)
    turn.note(
        NoteType.NORMAL,
        "TrafficSwitched",
        f"Traffic moved from {stable.revision} to {candidate.revision}; watching it for "
        f"{turn.spec.rollout.bake_seconds} s before {stable.revision} is retired",
    )
    turn.wake(SOON)


def _first_deployment(turn: Turn) -> None:
    """No revision has proven itself yet: the candidate takes traffic at once, and nothing is ever rejected."""
    candidate = turn.status.candidate
    assert candidate is not None
    stage = Stage(Step.FULL_SIZE, size=None)
    wanted = _deploy(turn, candidate, stage)
    if turn.facts(turn.serving).ready <= turn.facts(candidate.revision).ready:
        turn.route(candidate.revision)
    clear_others(turn, keep={candidate.revision})
    verdict = _judge(turn, wanted)
    if isinstance(verdict, Healthy) and turn.serving == candidate.revision:
        _promote(turn, candidate)


def _bake(turn: Turn, candidate: CandidateRevision, stable: StableRevision) -> None:
    """Users are on the candidate; stable stands by at full size."""
    facts = turn.facts(candidate.revision)
    restore_traffic(turn, candidate.revision)
    resize(turn, candidate.revision)
    clear_others(turn, keep={stable.revision, candidate.revision})
    half_down = facts.ready * 2 < facts.size
    if half_down != (candidate.half_down_since is not None):
        turn.update_candidate(half_down_since=turn.now if half_down else None)
    since = turn.status.candidate.half_down_since if turn.status.candidate else None
    fallen = facts.ready == 0 or (since is not None and turn.now - since >= HALF_DOWN_PATIENCE)
    end = candidate.step_started_at + timedelta(seconds=turn.spec.rollout.bake_seconds)
    looping = keeps_ending(_case(turn, facts.size))
    if turn.stable_facts.ready and facts.size and fallen:
        _condemn(turn, _fallen(candidate, facts))
    elif turn.stable_facts.ready and looping:
        _condemn(turn, looping)
    elif (turn.promote and not turn.spec.rollout.paused) or turn.now >= end:
        take_promote(turn)
        if facts.ready >= facts.size > 0:
            _promote(turn, candidate)
        else:
            turn.wake(SOON)
    else:
        turn.wake_at(end)
        if since is not None:
            turn.wake_at(since + HALF_DOWN_PATIENCE)


def _fallen(candidate: CandidateRevision, facts: RevisionFacts) -> Doomed | Environment:
    """Traffic goes back either way; the revision is to blame only for pods that are still there and were ready."""
    message = f"{facts.ready} of {facts.size} pods ready under traffic"
    switched = candidate.step_started_at
    blamed = [p for p in facts.active if not (p.ready or p.disrupted or p.created_at > switched)]
    if len(blamed) * 2 >= facts.size:
        return Doomed("NotReadyAfterPromotion", message)
    return Environment("PodsLost", f"{message}; the others were lost with their nodes, evicted or deleted")


def _promote(turn: Turn, candidate: CandidateRevision) -> None:
    turn.close(candidate, Outcome.PROMOTED)
    turn.update(
        hold=None, stable=StableRevision(revision=candidate.revision, image=candidate.image, since=turn.now)
    )
    turn.note(NoteType.NORMAL, "Promoted", f"Revision {candidate.revision} ({candidate.image}) is stable")
    turn.wake(SOON)


def _deploy(turn: Turn, candidate: CandidateRevision, stage: Stage) -> int:
    """Have the stage's pods; how many that is. One fresh witness more when an early failure wants a second look."""
    facts = turn.facts(candidate.revision)
    serving_size = turn.stable_facts.size if turn.status.stable else facts.size
    wanted = stage_size(stage, turn.spec, serving_size)
    pods = wanted
    first = candidate.first_failure_at
    if first and stage.step is Step.WITNESSES and turn.now >= first + FRESH_ATTEMPT:
        pods += 1
    if candidate.revision not in turn.observed.revisions:
        turn.act(Deploy(candidate.revision))
    autoscaled = turn.spec.autoscaling.enabled and turn.serving == candidate.revision and facts.size > 0
    if facts.size != pods and not autoscaled:
        turn.act(ScaleTo(candidate.revision, pods))
    return wanted


def _case(turn: Turn, wanted: int) -> Case:
    candidate = turn.status.candidate
    assert candidate is not None
    rollout = turn.spec.rollout
    if candidate.step is Step.FULL_SIZE and turn.status.stable is not None:
        # The witnesses have shown for min_ready_seconds that this code stays up; the others are the same code.
        rollout = rollout.model_copy(update={"min_ready_seconds": 0})
    return Case(
        candidate=candidate,
        facts=turn.facts(candidate.revision),
        stable=turn.stable_facts,
        migration=turn.observed.migration,
        rollout=rollout,
        wanted=wanted,
        now=turn.now,
        first=turn.status.stable is None,
    )


def _judge(turn: Turn, wanted: int) -> Verdict:
    """The verdict on the candidate, already acted on when it is not Healthy."""
    verdict = classify(_case(turn, wanted))
    match verdict:
        case Healthy():
            pass
        case Pending(until=until, message=message):
            turn.wake_at(until)
            if not turn.blocked:
                turn.block("WaitingForPods", message)
        case Doomed() | Environment():
            _condemn(turn, verdict)
        case unreachable:
            assert_never(unreachable)
    return verdict


def _condemn(turn: Turn, verdict: Doomed | Environment) -> None:
    candidate = turn.status.candidate
    assert candidate is not None
    if turn.status.stable is None:
        turn.block(verdict.reason, f"{verdict.message}; there is no earlier revision to go back to")
        turn.wake(MIGRATION_BACKOFF)
    elif not turn.spec.rollout.rollback.enabled:
        turn.block(
            verdict.reason, f"{verdict.message}; spec.rollout.rollback.enabled is false, so nothing is undone"
        )
    else:
        condemn(turn, candidate, verdict)


def _enter(turn: Turn, step: Step) -> None:
    turn.update_candidate(step=step, step_started_at=turn.now, progressed_at=turn.now)


def _migrated(turn: Turn) -> bool:
    """True when the schema is ready for the candidate. Otherwise starts, awaits or repeats the Job."""
    candidate, migration = turn.status.candidate, turn.observed.migration
    assert candidate is not None
    recorded = turn.observed.recorded.get(candidate.revision)
    pinned = turn.status.pin is not None and turn.status.pin.revision == candidate.revision
    if not turn.spec.migrations.enabled or pinned or (recorded and recorded.migrated):
        return True
    if migration is None:
        _migrate(turn, candidate.migration_attempt + 1)
        return False
    match migration.state:
        case JobState.COMPLETE:
            turn.act(MarkMigrated(candidate.revision))
            return True
        case JobState.RUNNING:
            turn.update_candidate(migration_attempt=migration.attempt)
            # Without a pod of its own, the Job's message is what quota or admission said.
            why = why_waiting(migration.pods) or migration.message or "is running"
            turn.block("Migrating", f"migrations Job, attempt {migration.attempt}: {why}")
            if any(pod_trouble(p) in (Trouble.IMAGE_NOT_FOUND, Trouble.IMAGE_DENIED) for p in migration.pods):
                # A second opinion from other nodes: a single pod's "not found" may be one node's stale mirror.
                _deploy(turn, candidate, stage_of(turn.spec.rollout.strategy, Step.WITNESSES))
        case JobState.FAILED if migration.attempt > candidate.migration_attempt:
            # Left by an earlier try of the same revision, before somebody asked for another.
            _migrate(turn, migration.attempt + 1)
        case JobState.FAILED:
            _repeat_migration(turn, migration)
    return False


def _repeat_migration(turn: Turn, migration: MigrationFacts) -> None:
    """After a failure that is not held against the revision, try again with growing pauses."""
    unreachable = blameless(migration)
    if not unreachable and turn.status.stable is not None:
        return
    pause = min(MIGRATION_BACKOFF * 2 ** min(migration.attempt - 1, 10), MIGRATION_BACKOFF_MAX)
    due = (migration.finished_at or turn.now) + pause
    reason = "DatabaseUnreachable" if unreachable else "MigrationFailed"
    turn.block(
        reason, f"migrations, attempt {migration.attempt}: {migration.message or 'failed'}; next try follows"
    )
    if turn.now >= due or turn.retry:
        _migrate(turn, migration.attempt + 1)
    else:
        turn.wake_at(due)


def _migrate(turn: Turn, attempt: int) -> None:
    candidate = turn.status.candidate
    assert candidate is not None
    turn.act(Migrate(candidate.revision, attempt))
    turn.update_candidate(migration_attempt=attempt)
    turn.block("Migrating", f"migrations Job, attempt {attempt}, starts")
