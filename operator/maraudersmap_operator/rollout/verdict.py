"""Is the candidate healthy, still on its way, or doomed?

Two pure steps. `remember` folds what the pods show now into what the candidate's status already remembers (pods come
and go, a verdict must not forget). `classify` then judges that memory. The numbers come from a real kubelet (DESIGN.md
section 4): two pods that exit at once give four terminations within 4 s, then none until 19 s; an app that fails for its
first 6 s and recovers looks the same so far. Hence an attempt that began FRESH_ATTEMPT after the first failure must fail too.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from maraudersmap_operator.resource.policy import Rollout
from maraudersmap_operator.resource.status import (
    MAX_MESSAGE,
    MAX_TERMINATION_RECORDS,
    CandidateRevision,
    TerminationRecord,
)

from .facts import JobState, MigrationFacts, PodFacts, RevisionFacts

FRESH_ATTEMPT = timedelta(seconds=8)
TERMINATION_WINDOW = timedelta(minutes=10)
# With a single pod there is no second opinion: the kubelet's own second pull comes about 10 s after the first.
SECOND_PULL = timedelta(seconds=12)
PULL_REASONS = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
# containerd: "failed to resolve reference ...: not found"; CRI-O: "manifest unknown", "name unknown".
NOT_FOUND_WORDS = (": not found", "manifest unknown", "name unknown", "manifest for", "code = notfound")
# A registry that cannot be reached, or that answers 5xx, may also say "not found" somewhere: these win.
PASSING_WORDS = (
    "connection refused",
    "i/o timeout",
    "no such host",
    "status: 5",
    "500 internal",
    "502 bad",
    "503 service",
)


@dataclass(frozen=True, slots=True)
class Healthy:
    """Every wanted pod has been ready for long enough."""


@dataclass(frozen=True, slots=True)
class Pending:
    """Nothing to hold against it yet. `until`: when the passing of time alone could change that."""

    until: datetime
    message: str = ""


@dataclass(frozen=True, slots=True)
class Doomed:
    reason: str
    message: str


Verdict = Healthy | Pending | Doomed


def remember(candidate: CandidateRevision, facts: RevisionFacts, now: datetime) -> CandidateRevision:
    """The candidate with everything its pods show now folded in; the same object when nothing is new."""
    pods = [p for p in facts.pods if not p.disrupted]
    changes: dict[str, object] = {}
    records = _count_terminations(candidate.terminations, pods, now)
    if records != candidate.terminations:
        changes["terminations"] = records
    first = candidate.first_failure_at or _first_failure(pods, now)
    if first != candidate.first_failure_at:
        changes["first_failure_at"] = first
    if first and not candidate.late_failure and _failed_late(pods, first):
        changes["late_failure"] = True
    if facts.ready > candidate.ready_high_water:
        changes |= {"ready_high_water": facts.ready, "progressed_at": now}
    missing = any(image_not_found(p) for p in facts.active)
    if missing != (candidate.pull_error_since is not None):
        changes["pull_error_since"] = now if missing else None
    return candidate.model_copy(update=changes) if changes else candidate


def classify(
    candidate: CandidateRevision,
    facts: RevisionFacts,
    migration: MigrationFacts | None,
    rollout: Rollout,
    wanted: int,
    now: datetime,
) -> Verdict:
    """Judge a candidate of `wanted` pods. Call `remember` first."""
    doom = (
        _image_missing(candidate, facts, migration, rollout, now)
        or _keeps_ending(candidate, facts, rollout, wanted, now)
        or _migration_failed(migration)
    )
    if doom:
        return doom
    ready = [p for p in facts.active if p.ready and p.ready_since]
    settle = timedelta(seconds=rollout.min_ready_seconds)
    settled_at = sorted(p.ready_since + settle for p in ready if p.ready_since)
    if wanted and len(settled_at) >= wanted and settled_at[wanted - 1] <= now:
        return Healthy()
    # A healthy candidate may be held, by a pause, for as long as people like: only an unready one runs out of time.
    if late := _out_of_time(candidate, facts, rollout, wanted, now):
        return late
    times = [candidate.progressed_at + timedelta(seconds=rollout.progress_deadline_seconds), *settled_at]
    if candidate.pull_error_since:
        times.append(candidate.pull_error_since + _pull_patience(facts, rollout))
    if candidate.first_failure_at:
        times.append(candidate.first_failure_at + FRESH_ATTEMPT)
    times.append(candidate.started_at + timedelta(seconds=rollout.timeout_seconds))
    return Pending(
        min((t for t in times if t > now), default=now + FRESH_ATTEMPT), why_not_ready(facts, wanted)
    )


def image_not_found(pod: PodFacts) -> bool:
    """The kubelet says that this image cannot exist, rather than that it could not be fetched now."""
    if pod.waiting_reason == "InvalidImageName":
        return True
    if pod.waiting_reason not in PULL_REASONS:
        return False
    text = pod.waiting_message.lower()
    return any(w in text for w in NOT_FOUND_WORDS) and not any(w in text for w in PASSING_WORDS)


def terminations(candidate: CandidateRevision, now: datetime) -> int:
    """Container terminations within the window, pods that are gone included."""
    return sum(r.count for r in candidate.terminations if now - r.last_at <= TERMINATION_WINDOW)


def _count_terminations(
    known: tuple[TerminationRecord, ...], pods: Iterable[PodFacts], now: datetime
) -> tuple[TerminationRecord, ...]:
    counts = {r.pod: r for r in known}
    for pod in pods:
        count = pod.termination_count
        record = counts.get(pod.uid)
        # Never downwards: while a container restarts, `down` turns false just as restartCount grows.
        if count > (record.count if record else 0):
            counts[pod.uid] = TerminationRecord(pod=pod.uid, count=count, last_at=now)
    newest = sorted(counts.values(), key=lambda r: r.last_at)[-MAX_TERMINATION_RECORDS:]
    return tuple(newest)


def _first_failure(pods: Iterable[PodFacts], now: datetime) -> datetime | None:
    failed = [p for p in pods if p.termination_count]
    if not failed:
        return None
    return min([t.finished_at for p in failed for t in p.last_terminations if t.finished_at], default=now)


def _failed_late(pods: Iterable[PodFacts], first: datetime) -> bool:
    for pod in pods:
        for end in pod.last_terminations:
            began = end.started_at or end.finished_at
            if began and began >= first + FRESH_ATTEMPT:
                return True
    return False


def _image_missing(
    candidate: CandidateRevision,
    facts: RevisionFacts,
    migration: MigrationFacts | None,
    rollout: Rollout,
    now: datetime,
) -> Doomed | None:
    witnesses = [*facts.active, *(migration.pods if migration else ())]
    missing = [p for p in witnesses if image_not_found(p)]
    since = candidate.pull_error_since
    if not missing or since is None or now < since + _pull_patience(facts, rollout, len(missing)):
        return None
    return Doomed("ImageNotFound", _shorten(missing[0].waiting_message or missing[0].waiting_reason))


def _pull_patience(facts: RevisionFacts, rollout: Rollout, opinions: int | None = None) -> timedelta:
    grace = timedelta(seconds=rollout.image_not_found_grace_seconds)
    if opinions is None:
        opinions = sum(1 for p in facts.active if image_not_found(p))
    return grace if opinions >= 2 else max(grace, SECOND_PULL)


def _keeps_ending(
    candidate: CandidateRevision, facts: RevisionFacts, rollout: Rollout, wanted: int, now: datetime
) -> Doomed | None:
    count = terminations(candidate, now)
    limit = max(rollout.max_failures, wanted / 2)
    if count < limit or not candidate.late_failure:
        return None
    return Doomed("CrashLoop", _shorten(f"containers ended {count} times; {last_words(facts)}"))


def last_words(facts: RevisionFacts) -> str:
    """How the newest ended container went: exit code, reason, its termination message."""
    ends = [t for p in facts.pods for t in p.last_terminations]
    if not ends:
        return "no exit code is known any more"
    last = max(ends, key=lambda t: t.finished_at.timestamp() if t.finished_at else 0)
    said = f": {last.message.strip()}" if last.message.strip() else ""
    return f"the last one with exit code {last.exit_code} ({last.reason or 'no reason given'}){said}"


def _migration_failed(migration: MigrationFacts | None) -> Doomed | None:
    """Exit 75 (EX_TEMPFAIL) means that the database could not be reached: not the revision's fault."""
    if migration is None or migration.state is not JobState.FAILED or migration.exit_code == 75:
        return None
    return Doomed("MigrationFailed", _shorten(f"exit code {migration.exit_code}: {migration.message}"))


def _out_of_time(
    candidate: CandidateRevision, facts: RevisionFacts, rollout: Rollout, wanted: int, now: datetime
) -> Doomed | None:
    why = why_not_ready(facts, wanted)
    if now - candidate.started_at >= timedelta(seconds=rollout.timeout_seconds):
        return Doomed("RolloutTimeout", f"not done after {rollout.timeout_seconds} s; {why}")
    if facts.ready >= wanted:
        return None
    if now - candidate.progressed_at >= timedelta(seconds=rollout.progress_deadline_seconds):
        return Doomed(
            "ProgressDeadlineExceeded", f"no progress for {rollout.progress_deadline_seconds} s; {why}"
        )
    return None


def why_not_ready(facts: RevisionFacts, wanted: int) -> str:
    """One sentence with the first cause found, the most telling kind first."""
    if facts.create_error:
        return _shorten(facts.create_error)
    for pod in facts.active:
        if pod.unschedulable:
            return _shorten(f"pod {pod.name} cannot be scheduled: {pod.unschedulable}")
    for pod in facts.active:
        if pod.waiting_reason and pod.waiting_reason not in ("ContainerCreating", "PodInitializing"):
            return _shorten(f"pod {pod.name}: {pod.waiting_reason}: {pod.waiting_message}")
    return f"{facts.ready} of {wanted} pods are ready"


def _shorten(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= MAX_MESSAGE // 2 else text[: MAX_MESSAGE // 2 - 1] + "…"
