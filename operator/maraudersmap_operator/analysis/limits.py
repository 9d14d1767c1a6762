"""How sure one must be before a candidate is rejected. docs/analysis.md has the reasons and what they cost."""

from __future__ import annotations

from datetime import timedelta
from math import log

from maraudersmap_operator.resource.analysis import Analysis
from maraudersmap_operator.resource.status_analysis import Comparison

from .result import Inconclusive, Passed, Result

# Chance that a revision as good as its control is ever rejected, per criterion and rollout.
FALSE_ALARM = 1e-4
# Chance that one which is worse, but within the user's limit, is rejected.
WITHIN_LIMIT_ALARM = 1e-2
# A hiccup no longer than the interval spoils one look or, across a border, two. See `scored`.
BAD_LOOKS = 3
# Counting starts again after this long, so that hours of good answers do not hide a change for the worse.
WINDOW = timedelta(minutes=5)


def needed(alarm: float, window: int, tests: int = 1) -> float:
    """ln of the e-value that rejects with a chance of at most `alarm` over all windows and over `tests` at once.

    Window k may spend 1/(k(k+1)) of it; the sum over all k is 1.
    """
    return log(tests * window * (window + 1) / alarm)


def scored(before: int, step: int) -> int:
    """Bad looks (+1) less good ones (-1) of late: BAD_LOOKS at most, so that a revision that recovers is forgiven."""
    return min(max(before + step, 0), BAD_LOOKS)


def comparable(comparison: Comparison, analysis: Analysis) -> bool:
    """The stable revision has answered enough to compare with."""
    return comparison.control.requests >= analysis.min_requests


def too_few(who: str, requests: int, comparison: Comparison, analysis: Analysis) -> Result:
    """Too little in this window to decide; the one before may have had enough."""
    if comparison.compared:
        return Passed("nothing against the candidate in the window before")
    return Inconclusive(
        f"{who} has answered {requests} of the {analysis.min_requests} requests that a comparison takes"
    )
