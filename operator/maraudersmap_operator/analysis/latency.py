"""Does the candidate take longer than its control group?

Durations are known as a histogram only: for a few bounds, how many requests took longer. For each bound the share of
slower requests is compared, as errors are. That proves that requests have become slower, but not how much: 51 ms and
99 ms look the same beside 49 ms when the bounds are 50 and 100. So the user's factor must show as well, in one of two ways
that do not depend on where the bounds happen to lie (`times_as_long`).
"""

from __future__ import annotations

from maraudersmap_operator.resource.analysis import Analysis
from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status_analysis import Comparison, Tally

from .e_values import log_evidence, log_evidence_against, telling
from .limits import BAD_LOOKS, FALSE_ALARM, comparable, needed, too_few
from .result import Failed, Inconclusive, Passed, Result
from .tally import common_bounds, mean, slower_than


def step(comparison: Comparison, seen: Tally, analysis: Analysis) -> int:
    """What the candidate's answers of one look show: bad (1), good (-1) or nothing certain (0)."""
    if not seen.timed:
        return 0
    tail, bound = 1 - analysis.latency.quantile, _absolute(comparison, analysis)
    if bound is not None:
        return telling(slower_than(seen, bound), tail)
    scores = {
        at: telling(slower_than(seen, at), slower_than(comparison.control, at).cautious + tail)
        for at in common_bounds(comparison.control, seen)
    }
    for score in (1, 0):
        # The bound that shows the factor must be a telling one: a look is small, and others are crossed by chance.
        crossed = [at for at, found in scores.items() if found >= score]
        if crossed and _is_slower(comparison.control, seen, crossed[-1], analysis):
            return score
    return -1


def find(comparison: Comparison, analysis: Analysis) -> Result:
    """The verdict on all answers so far."""
    bound = _absolute(comparison, analysis)
    if bound is not None:
        return _find_absolute(comparison, analysis, bound)
    if not comparable(comparison, analysis):
        return too_few("stable", comparison.control.requests, comparison, analysis)
    control, trial, tail = comparison.control, comparison.trial, 1 - analysis.latency.quantile
    bounds = common_bounds(control, trial)
    if not bounds:
        return Inconclusive("the two revisions have no histogram of request durations in common")
    least = needed(FALSE_ALARM, comparison.window, tests=len(bounds))
    crossed = [
        at for at in bounds if log_evidence(slower_than(control, at), slower_than(trial, at), tail) >= least
    ]
    if crossed and comparison.slow_looks >= BAD_LOOKS:
        times = times_as_long(control, trial, crossed[-1], tail)
        if _is_slower(control, trial, crossed[-1], analysis):
            return Failed(
                Reason.LATENCY,
                f"{slower_than(trial, crossed[-1])} of the candidate's {trial.timed} requests took more than "
                f"{crossed[-1]:g} s, {slower_than(control, crossed[-1])} of stable's {control.timed}: "
                f"{times:.1f} times as long",
            )
    return Passed(f"the candidate takes {mean(trial):.3f} s on average, stable {mean(control):.3f} s")


def times_as_long(control: Tally, trial: Tally, crossed: float, tail: float) -> float:
    """How many times as long the trial takes, given that more than `tail` of it take longer than `crossed` seconds.

    The larger of two: the gap between the bound that the trial's quantile exceeds and the one that the control's does
    not, which a slow tail shows; and the ratio of the means, which the histogram's sum gives whatever the bounds are.
    """
    ceiling = next((b.le for b in control.buckets if slower_than(control, b.le).value <= tail), None)
    average = mean(control)
    return max(crossed / ceiling if ceiling else 0.0, mean(trial) / average if average else 0.0)


def _is_slower(control: Tally, trial: Tally, crossed: float, analysis: Analysis) -> bool:
    times = times_as_long(control, trial, crossed, 1 - analysis.latency.quantile)
    return times >= analysis.latency.max_ratio


def _find_absolute(comparison: Comparison, analysis: Analysis, bound: float) -> Result:
    slow, tail = slower_than(comparison.trial, bound), 1 - analysis.latency.quantile
    message = f"{slow} of the candidate's {slow.total} requests took more than {bound:g} s"
    sure = log_evidence_against(tail, slow) >= needed(FALSE_ALARM, comparison.window)
    return Failed(Reason.LATENCY, message) if sure and comparison.slow_looks >= BAD_LOOKS else Passed(message)


def _absolute(comparison: Comparison, analysis: Analysis) -> float | None:
    """The bound that counts without a control group: the lowest one that is no lower than the user's limit.

    Who is slower than it is slower than allowed for certain. None when there is a control group, or no limit, or no bound
    that high.
    """
    most = analysis.latency.max_seconds
    if most is None or comparable(comparison, analysis):
        return None
    return next((bucket.le for bucket in comparison.trial.buckets if bucket.le >= most), None)
