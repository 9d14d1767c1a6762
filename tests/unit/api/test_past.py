"""Which entries of a history are shown, and which without what they replaced."""

from maraudersmap_api.incidents.models import Severity
from maraudersmap_api.incidents.past import FOR_EVER, Past, Step, past_of

LOW, MID, HIGH = Severity.MISCHIEF, Severity.SUSPICIOUS, Severity.UNFORGIVABLE


def as_student(*steps: Step) -> Past:
    return past_of(steps, lambda severity: severity <= LOW)


def test_what_was_always_visible_is_shown_whole() -> None:
    assert as_student(Step(1, 2, None, LOW)) == Past(((0, 1), (1, FOR_EVER)), ())
    assert as_student() == Past(((0, FOR_EVER),), ())


def test_lowering_shows_what_is_new_and_not_what_was() -> None:
    past = as_student(Step(1, 2, None, HIGH), Step(7, 8, HIGH, LOW))

    assert past.shown == ((0, 1), (7, FOR_EVER))
    assert [past.withholds(number) for number in (6, 7, 8, 9)] == [False, True, True, False]


def test_a_time_in_between_is_left_out() -> None:
    past = as_student(Step(1, 2, None, LOW), Step(5, 5, LOW, MID), Step(9, 9, MID, LOW))

    assert past.shown == ((0, 1), (1, 5), (9, FOR_EVER))
    assert past.withheld == ((9, 10),)


def test_what_is_older_than_any_step_has_the_first_steps_severity() -> None:
    assert as_student(Step(4, 4, HIGH, LOW)).shown == ((4, FOR_EVER),)
