"""An evaluation database without storage loses its data with its pod. The next one is empty: no pod of what is in use gets
ready until its migrations have run there too."""

from __future__ import annotations

from datetime import datetime, timedelta

from maraudersmap_operator import children
from maraudersmap_operator.cluster.kinds import JOB, POD
from maraudersmap_operator.resource import MaraudersMapStatus
from maraudersmap_operator.resource.names import Component
from maraudersmap_operator.resource.status_candidate import Step
from maraudersmap_operator.rollout import JobState, MarkMigrated, Migrate
from maraudersmap_operator.telemetry import logger

from ..collect.database import data_since
from ..context.subject import Subject
from ..reading.jobs import migration_facts
from ..reading.labels import component_of
from ..reading.pods import pod_facts
from ..status.fates import Fate, State
from .executor import ActionExecutor

# After an attempt that failed: the revision has migrated before, so it is the database's failure more often than its own.
RETRY = timedelta(seconds=30)


async def migrate_again(subject: Subject, executor: ActionExecutor, status: MaraudersMapStatus) -> None:
    """Start the migrations of what is in use where they are needed, and report an attempt that failed. Raises NotLeading."""
    match _next_step(subject, executor, status):
        case Migrate() as attempt:
            logger().warning(
                "the evaluation database is another one: migrations run again", attempt=attempt.attempt
            )
            await executor.do(attempt)
        case MarkMigrated() as done:
            await executor.do(done)
        case Fate() as failed:
            subject.fates.note(failed, "", subject.now)


def _next_step(
    subject: Subject, executor: ActionExecutor, status: MaraudersMapStatus
) -> Migrate | MarkMigrated | Fate | None:
    """None when nothing is to be done, or an attempt runs."""
    spec, now, unknown = subject.spec, subject.now, subject.resource.unknown
    in_use, born = _in_use(status), data_since(subject.store, subject.key, subject.resource)
    if (
        in_use is None
        or born is None
        or not spec.migrations.enabled
        or spec.suspend
        or not _is_ready(subject)
    ):
        return None
    revision, since = in_use
    recorded = executor.observed.recorded.get(revision)
    lost = recorded is not None and recorded.lost
    if recorded is not None and recorded.migrated:
        return None
    if not lost and (born <= since or "migrations" in unknown):
        # Without a note: it has come up with this database, or its migrations were not asked for.
        return None
    last = migration_facts(subject.store, subject.key, revision, [], set(), "", born)
    if last is None:
        return Migrate(revision, 1)
    if last.state is JobState.RUNNING:
        return None
    if last.state is JobState.COMPLETE and not last.lost:
        return MarkMigrated(revision, last.created_at)
    if not last.lost and last.finished_at is not None and now < last.finished_at + RETRY:
        name = children.names.migration_job(subject.owner.name, revision, last.attempt)
        return Fate(JOB.kind, name, State.UNAVAILABLE, f"{last.message}; the next attempt follows")
    return Migrate(revision, last.attempt + 1)


def _in_use(status: MaraudersMapStatus) -> tuple[str, datetime] | None:
    """The revision whose schema is needed, and since when it is in use; None when a candidate is about to bring its own.

    A candidate's serves the stable revision as well; one that goes back takes none with it.
    """
    candidate, stable = status.candidate, status.stable
    if candidate is None or candidate.verdict is not None:
        return None if stable is None else (stable.revision, stable.since)
    return None if candidate.step is Step.MIGRATING else (candidate.revision, candidate.started_at)


def _is_ready(subject: Subject) -> bool:
    pods = subject.store.children(subject.key, POD)
    return any(component_of(p) == Component.POSTGRES and pod_facts(p).ready for p in pods)
