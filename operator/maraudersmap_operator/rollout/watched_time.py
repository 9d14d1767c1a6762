"""Watched time: a deadline counts only what was seen.

While no operator leads, or the leader cannot look, a candidate gets no witness, no restart that counts and no way on. That
time is no evidence, neither for the candidate nor against it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TypeVar

from maraudersmap_operator.resource.status_candidate import CandidateRevision
from maraudersmap_operator.resource.status_model import StatusModel

M = TypeVar("M", bound=StatusModel)

# Moments of the memory that something is counted from. Pods' own times are not among them: the kubelet goes on.
COUNTED_FROM = {
    "progress": ("settled_at", "waiting_since", "progressed_at", "led_since"),
    "failures": ("pull_error_since", "half_down_since", "admission_refused_at", "refused_since"),
    "control_group": ("hurt_since",),
    "migrations": ("ran_at",),
}


def credit(candidate: CandidateRevision, gap: timedelta, now: datetime) -> CandidateRevision:
    """The candidate with its clocks moved on by `gap`, which ends now. `started_at` stays: it is when it started."""
    memory = {
        part: {name: _later(getattr(getattr(candidate.memory, part), name), gap, now) for name in names}
        for part, names in COUNTED_FROM.items()
    }
    unwatched = candidate.memory.progress.unwatched_seconds + gap.total_seconds()
    return candidate.but(
        step_started_at=_later(candidate.step_started_at, gap, now),
        memory=memory | {"progress": {**memory["progress"], "unwatched_seconds": unwatched}},
    )


def _later(moment: datetime | None, gap: timedelta, now: datetime) -> datetime | None:
    return None if moment is None else min(moment + gap, now)


def not_ahead(model: M, now: datetime) -> M:
    """The model without a time that lies ahead, the same object where there is none: a clock was put back, and what is
    counted from then would not come for as long."""
    changes: dict[str, object] = {}
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, datetime) and value > now:
            changes[name] = now
        elif isinstance(value, StatusModel) and (behind := not_ahead(value, now)) is not value:
            changes[name] = behind
    return model.but(**changes) if changes else model
