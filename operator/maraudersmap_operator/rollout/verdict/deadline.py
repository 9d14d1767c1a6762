"""Out of time: whose time it was, and whether the candidate had its share of it."""

from __future__ import annotations

from datetime import datetime, timedelta

from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status_candidate import CandidateRevision, Step
from maraudersmap_operator.resource.status_model import shorten

from ..facts import JobState, PodFacts, RevisionFacts
from .case import FAIR_SHARE, Case, Environment, Rejected, unless_disturbed
from .pod_failures import Trouble, pod_trouble, why_waiting


def uncounted(candidate: CandidateRevision, now: datetime) -> timedelta:
    """How much of the time since its start shows nothing of it: it was well and had to wait, or no operator looked."""
    progress = candidate.memory.progress
    spans = [now - since for since in (progress.settled_at, progress.waiting_since) if since]
    return timedelta(seconds=progress.held_seconds + progress.unwatched_seconds) + max(
        spans, default=timedelta(0)
    )


def out_of_time(case: Case) -> Rejected | Environment | None:
    why = why_not_ready(case.facts, case.wanted)
    rollout, candidate, progress = case.rollout, case.candidate, case.candidate.memory.progress
    if case.now - candidate.started_at >= timedelta(seconds=rollout.timeout_seconds) + uncounted(
        candidate, case.now
    ):
        return missed_deadline(
            case, Reason.ROLLOUT_TIMEOUT, f"not done after {rollout.timeout_seconds} s; {why}"
        )
    # It was well until now: what it waited for is not over since a moment ago.
    waited = progress.settled_at is not None or progress.waiting_since is not None
    if case.facts.ready >= case.wanted or waited:
        return None
    if case.now - progress.progressed_at >= timedelta(seconds=rollout.progress_deadline_seconds):
        message = f"no progress for {rollout.progress_deadline_seconds} s; {why}"
        return missed_deadline(case, Reason.PROGRESS_DEADLINE_EXCEEDED, message)
    return None


def missed_deadline(case: Case, reason: Reason, message: str) -> Rejected | Environment | None:
    """Out of time. The revision is to blame for pods whose own container ran and did not become ready; None: those that
    run have yet to have their share of the time."""
    migration = case.migration
    if migration is not None and migration.state is JobState.FAILED and migration.interrupted:
        return Environment(
            Reason.DATABASE_UNREACHABLE, shorten(f"{message}; migrations: {migration.message}")
        )
    starting = [p for p in in_charge(case) if not p.ready]
    if any(pod_trouble(p) is Trouble.NO_CAPACITY for p in starting):
        return Environment(Reason.INSUFFICIENT_CAPACITY, shorten(message))
    running = [p for p in starting if p.ran_since and not (p.own_ready or p.disrupted or p.injected)]
    if any(case.now >= fair_until(case, p) for p in running):
        return unless_disturbed(case, Rejected(reason, shorten(message)))
    if running or (not starting and case.facts.ready >= case.wanted > 0):
        return None
    if injected := next((f"pod {p.name}: {p.injected}" for p in starting if p.injected), ""):
        return Environment(Reason.INJECTED_CONTAINER_FAILING, shorten(f"{message}; {injected}"))
    return Environment(Reason.PODS_NOT_STARTED, shorten(message))


def in_charge(case: Case) -> tuple[PodFacts, ...]:
    """The pods that the candidate waits for: those of its migrations first, then its own."""
    migration = case.migration
    if case.candidate.step is Step.MIGRATING and migration and migration.state is JobState.RUNNING:
        return migration.pods
    return case.facts.active


def fair_until(case: Case, pod: PodFacts) -> datetime:
    """Until when a pod that runs is granted more time, because it was let start late."""
    began, first = pod.ran_since or case.now, case.candidate.memory.failures.first_attempt_at
    if pod.termination_count and first:
        began = min(began, first)
    return began + timedelta(seconds=case.rollout.progress_deadline_seconds) * FAIR_SHARE


def why_not_ready(facts: RevisionFacts, wanted: int) -> str:
    """One sentence with the first cause found, the most telling kind first."""
    if facts.create_error:
        return shorten(facts.create_error)
    return why_waiting(facts.active) or f"{facts.ready} of {wanted} pods are ready"
