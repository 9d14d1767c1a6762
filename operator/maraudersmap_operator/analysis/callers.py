"""Whose errors are they? One caller alone must not be able to have a revision rejected.

The evidence takes requests to fail independently of each other. Those of one caller do not: someone who has found a request
that fails can send it as often as they like. So what speaks against a candidate must be seen by others, too.
"""

from __future__ import annotations

from maraudersmap_operator.resource.status_analysis import Comparison, Tally

from .e_values import RARELY, Share, log_evidence
from .limits import needed
from .tally import errors

# A group that makes this share of stable's requests is all the users there are.
NEARLY_ALL = 0.9
# Chance that the others, of a revision as good as its control, ever seem to see what one caller sees.
SECONDED_ALARM = 1e-2


def others(comparison: Comparison) -> Share | None:
    """The candidate's errors without those of the group of callers that met most of them.

    None where nothing follows from it: a side does not report its callers, or stable, too, is asked by that group and
    next to no one else.
    """
    control, trial = comparison.control, comparison.trial
    groups = len(trial.errors_by_callers)
    if not groups or {len(trial.requests_by_callers), len(control.requests_by_callers)} != {groups}:
        return None
    worst = max(range(groups), key=lambda group: trial.errors_by_callers[group])
    if control.requests_by_callers[worst] >= NEARLY_ALL * sum(control.requests_by_callers):
        return None
    return Share(_without(trial.errors_by_callers, worst), _without(trial.requests_by_callers, worst))


def seconded(share: Share, control: Tally, margin: float, window: int) -> bool:
    """Do the others see it too: more errors than `margin` above stable's, and surely more than stable's?"""
    stable = errors(control)
    if share.value <= stable.value + margin:
        return False
    return log_evidence(stable, share, 0, RARELY) >= needed(SECONDED_ALARM, window)


def _without(counts: tuple[int, ...], group: int) -> int:
    return sum(counts) - counts[group]
