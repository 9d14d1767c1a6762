"""The migrations Job of the candidate: started, awaited, repeated after failures that are not the revision's."""

from __future__ import annotations

from datetime import timedelta

from maraudersmap_operator.resource.reasons import Reason

from ..actions import MarkMigrated, Migrate, StoreStatus
from ..context import RolloutContext
from ..facts import JobState, MigrationFacts
from ..strategy import stages
from ..verdict.migration_failure import own_failure, why_interrupted
from ..verdict.pod_failures import Trouble, pod_trouble, why_waiting
from .candidate_pods import size_candidate

BACKOFF_FIRST = timedelta(seconds=5)
BACKOFF_MOST = timedelta(minutes=5)


def run_migrations(context: RolloutContext) -> bool:
    """True when the schema is ready for the candidate. Otherwise starts, awaits or repeats the Job."""
    candidate, migration = context.candidate, context.observed.migration
    known = candidate.memory.migrations
    recorded = context.observed.recorded.get(candidate.revision)
    # Gone back to on request: the schema of the newer revision serves the older as well, if it is still there.
    pinned = context.status.pin is not None and context.status.pin.revision == candidate.revision
    kept = pinned and not (recorded and recorded.lost)
    if not context.spec.migrations.enabled or kept or (recorded and recorded.migrated):
        return True
    if context.only_back and (migration is None or migration.state is JobState.FAILED):
        return False
    if migration is None or migration.attempt < known.attempt:
        # One that is not made yet, or may not be made, is the same attempt for as long as that takes.
        _migrate(context, known.attempt + 1 if known.ran_at is not None else max(known.attempt, 1))
        return False
    match migration.state:
        case JobState.COMPLETE if migration.lost:
            _migrate(context, migration.attempt + 1)
        case JobState.COMPLETE:
            if not context.spec.migrations.reversible and not migration.unchanged:
                context.learn(barrier=candidate.revision)
                # Before the mark: after it, the Job is not asked again.
                context.act(StoreStatus())
            context.act(MarkMigrated(candidate.revision, migration.created_at))
            return True
        case JobState.RUNNING:
            context.learn_candidate(memory={"migrations": {"attempt": migration.attempt}})
            # Without a pod of its own, the Job's message is what quota or admission reported.
            why = why_waiting(migration.pods) or migration.message or "is running"
            context.block(Reason.MIGRATING, f"migrations Job, attempt {migration.attempt}: {why}")
            if any(pod_trouble(p) in (Trouble.IMAGE_NOT_FOUND, Trouble.IMAGE_DENIED) for p in migration.pods):
                # A second opinion from other nodes: a single pod's "not found" may be one node's stale mirror.
                size_candidate(context, stages(context.spec, candidate.strategy)[0])
        case JobState.FAILED if migration.attempt > known.attempt:
            # Left by an earlier try of the same revision, before someone asked for another.
            _migrate(context, migration.attempt + 1)
        case JobState.FAILED:
            _repeat(context, migration)
    return False


def mark_migrated(context: RolloutContext) -> None:
    """Note what the Job has done, for as long as the note is missing: the pass that first asked for it may not have got to
    it."""
    candidate, migration = context.candidate, context.observed.migration
    recorded = context.observed.recorded.get(candidate.revision)
    if recorded is None or recorded.migrated or migration is None or migration.lost:
        return
    if migration.revision == candidate.revision and migration.state is JobState.COMPLETE:
        context.act(MarkMigrated(candidate.revision, migration.created_at))


def _repeat(context: RolloutContext, migration: MigrationFacts) -> None:
    """After a failure that is not held against the revision, try again with growing pauses."""
    candidate = context.candidate
    interrupted = migration.interrupted
    if not interrupted and context.status.stable is not None:
        return
    limit = timedelta(seconds=context.spec.migrations.timeout_seconds)
    own = not interrupted and own_failure(candidate, migration, limit)
    pause = min(BACKOFF_FIRST * 2 ** min(migration.attempt - 1, 10), BACKOFF_MOST)
    due = (migration.finished_at or context.now) + pause
    reason, why = Reason.MIGRATION_FAILED, migration.message or "failed"
    if migration.unreachable:
        reason = Reason.DATABASE_UNREACHABLE
    elif not own:
        reason, why = Reason.MIGRATION_INTERRUPTED, why_interrupted(candidate, migration)
    context.block(reason, f"migrations, attempt {migration.attempt}: {why}; next try follows")
    if context.now >= due or context.retry:
        if not own:
            # What the database, or a node, was away is not the revision's time.
            unwatched = candidate.memory.progress.unwatched_seconds
            away = (context.now - candidate.started_at).total_seconds() - unwatched
            context.update_candidate(memory={"progress": {"held_seconds": away}})
        _migrate(context, migration.attempt + 1)
    else:
        context.wake_at(due)


def _migrate(context: RolloutContext, attempt: int) -> None:
    context.act(Migrate(context.candidate.revision, attempt))
    known = {"attempt": attempt, "ran_at": None, "waited": ""}
    context.update_candidate(memory={"migrations": known})
    context.block(Reason.MIGRATING, f"migrations Job, attempt {attempt}, starts")
