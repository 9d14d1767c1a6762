"""What the candidate's status remembers of its pods: they come and go, a verdict must not forget."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import permutations

from maraudersmap_operator.resource.status_candidate import CandidateRevision
from maraudersmap_operator.resource.status_memory import (
    MAX_TERMINATION_RECORDS,
    Failures,
    MigrationAttempt,
    TerminationRecord,
)

from ..facts import KILLED, MigrationFacts, PodFacts, RevisionFacts, Termination
from .control_group import disturbance, renewed
from .pod_failures import Trouble, pod_trouble, why_waiting

# An attempt that begins this long after the first one began is no longer part of the same bad start: whatever the first
# one lacked has had that long to appear.
FRESH_ATTEMPT = timedelta(seconds=8)
# A pod takes longer than this from its creation to its first attempt, so the attempt is not too early. With 1.5 s it and its
# restart both were, once: Kubernetes' times are whole seconds, and the third attempt comes 10 s later.
FRESH_LEAD = timedelta(milliseconds=500)
# What ended sooner after its start may have lacked something then. What had run for longer met something when it ended.
LONG_RUN = 2 * FRESH_ATTEMPT
TERMINATION_WINDOW = timedelta(minutes=10)

Changes = dict[str, object]


def remember(
    candidate: CandidateRevision,
    facts: RevisionFacts,
    stable: RevisionFacts,
    migration: MigrationFacts | None,
    now: datetime,
) -> CandidateRevision:
    """The candidate with everything its pods show now folded in; the same object when nothing is new."""
    # The containers of a pod that is sent away end too: that is our doing, or the autoscaler's. What it did before is known.
    pods = facts.undisturbed
    memory = candidate.memory
    changes: dict[str, Changes] = {"failures": _follow_failures(memory.failures, pods, now)}
    if facts.ready > memory.progress.ready_high_water:
        changes["progress"] = {"ready_high_water": facts.ready, "proven_at": now, "progressed_at": now}
    troubled = any(
        pod_trouble(p) in (Trouble.IMAGE_NOT_FOUND, Trouble.IMAGE_DENIED)
        for p in starting_pods(facts, migration)
    )
    if troubled != (memory.failures.pull_error_since is not None):
        changes["failures"] |= {"pull_error_since": now if troubled else None}
    if migration is not None and migration.attempt == memory.migrations.attempt:
        changes["migrations"] = _follow_migration(memory.migrations, migration)
    if (group := renewed(memory.control_group.pods, stable)) != memory.control_group.pods:
        changes["control_group"] = {"pods": group}
    hurt = bool(disturbance(candidate, stable, now))
    if hurt != (memory.control_group.hurt_since is not None):
        changes["control_group"] = changes.get("control_group", {}) | {"hurt_since": now if hurt else None}
    return candidate.but(memory=changes) if any(changes.values()) else candidate


def _follow_failures(known: Failures, pods: Sequence[PodFacts], now: datetime) -> Changes:
    changes: Changes = {}
    records = _count_terminations(known.terminations, pods, now)
    if records != known.terminations:
        changes["terminations"] = records
    began, failed = known.first_attempt_at, known.first_failure_at
    if (began is None or failed is None) and (first := _first_failure(pods, now)):
        began, failed = first
        changes |= {"first_attempt_at": began, "first_failure_at": failed}
    if began and failed and not known.late_failure:
        again = _failed_late(pods, second_look(began, failed)) or _fell_one_by_one(pods)
        changes |= {"late_failure": True} if again else {}
    return changes


def _follow_migration(known: MigrationAttempt, migration: MigrationFacts) -> Changes:
    """A Job that ends by its own deadline takes its pod along: whether that had run is known only from before."""
    changes: Changes = {}
    ran = min((p.ran_since for p in migration.pods if p.ran_since), default=None)
    if ran and known.ran_at is None:
        changes["ran_at"] = ran
    waits = why_waiting(migration.pods)
    if waits and waits != known.waited:
        changes["waited"] = waits
    return changes


def starting_pods(facts: RevisionFacts, migration: MigrationFacts | None) -> tuple[PodFacts, ...]:
    """Every pod that runs the candidate's image, that of its migrations included."""
    return (*facts.active, *(migration.pods if migration else ()))


def terminations(candidate: CandidateRevision, now: datetime) -> int:
    """Container terminations within the window, those of pods that are gone included."""
    return sum(
        r.count for r in candidate.memory.failures.terminations if now - r.last_at <= TERMINATION_WINDOW
    )


def _count_terminations(
    known: tuple[TerminationRecord, ...], pods: Iterable[PodFacts], now: datetime
) -> tuple[TerminationRecord, ...]:
    counts = {r.pod: r for r in known}
    for pod in pods:
        record = counts.get(pod.uid) or TerminationRecord(pod=pod.uid, count=0, last_at=now)
        # Never downwards: while a container restarts, `down` turns false just as restartCount grows.
        fresh = pod.all_ends - record.count - record.unseen
        if fresh > 0:
            unseen = sum(pod.unseen_ends[-fresh:])
            changes = {"count": record.count + fresh - unseen, "unseen": record.unseen + unseen}
            counts[pod.uid] = record.but(**changes, last_at=now if fresh > unseen else record.last_at)
    newest = sorted(counts.values(), key=lambda r: r.last_at)[-MAX_TERMINATION_RECORDS:]
    return tuple(newest)


def second_look(began: datetime, failed: datetime) -> datetime:
    """From when on an attempt counts as a second look at what the first one (from, to) has shown."""
    cause = began if failed - began <= LONG_RUN else failed
    return max(cause + FRESH_ATTEMPT, failed)


def fresh_witness_at(candidate: CandidateRevision) -> datetime | None:
    """When to create a pod whose first attempt is such a second look; None while nothing has failed."""
    known = candidate.memory.failures
    began, failed = known.first_attempt_at, known.first_failure_at
    return second_look(began, failed) - FRESH_LEAD if began and failed else None


def _first_failure(pods: Iterable[PodFacts], now: datetime) -> tuple[datetime, datetime] | None:
    """The first attempt that ended, from and to; None when none has. What the kubelet no longer reports is taken for now."""
    failed = [p for p in pods if p.termination_count]
    if not failed:
        return None
    ends = [t for p in failed for t in p.last_terminations if t.finished_at]
    if not ends:
        return now, now
    first = min(ends, key=lambda t: t.finished_at or now)
    return first.started_at or first.finished_at or now, first.finished_at or now


def _failed_late(pods: Iterable[PodFacts], since: datetime) -> bool:
    for pod in pods:
        for end in pod.last_terminations:
            began = end.started_at or end.finished_at
            if began and began >= since:
                return True
    return False


def _fell_one_by_one(pods: Iterable[PodFacts]) -> bool:
    """Two pods that had worked have ended by themselves, at moments that no short outage explains. The later one is as good
    as a second attempt of the first: in a bake that is over before any pod ends twice, there is no other."""
    falls = [
        (min(own), max(own))
        for pod in pods
        if (own := [end.finished_at for end in pod.last_terminations if end.finished_at and _fell(end)])
    ]
    return any(late - early >= FRESH_ATTEMPT for (early, _), (_, late) in permutations(falls, 2))


def _fell(end: Termination) -> bool:
    """A server that worked and left by itself. Killed from outside is none: by a full node, a probe, somebody's hand; whose
    memory had run out, 137 does not show."""
    worked = end.started_at and end.finished_at and end.finished_at - end.started_at > LONG_RUN
    return bool(worked) and end.exit_code not in (0, *KILLED)
