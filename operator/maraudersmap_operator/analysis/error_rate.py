"""Does the candidate answer with more errors than its control group?"""

from __future__ import annotations

from maraudersmap_operator.resource.analysis import Analysis
from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status_analysis import Comparison, Tally

from .callers import others, seconded
from .e_values import RARELY, log_evidence, log_evidence_against, telling
from .limits import BAD_LOOKS, FALSE_ALARM, WITHIN_LIMIT_ALARM, comparable, needed, too_few
from .result import Failed, Passed, Result
from .tally import errors


def step(comparison: Comparison, seen: Tally, analysis: Analysis) -> int:
    """What the candidate's answers of one look show: bad (1), good (-1) or nothing certain (0)."""
    limit = _absolute(comparison, analysis)
    if limit is None:
        limit = errors(comparison.control).cautious + analysis.error_rate.max_increase_percent / 100
    return telling(errors(seen), limit)


def find(comparison: Comparison, analysis: Analysis) -> Result:
    """The verdict on all answers so far."""
    limit = _absolute(comparison, analysis)
    if limit is None and not comparable(comparison, analysis):
        return too_few("stable", comparison.control.requests, comparison, analysis)
    control, trial = errors(comparison.control), errors(comparison.trial)
    least = needed(FALSE_ALARM, comparison.window)
    message = f"{trial} of the candidate's {trial.total} answers are errors"
    if limit is not None:
        sure = log_evidence_against(limit, trial) >= least
    else:
        message += f", {control} of stable's {control.total}"
        margin, within = (
            analysis.error_rate.max_increase_percent / 100,
            needed(WITHIN_LIMIT_ALARM, comparison.window),
        )
        sure = (
            log_evidence(control, trial, 0, RARELY) >= least
            and log_evidence(control, trial, margin, RARELY) >= within
        )
        rest = others(comparison) if sure else None
        if rest is not None and not seconded(rest, comparison.control, margin, comparison.window):
            sure = False
            message += f"; nearly all of them are one caller's, {rest} of the other callers' {rest.total}"
    return (
        Failed(Reason.ERROR_RATE, message)
        if sure and comparison.error_looks >= BAD_LOOKS
        else Passed(message)
    )


def _absolute(comparison: Comparison, analysis: Analysis) -> float | None:
    """The limit that holds without a control group; None when there is a group, or no such limit."""
    most = analysis.error_rate.max_percent
    return None if most is None or comparable(comparison, analysis) else most / 100
