"""An evaluation database without storage loses its data with its pod. The next one is empty: no pod of the revision that
serves gets ready until its migrations have run there too."""

from __future__ import annotations

from datetime import datetime, timedelta

from maraudersmap_operator import children
from maraudersmap_operator.cluster.kinds import JOB, POD
from maraudersmap_operator.resource import MaraudersMapStatus
from maraudersmap_operator.resource.names import Component
from maraudersmap_operator.rollout import JobState, Migrate
from maraudersmap_operator.telemetry import logger

from .carry_out import Hands
from .fates import Fate, State
from .jobs import migration_facts
from .labels import component_of
from .pods import pod_facts, time_of
from .subject import Subject

# After an attempt that failed: the revision has migrated before, so it is the database's failure more often than its own.
RETRY = timedelta(seconds=30)


async def migrate_again(subject: Subject, hands: Hands, status: MaraudersMapStatus) -> None:
    """Start the stable revision's migrations where they are needed, and report an attempt that failed. Raises NotLeading."""
    match _next_step(subject, status):
        case Migrate() as attempt:
            logger().warning(
                "the evaluation database is another one: migrations run again", attempt=attempt.attempt
            )
            await hands.do(attempt)
        case Fate() as failed:
            subject.fates.note(failed, "", subject.now)


def _next_step(subject: Subject, status: MaraudersMapStatus) -> Migrate | Fate | None:
    """None when nothing is to be done, or an attempt runs. A candidate brings its own migrations."""
    stable, spec, now = status.stable, subject.spec, subject.now
    if stable is None or status.candidate is not None or not spec.migrations.enabled or spec.suspend:
        return None
    born = _empty_since(subject)
    if born is None or born <= stable.since:
        return None
    last = migration_facts(subject.store, subject.key, stable.revision, [], set(), "")
    if last is None:
        return Migrate(stable.revision, 1)
    if last.finished_at is None or (last.finished_at >= born and last.state is JobState.COMPLETE):
        return None
    if last.finished_at >= born and now < last.finished_at + RETRY:
        name = children.names.migration_job(subject.owner.name, stable.revision, last.attempt)
        return Fate(JOB.kind, name, State.UNAVAILABLE, f"{last.message}; the next attempt follows")
    return Migrate(stable.revision, last.attempt + 1)


def _empty_since(subject: Subject) -> datetime | None:
    """When the pod of a database that keeps its data nowhere else was made; None without one that is ready."""
    evaluation = subject.spec.database.evaluation
    if evaluation is None or evaluation.storage is not None or "database" in subject.resource.unknown:
        return None
    for pod in subject.store.children(subject.key, POD):
        if component_of(pod) == Component.POSTGRES and pod_facts(pod).ready:
            return time_of(pod["metadata"]["creationTimestamp"])
    return None
