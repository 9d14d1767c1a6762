"""One caller's errors, and everybody's."""

import pytest
from tests.unit.operator.analysis.given import after, analysis, answered

from maraudersmap_operator.analysis import Failed, Passed, evaluate
from maraudersmap_operator.analysis.callers import others
from maraudersmap_operator.analysis.e_values import Share
from maraudersmap_operator.resource.analysis import Analysis
from maraudersmap_operator.resource.status_analysis import CALLER_GROUPS, Comparison, Tally

POLICY = analysis()


def heard(requests: dict[int, int], errors: dict[int, int] | None = None) -> Tally:
    """Answers by group of callers."""
    failed = errors or {}
    answers = answered(sum(requests.values()), errors=sum(failed.values()))
    by_callers = {
        "requests_by_callers": tuple(requests.get(group, 0) for group in range(CALLER_GROUPS)),
        "errors_by_callers": tuple(failed.get(group, 0) for group in range(CALLER_GROUPS)),
    }
    return answers.model_copy(update=by_callers)


def looks(control: Tally, trial: Tally, number: int = 6, policy: Analysis = POLICY) -> Comparison:
    return after(*((control, trial),) * number, policy=policy)


EVERYBODY = dict.fromkeys(range(CALLER_GROUPS), 2)


def test_errors_of_one_caller_do_not_condemn_however_many_they_are() -> None:
    attacked = heard({**EVERYBODY, 3: 100}, {3: 98})
    verdict = evaluate(looks(heard(EVERYBODY), attacked), POLICY)
    assert isinstance(verdict, Passed)
    assert verdict.message.startswith(
        "75.4 % of the candidate's 780 answers are errors, 0.0 % of stable's 192; "
        "nearly all of them are one caller's, 0.0 % of the other callers' 180;"
    )


def test_they_do_not_when_the_others_see_as_few_as_those_of_stable() -> None:
    """Background noise is no second witness, nor is a difference that the user allows."""
    noise = heard(dict.fromkeys(range(CALLER_GROUPS), 50), {0: 1, 5: 1, 9: 1})
    attacked = heard({**dict.fromkeys(range(CALLER_GROUPS), 50), 3: 300}, {0: 1, 3: 280, 5: 2, 9: 2})
    assert isinstance(evaluate(looks(noise, attacked, 40), POLICY), Passed)


@pytest.mark.parametrize("callers", [2, 3, 10, 16])
def test_errors_of_everybody_condemn_as_soon_as_ever(callers: int) -> None:
    fine, bad = dict.fromkeys(range(callers), 60 // callers), dict.fromkeys(range(callers), 40 // callers)
    errors = {group: -(-count // 5) for group, count in bad.items()}
    known = heard(fine), heard(bad, errors)
    unknown = tuple(side.model_copy(update={"requests_by_callers": ()}) for side in known)

    def first(control: Tally, trial: Tally) -> int:
        return next(
            number
            for number in range(1, 20)
            if isinstance(evaluate(looks(control, trial, number), POLICY), Failed)
        )

    assert first(*known) == first(*unknown) <= 4


def test_one_caller_who_makes_half_of_the_requests_does_not_hide_the_others() -> None:
    control, trial = heard({0: 30, **EVERYBODY}), heard({0: 30, **EVERYBODY}, {0: 6, 1: 2, 4: 2, 7: 2})
    assert isinstance(evaluate(looks(control, trial, 5), POLICY), Failed)


def test_who_is_all_the_users_there_are_is_believed() -> None:
    assert isinstance(evaluate(looks(heard({2: 30}), heard({2: 20}, {2: 5})), POLICY), Failed)
    # One request in ten is somebody else's: as good as none. More are not.
    assert isinstance(evaluate(looks(heard({2: 27, 3: 3}), heard({2: 20}, {2: 5})), POLICY), Failed)
    assert isinstance(evaluate(looks(heard({2: 26, 3: 4}), heard({2: 20}, {2: 5})), POLICY), Passed)


@pytest.mark.parametrize("silent", ["control", "trial"])
def test_a_side_that_does_not_report_its_callers_is_judged_without(silent: str) -> None:
    """An image from before, or one that is not ours."""
    comparison = looks(heard(EVERYBODY), heard({**EVERYBODY, 3: 100}, {3: 98}))
    tally: Tally = getattr(comparison, silent)
    for unknown in ({"requests_by_callers": (), "errors_by_callers": ()}, {"requests_by_callers": (1,)}):
        seen = comparison.model_copy(update={silent: tally.model_copy(update=unknown)})
        assert others(seen) is None
        assert isinstance(evaluate(seen, POLICY), Failed)


def test_the_group_with_most_errors_is_left_out_not_the_one_with_most_requests() -> None:
    comparison = looks(heard(EVERYBODY), heard({0: 100, 1: 9, 2: 1}, {0: 2, 1: 5, 2: 1}), 1)
    assert others(comparison) == Share(3, 101)


def test_a_window_that_has_just_begun_forgets_no_callers() -> None:
    """Counting starts again every five minutes: at no look is it one caller's word again."""
    attacked = heard({**EVERYBODY, 3: 100}, {3: 98})
    comparison = after((heard(EVERYBODY), attacked), policy=POLICY)
    for _ in range(200):
        comparison = after((heard(EVERYBODY), attacked), policy=POLICY, start=comparison)
        assert not isinstance(evaluate(comparison, POLICY), Failed)
