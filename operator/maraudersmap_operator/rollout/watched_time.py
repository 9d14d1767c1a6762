"""Watched time: a deadline counts only what was seen.

While no operator leads, or the leader cannot look, a candidate gets no witness, no restart that counts and no way on. That
time is no evidence, neither for the candidate nor against it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from maraudersmap_operator.resource.status_candidate import CandidateRevision

# Moments of the status that something is counted from. Pods' own times are not among them: the kubelet goes on.
COUNTED_FROM = (
    "step_started_at",
    "settled_at",
    "waiting_since",
    "migration_ran_at",
    "progressed_at",
    "pull_error_since",
    "half_down_since",
    "controls_hurt_since",
    "admission_refused_at",
    "refused_since",
)


def credit(candidate: CandidateRevision, gap: timedelta, now: datetime) -> CandidateRevision:
    """The candidate with its clocks moved on by `gap`, which ends now. `started_at` stays: it is when it started."""
    moved = {
        name: min(moment + gap, now)
        for name in COUNTED_FROM
        if (moment := getattr(candidate, name)) is not None
    }
    unwatched = candidate.unwatched_seconds + gap.total_seconds()
    return candidate.model_copy(update={**moved, "unwatched_seconds": unwatched})
