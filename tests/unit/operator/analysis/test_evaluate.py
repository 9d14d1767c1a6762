"""What is rejected, what is not, and what cannot be decided."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.operator.analysis.given import after, analysis, answered

from maraudersmap_operator.analysis import Failed, Inconclusive, Passed, evaluate
from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status_analysis import Comparison, QueryAnswer, Tally

POLICY = analysis()
GOOD = answered(30)
NOTHING = Tally()


def looks(control: Tally, trial: Tally, number: int = 6) -> Comparison:
    """After that many looks with the same to see."""
    return after(*((control, trial),) * number, policy=POLICY)


@pytest.mark.parametrize(
    ("title", "control", "trial"),
    [
        ("both fine", answered(30), answered(20)),
        ("both fail alike", answered(30, errors=15), answered(20, errors=10)),
        ("only stable fails", answered(30, errors=15), answered(20)),
        ("everything fails everywhere", answered(30, errors=30), answered(20, errors=20)),
        ("two points more errors, as allowed", answered(300), answered(300, errors=6)),
        ("both slow", answered(30, took=3), answered(20, took=3)),
        ("the candidate is faster", answered(30, took=0.3), answered(20, took=0.03)),
        ("slower by a hair, across a bound", answered(30, took=0.0499), answered(20, took=0.0501)),
        ("slower by half, across a bound", answered(30, took=0.08), answered(20, took=0.12)),
        ("one request in thirty is slow", answered(30), answered(30, slow=1, slow_took=4)),
    ],
)
def test_nobody_is_condemned_without_a_difference_that_counts(
    title: str, control: Tally, trial: Tally
) -> None:
    assert isinstance(evaluate(looks(control, trial, 40), POLICY), Passed), title


@pytest.mark.parametrize(
    ("title", "control", "trial", "reason"),
    [
        ("a fifth of the answers", answered(30), answered(20, errors=4), "ErrorRate"),
        ("all of them", answered(30), answered(20, errors=20), "ErrorRate"),
        ("more than a bad stable revision", answered(30, errors=3), answered(20, errors=15), "ErrorRate"),
        ("all five times as long", answered(30, took=0.02), answered(20, took=0.1), "Latency"),
        ("all five times as long, from a bound", answered(30, took=0.1), answered(20, took=0.5), "Latency"),
        ("a quarter very slow", answered(40), answered(20, slow=5, slow_took=0.2), "Latency"),
        (
            "a tail that the mean hardly shows",
            answered(100),
            answered(100, slow=15, slow_took=0.11),
            "Latency",
        ),
        ("beyond the last bound", answered(30, took=3), answered(20, took=20), "Latency"),
    ],
)
def test_a_worse_candidate_is_condemned_within_six_looks(
    title: str, control: Tally, trial: Tally, reason: str
) -> None:
    verdict = evaluate(looks(control, trial), POLICY)
    assert isinstance(verdict, Failed), (title, verdict)
    assert verdict.reason == reason


def test_the_message_has_the_numbers_of_both_sides() -> None:
    verdict = evaluate(looks(answered(30), answered(20, errors=5)), POLICY)
    assert verdict == Failed(
        Reason.ERROR_RATE, "25.0 % of the candidate's 120 answers are errors, 0.0 % of stable's 180"
    )
    verdict = evaluate(looks(answered(30, took=0.02), answered(20, took=0.3)), POLICY)
    assert verdict == Failed(
        Reason.LATENCY,
        "100.0 % of the candidate's 120 requests took more than 0.1 s, 0.0 % of stable's 180: 15.0 times as long",
    )


@pytest.mark.parametrize("number", [1, 2])
def test_trouble_that_no_longer_than_an_interval_is_forgiven(number: int) -> None:
    """It shows in one look or two. Afterwards all is well, but the counts remember."""
    hiccup = ((answered(300), answered(300, errors=300, took=5)),) * number
    calm = ((answered(300), answered(300)),) * 20
    for end in range(len(calm) + 1):
        verdict = evaluate(after(*hiccup, *calm[:end], policy=POLICY), POLICY)
        assert not isinstance(verdict, Failed), end


def test_a_look_is_slow_only_at_a_bound_that_tells() -> None:
    """Found by simulation: all of sixteen requests beyond a bound that most cross, and one far beyond, by chance."""
    control = answered(60, slow=7, slow_took=0.005)
    ill = after(*((control, answered(30, took=1)),) * 2, policy=POLICY)
    assert ill.slow_looks == 2
    assert after((control, answered(16, slow=1, slow_took=0.2)), policy=POLICY, start=ill).slow_looks == 2
    assert after((control, answered(16)), policy=POLICY, start=ill).slow_looks == 1


def test_a_change_for_the_worse_is_found_after_hours_of_good_answers() -> None:
    calm = after(*((GOOD, GOOD),) * 2000, policy=POLICY)
    ill = after(*((GOOD, answered(30, errors=9)),) * 24, policy=POLICY, start=calm)
    assert isinstance(evaluate(calm, POLICY), Passed)
    assert isinstance(evaluate(ill, POLICY), Failed)


def test_a_candidate_without_traffic_cannot_be_judged() -> None:
    verdict = evaluate(looks(GOOD, answered(8, errors=8)), POLICY)
    assert verdict == Inconclusive("the candidate has answered 48 of the 50 requests that a comparison takes")


def test_without_a_control_group_nothing_is_judged_unless_the_user_gave_limits() -> None:
    bad = looks(NOTHING, answered(30, errors=20, took=3))
    assert evaluate(bad, POLICY) == Inconclusive(
        "stable has answered 0 of the 50 requests that a comparison takes"
    )
    policy = analysis(errorRate={"maxPercent": 5})
    verdict = evaluate(after(*((NOTHING, answered(30, errors=20)),) * 6, policy=policy), policy)
    assert verdict == Failed(Reason.ERROR_RATE, "66.7 % of the candidate's 180 answers are errors")
    policy = analysis(latency={"maxSeconds": 0.7})
    verdict = evaluate(after(*((NOTHING, answered(30, took=3)),) * 6, policy=policy), policy)
    assert verdict == Failed(Reason.LATENCY, "100.0 % of the candidate's 180 requests took more than 1 s")
    # Between the limit and the next bound it cannot be decided.
    assert not isinstance(
        evaluate(after(*((NOTHING, answered(30, took=0.9)),) * 6, policy=policy), policy), Failed
    )


def test_with_a_control_group_absolute_limits_do_not_count() -> None:
    """A service that is bad already can still be deployed, to repair it."""
    policy = analysis(errorRate={"maxPercent": 1}, latency={"maxSeconds": 0.1})
    bad = answered(30, errors=10, took=3)
    assert isinstance(evaluate(after(*((bad, bad),) * 20, policy=policy), policy), Passed)


def test_a_silent_control_group_keeps_speaking() -> None:
    """BlueGreen: all traffic moves, and stable's answers are those from before; for longer than a window, too."""
    before = after(*((answered(30), NOTHING),) * 4, policy=POLICY)
    fine = after(*((NOTHING, answered(50)),) * 200, policy=POLICY, start=before)
    assert isinstance(evaluate(fine, POLICY), Passed)
    ill = after(*((NOTHING, answered(50, errors=10)),) * 4, policy=POLICY, start=before)
    assert isinstance(evaluate(ill, POLICY), Failed)


def test_revisions_without_a_common_histogram_are_compared_by_errors_only() -> None:
    blind = Tally(requests=30)
    verdict = evaluate(looks(blind, answered(30)), POLICY)
    assert verdict == Inconclusive("the two revisions have no histogram of request durations in common")
    assert isinstance(evaluate(looks(blind, answered(30, errors=9)), POLICY), Failed)
    assert isinstance(evaluate(looks(answered(30), Tally(requests=30, errors=9)), POLICY), Failed)


def test_the_users_limits_are_heeded() -> None:
    errors = looks(answered(30), answered(30, errors=6))
    lenient = analysis(errorRate={"maxIncreasePercent": 30})
    assert isinstance(evaluate(errors, POLICY), Failed)
    assert isinstance(evaluate(errors, lenient), Passed)
    slow = looks(answered(30, took=0.02), answered(30, took=0.08))
    assert isinstance(evaluate(slow, POLICY), Failed)
    assert isinstance(evaluate(slow, analysis(latency={"maxRatio": 6})), Passed)


PROMETHEUS = {
    "url": "http://prometheus:9090",
    "queries": [
        {"name": "queue", "query": "sum(queue)", "max": 10},
        {"name": "logins", "query": "sum(logins)", "min": 1, "max": 50},
    ],
}


def asked(*values: float | None) -> tuple[QueryAnswer, ...]:
    names = ("queue", "logins")
    return tuple(
        QueryAnswer(name=name, value=value, error="" if value is not None else "no data")
        for name, value in zip(names, values, strict=True)
    )


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        ([asked(3, 5)] * 3, "Passed"),
        ([asked(11, 5)] * 3, "Failed"),
        ([asked(3, 0)] * 3, "Failed"),
        ([asked(3, 51)] * 3, "Failed"),
        ([asked(11, 5)] * 2, "Inconclusive"),
        ([asked(11, 5), asked(11, 5), asked(3, 5), asked(11, 5)], "Inconclusive"),
        ([asked(11, 5), asked(11, 5), asked(None, 5), asked(11, 5)], "Failed"),
        ([asked(3, 5), asked(None, 5)], "Inconclusive"),
        ([], "Inconclusive"),
    ],
)
def test_queries_count_when_they_are_bad_three_times_in_a_row(
    answers: list[tuple[QueryAnswer, ...]], verdict: str
) -> None:
    policy = analysis(prometheus=PROMETHEUS)
    calm = after(*((GOOD, GOOD),) * 2, policy=policy)
    comparison = (
        after(*((GOOD, GOOD),) * len(answers), policy=policy, queries=tuple(answers), start=calm)
        if answers
        else calm
    )
    found = evaluate(comparison, policy)
    assert type(found).__name__ == verdict, found
    if isinstance(found, Failed):
        assert found.reason == "Query"


def test_a_query_speaks_without_any_request() -> None:
    policy = analysis(prometheus=PROMETHEUS)
    comparison = after(*((NOTHING, NOTHING),) * 3, policy=policy, queries=(asked(11, 5),) * 3)
    assert evaluate(comparison, policy) == Failed(
        Reason.QUERY, "query queue gives 11, at most 10 is allowed; for 3 looks in a row"
    )


counts = st.integers(0, 60)


@given(st.lists(st.tuples(counts, counts, counts, counts), min_size=1, max_size=12), st.integers(0, 11))
def test_one_more_error_of_stable_never_condemns_the_candidate(
    given_looks: list[tuple[int, int, int, int]], which: int
) -> None:
    """And the verdict is about errors of the candidate only when it has more of them."""

    def comparison(extra: int) -> Comparison:
        made = [
            (
                answered(c + ce + 1, errors=min(ce + extra * (i == which), c + ce + 1)),
                answered(t + te, errors=te),
            )
            for i, (c, ce, t, te) in enumerate(given_looks)
        ]
        return after(*made, policy=POLICY)

    if not isinstance(evaluate(comparison(0), POLICY), Failed):
        assert not isinstance(evaluate(comparison(1), POLICY), Failed)
    verdict = evaluate(comparison(0), POLICY)
    if isinstance(verdict, Failed):
        seen = comparison(0)
        assert seen.trial.errors * seen.control.requests > seen.control.errors * seen.trial.requests


@given(st.lists(st.tuples(counts, counts, counts), min_size=1, max_size=12), st.integers(0, 11))
def test_one_more_error_never_saves_the_candidate(
    given_looks: list[tuple[int, int, int]], which: int
) -> None:
    def comparison(extra: int) -> Comparison:
        made = [
            (answered(c), answered(t + te + 1, errors=te + (extra if i == which else 0)))
            for i, (c, t, te) in enumerate(given_looks)
        ]
        return after(*made, policy=POLICY)

    if isinstance(evaluate(comparison(0), POLICY), Failed):
        assert isinstance(evaluate(comparison(1), POLICY), Failed)
