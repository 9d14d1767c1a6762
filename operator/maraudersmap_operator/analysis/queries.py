"""The answers of the user's own queries. Their numbers have a meaning and a noise of their own: only a row of them counts."""

from __future__ import annotations

from collections.abc import Iterator

from maraudersmap_operator.resource.analysis import Analysis, PrometheusQuery
from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status_analysis import Comparison, QueryAnswer

from .limits import BAD_LOOKS
from .result import Failed, Inconclusive, Passed, Result

NOT_ASKED = "not asked yet"


def counted(
    before: tuple[QueryAnswer, ...], answers: tuple[QueryAnswer, ...], analysis: Analysis
) -> tuple[QueryAnswer, ...]:
    """`answers` with the number of bad ones in a row. No value neither breaks a row nor adds to it."""
    rows = {answer.name: answer.bad_looks for answer in before}
    queries = {query.name: query for query in _queries(analysis)}

    def row(answer: QueryAnswer) -> int:
        so_far = rows.get(answer.name, 0)
        if answer.value is None:
            return so_far
        return so_far + 1 if _is_bad(queries[answer.name], answer.value) else 0

    known = (answer for answer in answers if answer.name in queries)
    return tuple(answer.model_copy(update={"bad_looks": row(answer)}) for answer in known)


def find(comparison: Comparison, analysis: Analysis) -> Iterator[Result]:
    """A judgement per query."""
    answers = {answer.name: answer for answer in comparison.queries}
    for query in _queries(analysis):
        yield _find(query, answers.get(query.name, QueryAnswer(name=query.name, error=NOT_ASKED)))


def _find(query: PrometheusQuery, answer: QueryAnswer) -> Result:
    if answer.value is None:
        return Inconclusive(f"query {query.name}: {answer.error}")
    message = f"query {query.name} gives {answer.value:g}, {_allowed(query)} is allowed"
    if answer.bad_looks >= BAD_LOOKS:
        return Failed(Reason.QUERY, f"{message}; for {answer.bad_looks} looks in a row")
    if answer.bad_looks:
        return Inconclusive(f"{message}; not yet for {BAD_LOOKS} looks in a row")
    return Passed(message)


def _is_bad(query: PrometheusQuery, value: float) -> bool:
    return (query.max is not None and value > query.max) or (query.min is not None and value < query.min)


def _allowed(query: PrometheusQuery) -> str:
    least = [] if query.min is None else [f"at least {query.min:g}"]
    most = [] if query.max is None else [f"at most {query.max:g}"]
    return " and ".join(least + most)


def _queries(analysis: Analysis) -> tuple[PrometheusQuery, ...]:
    return analysis.prometheus.queries if analysis.prometheus else ()
