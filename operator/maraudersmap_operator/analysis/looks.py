"""Adding what a look has seen to what is remembered. The result goes into the status; nothing else is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from maraudersmap_operator.resource.analysis import Analysis
from maraudersmap_operator.resource.status_analysis import Comparison, QueryAnswer, Tally

from . import error_rate, latency, queries
from .limits import WINDOW, comparable, scored
from .tally import halved, plus


@dataclass(frozen=True, slots=True)
class Look:
    """What the two sides' pods have answered since the look before, and what Prometheus answers now."""

    control: Tally
    trial: Tally
    queries: tuple[QueryAnswer, ...] = ()
    disturbed: str = ""
    """What the stable revision, without any traffic, cannot do now either; empty when all is well."""


def begin(now: datetime) -> Comparison:
    """A comparison that has seen nothing, for a new candidate."""
    return Comparison(window_started_at=now)


def recount(before: Comparison, now: datetime) -> Comparison:
    """Counts the candidate's answers from zero, for a step that moves traffic: it must earn its pass itself.

    The control group's answers stay: after a step that moves all traffic there are no others.
    """
    return begin(now).model_copy(
        update={"window": before.window + 1, "control": before.control, "looked_at": before.looked_at}
    )


def until_next_look(comparison: Comparison, analysis: Analysis, now: datetime) -> timedelta:
    """How long until the next look is due; zero when it is."""
    if comparison.looked_at is None:
        return timedelta(0)
    due = comparison.looked_at + timedelta(seconds=analysis.interval_seconds)
    return max(due - now, timedelta(0))


def add_look(before: Comparison, look: Look, analysis: Analysis, now: datetime) -> Comparison:
    """`before` and one more look.

    A look at a time when stable is ill as well shows nothing. Nor do the bad ones before it: it took a while to notice.
    """
    if look.disturbed:
        return before.model_copy(
            update={"disturbed": look.disturbed, "error_looks": 0, "slow_looks": 0, "looked_at": now}
        )
    start = _next_window(before, look, analysis, now) if now - before.window_started_at >= WINDOW else before
    after = start.model_copy(
        update={
            "control": plus(start.control, look.control),
            "trial": plus(start.trial, look.trial),
            "queries": queries.counted(before.queries, look.queries, analysis),
            "disturbed": "",
            "looked_at": now,
        }
    )
    if not look.trial.requests:
        return after
    return after.model_copy(
        update={
            "error_looks": scored(before.error_looks, error_rate.step(after, look.trial, analysis)),
            "slow_looks": scored(before.slow_looks, latency.step(after, look.trial, analysis)),
        }
    )


def _next_window(before: Comparison, look: Look, analysis: Analysis, now: datetime) -> Comparison:
    """Counting starts again, unless a side is still too small to be judged.

    A control group that gets no requests any more stays what it was. One that waits for a candidate without requests, for
    a promotion perhaps, slowly forgets: last night's answers are no measure for this morning's.
    """
    if not before.trial.requests:
        return before.model_copy(update={"control": halved(before.control), "window_started_at": now})
    if before.trial.requests < analysis.min_requests:
        return before
    if 0 < before.control.requests < analysis.min_requests:
        return before
    after = recount(before, now).model_copy(update={"compared": comparable(before, analysis)})
    return after.model_copy(update={"control": Tally()}) if look.control.requests else after
