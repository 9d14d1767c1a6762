"""What follows from a comparison: the candidate is worse, is not, or that cannot be decided."""

from __future__ import annotations

from collections.abc import Iterator

from maraudersmap_operator.resource.analysis import Analysis
from maraudersmap_operator.resource.status_analysis import Comparison

from . import error_rate, latency, queries
from .limits import too_few
from .result import Failed, Inconclusive, Passed, Result


def evaluate(comparison: Comparison, analysis: Analysis) -> Result:
    """Judge what has been counted. May be asked as often as one likes, with the same comparison or a newer one."""
    if comparison.disturbed:
        return Inconclusive(
            f"stable's pods cannot reach the {comparison.disturbed} either: looks do not count"
        )
    findings = tuple(_findings(comparison, analysis))
    for finding in findings:
        if isinstance(finding, Failed):
            return finding
    unsure = dict.fromkeys(finding.message for finding in findings if isinstance(finding, Inconclusive))
    if unsure:
        return Inconclusive("; ".join(unsure))
    return Passed("; ".join(dict.fromkeys(finding.message for finding in findings)))


def _findings(comparison: Comparison, analysis: Analysis) -> Iterator[Result]:
    """In the order in which a failure is reported."""
    if comparison.trial.requests < analysis.min_requests:
        yield too_few("the candidate", comparison.trial.requests, comparison, analysis)
    else:
        yield error_rate.find(comparison, analysis)
        yield latency.find(comparison, analysis)
    yield from queries.find(comparison, analysis)
