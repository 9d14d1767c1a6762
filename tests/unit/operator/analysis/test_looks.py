"""What is kept between looks."""

from datetime import timedelta

from tests.unit.operator.analysis.given import NOW, SECOND, after, analysis, answered

from maraudersmap_operator.analysis import (
    Inconclusive,
    Look,
    Passed,
    add_look,
    begin,
    evaluate,
    recount,
    until_next_look,
)
from maraudersmap_operator.resource.status_analysis import Comparison, Tally

POLICY = analysis()
GOOD = answered(30)
NOTHING = Tally()


def test_looks_are_due_at_the_interval_and_at_once_at_first() -> None:
    policy = analysis(intervalSeconds=20)
    assert until_next_look(begin(NOW), policy, NOW) == timedelta(0)
    looked = add_look(begin(NOW), Look(NOTHING, NOTHING), policy, NOW)
    assert until_next_look(looked, policy, NOW + 5 * SECOND) == 15 * SECOND
    assert until_next_look(looked, policy, NOW + 60 * SECOND) == timedelta(0)


def test_both_sides_add_up() -> None:
    comparison = after((answered(10), answered(3, errors=1)), (answered(5), NOTHING), policy=POLICY)
    assert comparison.control == answered(15)
    assert comparison.trial == answered(3, errors=1)
    assert comparison.looked_at == NOW + 10 * SECOND


def test_counting_starts_anew_after_five_minutes_and_the_pass_is_remembered() -> None:
    comparison = after(*((GOOD, GOOD),) * 60, policy=POLICY)
    assert (comparison.window, comparison.trial.requests) == (2, 30)
    assert comparison.control.requests == 30
    assert isinstance(evaluate(comparison, POLICY), Passed)


def test_a_window_lasts_until_both_sides_can_be_judged() -> None:
    few = answered(1)
    assert after(*((GOOD, few),) * 45, policy=POLICY, every=10 * SECOND).window == 1
    assert after(*((few, GOOD),) * 45, policy=POLICY, every=10 * SECOND).window == 1
    assert after(*((NOTHING, GOOD),) * 45, policy=POLICY, every=10 * SECOND).window == 2


def test_a_control_group_that_waits_for_long_forgets_slowly() -> None:
    """Last night all was well; since this morning a tenth fails, with or without the candidate."""
    night = after(*((answered(30), NOTHING),) * 2000, policy=POLICY)
    morning = after(*((answered(30, errors=3), NOTHING),) * 400, policy=POLICY, start=night)
    assert morning.window == 1
    assert 30 * 60 <= morning.control.requests <= 30 * 60 * 2
    assert 0.09 < morning.control.errors / morning.control.requests <= 0.1
    switched = after(*((NOTHING, answered(30, errors=3)),) * 100, policy=POLICY, start=morning)
    assert isinstance(evaluate(switched, POLICY), Passed)


def test_a_step_that_moves_traffic_must_earn_its_own_pass() -> None:
    before = after(*((GOOD, answered(30, errors=9)),) * 4, policy=POLICY)
    step = recount(before, NOW + 60 * SECOND)
    assert (step.trial, step.control, step.window) == (NOTHING, before.control, 2)
    assert (step.error_looks, step.slow_looks, step.compared) == (0, 0, False)
    assert step.looked_at == before.looked_at


def test_a_candidate_that_recovers_is_forgiven() -> None:
    ill = after(*((GOOD, answered(30, errors=30)),) * 8, policy=POLICY)
    assert ill.error_looks == 3
    assert after((GOOD, GOOD), policy=POLICY, start=ill).error_looks == 2
    assert after((GOOD, NOTHING), policy=POLICY, start=ill).error_looks == 3
    assert after(*((GOOD, GOOD),) * 5, policy=POLICY, start=ill).error_looks == 0


def test_what_is_kept_comes_back_from_the_status_as_it_was() -> None:
    comparison = after(*((GOOD, answered(30, errors=3)),) * 70, policy=POLICY)
    stored = comparison.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert Comparison.model_validate(stored) == comparison


def test_looks_while_stable_is_ill_too_do_not_count_and_excuse_those_before() -> None:
    ill = after(*((GOOD, answered(30, errors=30)),) * 2, policy=POLICY)
    disturbed = add_look(
        ill, Look(NOTHING, answered(30, errors=30), disturbed="database"), POLICY, NOW + 15 * SECOND
    )
    assert (disturbed.trial, disturbed.error_looks) == (ill.trial, 0)
    assert evaluate(disturbed, POLICY) == Inconclusive(
        "stable's pods cannot reach the database either: looks do not count"
    )
    assert after((GOOD, GOOD), policy=POLICY, start=disturbed).disturbed == ""
