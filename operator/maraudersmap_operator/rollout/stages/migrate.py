"""The migrations Job of the candidate: started, awaited, repeated after failures that are not the revision's."""

from __future__ import annotations

from datetime import timedelta

from maraudersmap_operator.resource.reasons import Reason

from ..actions import MarkMigrated, Migrate, StoreStatus
from ..context import Turn
from ..facts import JobState, MigrationFacts
from ..strategy import stages
from ..verdict.migration_failure import EXIT_UNREACHABLE, blameless, migration_blame, why_interrupted
from ..verdict.pod_failures import Trouble, pod_trouble, why_waiting
from .candidate_pods import staff

BACKOFF_FIRST = timedelta(seconds=5)
BACKOFF_MOST = timedelta(minutes=5)


def migrated(turn: Turn) -> bool:
    """True when the schema is ready for the candidate. Otherwise starts, awaits or repeats the Job."""
    candidate, migration = turn.status.candidate, turn.observed.migration
    assert candidate is not None
    recorded = turn.observed.recorded.get(candidate.revision)
    pinned = turn.status.pin is not None and turn.status.pin.revision == candidate.revision
    if not turn.spec.migrations.enabled or pinned or (recorded and recorded.migrated):
        return True
    if turn.only_back and (migration is None or migration.state is JobState.FAILED):
        return False
    if migration is None:
        _migrate(turn, candidate.migration_attempt + 1)
        return False
    match migration.state:
        case JobState.COMPLETE:
            if not turn.spec.migrations.reversible and not migration.unchanged:
                turn.learn(barrier=candidate.revision)
                # Before the mark: after it, nobody asks the Job again.
                turn.act(StoreStatus())
            turn.act(MarkMigrated(candidate.revision))
            return True
        case JobState.RUNNING:
            turn.learn_candidate(migration_attempt=migration.attempt)
            # Without a pod of its own, the Job's message is what quota or admission said.
            why = why_waiting(migration.pods) or migration.message or "is running"
            turn.block(Reason.MIGRATING, f"migrations Job, attempt {migration.attempt}: {why}")
            if any(pod_trouble(p) in (Trouble.IMAGE_NOT_FOUND, Trouble.IMAGE_DENIED) for p in migration.pods):
                # A second opinion from other nodes: a single pod's "not found" may be one node's stale mirror.
                staff(turn, candidate, stages(turn.spec, candidate.strategy)[0])
        case JobState.FAILED if migration.attempt > candidate.migration_attempt:
            # Left by an earlier try of the same revision, before somebody asked for another.
            _migrate(turn, migration.attempt + 1)
        case JobState.FAILED:
            _repeat(turn, migration)
    return False


def _repeat(turn: Turn, migration: MigrationFacts) -> None:
    """After a failure that is not held against the revision, try again with growing pauses."""
    candidate = turn.status.candidate
    assert candidate is not None
    unreachable = blameless(migration)
    if not unreachable and turn.status.stable is not None:
        return
    limit = timedelta(seconds=turn.spec.migrations.timeout_seconds)
    blamed = not unreachable and migration_blame(candidate, migration, limit)
    pause = min(BACKOFF_FIRST * 2 ** min(migration.attempt - 1, 10), BACKOFF_MOST)
    due = (migration.finished_at or turn.now) + pause
    reason, why = Reason.MIGRATION_FAILED, migration.message or "failed"
    if migration.exit_code == EXIT_UNREACHABLE:
        reason = Reason.DATABASE_UNREACHABLE
    elif not blamed:
        reason, why = Reason.MIGRATION_INTERRUPTED, why_interrupted(candidate, migration)
    turn.block(reason, f"migrations, attempt {migration.attempt}: {why}; next try follows")
    if turn.now >= due or turn.retry:
        if not blamed:
            # What the database, or a node, was away is not the revision's time.
            away = (turn.now - candidate.started_at).total_seconds() - candidate.unwatched_seconds
            turn.update_candidate(held_seconds=away)
        _migrate(turn, migration.attempt + 1)
    else:
        turn.wake_at(due)


def _migrate(turn: Turn, attempt: int) -> None:
    candidate = turn.status.candidate
    assert candidate is not None
    turn.act(Migrate(candidate.revision, attempt))
    turn.update_candidate(migration_attempt=attempt, migration_ran_at=None, migration_waited="")
    turn.block(Reason.MIGRATING, f"migrations Job, attempt {attempt}, starts")
