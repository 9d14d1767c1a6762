"""Comparisons and traffic in a few words, for the tests of the analysis."""

from datetime import UTC, datetime, timedelta
from typing import Any

from maraudersmap_operator.analysis import Look, add_look, begin
from maraudersmap_operator.resource.analysis import Analysis
from maraudersmap_operator.resource.status_analysis import Bucket, Comparison, QueryAnswer, Tally

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
BOUNDS = (0.01, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0)


def analysis(**fields: Any) -> Analysis:
    """A policy as a user writes it, in camelCase."""
    return Analysis.model_validate(fields)


def answered(
    requests: int, *, errors: int = 0, took: float = 0.02, slow: int = 0, slow_took: float = 0.0
) -> Tally:
    """Answers that all took as long, apart from `slow` of them."""
    times = {took: requests - slow, slow_took: slow}
    return Tally(
        requests=requests,
        errors=errors,
        timed=requests,
        seconds=sum(seconds * count for seconds, count in times.items()),
        buckets=tuple(
            Bucket(le=bound, count=sum(count for seconds, count in times.items() if seconds <= bound))
            for bound in BOUNDS
        ),
    )


def after(
    *looks: tuple[Tally, Tally],
    policy: Analysis,
    queries: tuple[tuple[QueryAnswer, ...], ...] = (),
    start: Comparison | None = None,
    every: timedelta = 5 * SECOND,
) -> Comparison:
    """The comparison after looks at (control, trial), one every `every`."""
    comparison = start or begin(NOW)
    asked = queries or ((),) * len(looks)
    since = comparison.looked_at or NOW
    for number, ((control, trial), answers) in enumerate(zip(looks, asked, strict=True), start=1):
        comparison = add_look(comparison, Look(control, trial, answers), policy, since + number * every)
    return comparison
