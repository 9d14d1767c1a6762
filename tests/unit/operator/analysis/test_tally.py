"""Counting: pods start again, histograms differ, nothing is ever negative."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.operator.analysis.given import answered

from maraudersmap_operator.analysis import increase, plus, thinned
from maraudersmap_operator.analysis.tally import halved
from maraudersmap_operator.resource.status_analysis import MAX_BUCKETS, Bucket, Tally

BOUNDS = (0.1, 1.0)


@st.composite
def tallies(draw: st.DrawFn) -> Tally:
    """What one pod could show."""
    errors, fine, quick, middling, slow = (draw(st.integers(0, 50)) for _ in range(5))
    first, failed = draw(st.integers(0, fine)), draw(st.integers(0, errors))
    return Tally(
        requests=errors + fine,
        errors=errors,
        requests_by_callers=(first + failed, fine - first + errors - failed),
        errors_by_callers=(failed, errors - failed),
        timed=quick + middling + slow,
        seconds=draw(st.floats(0, 100)),
        buckets=(Bucket(le=0.1, count=quick), Bucket(le=1.0, count=quick + middling)),
    )


def is_sane(tally: Tally) -> bool:
    counts = [0, *(bucket.count for bucket in tally.buckets), tally.timed]
    shares = zip(tally.errors_by_callers, tally.requests_by_callers, strict=True)
    if not all(0 <= failed <= asked for failed, asked in shares):
        return False
    return counts == sorted(counts) and 0 <= tally.errors <= tally.requests and tally.seconds >= 0


@given(tallies(), tallies())
@settings(deadline=None)
def test_an_increase_is_never_negative_in_any_part(before: Tally, after: Tally) -> None:
    """Not even when each sum grew although the pod started again."""
    assert is_sane(increase(before, after))


@given(tallies())
@settings(deadline=None)
def test_half_of_it_is_as_sane(tally: Tally) -> None:
    assert is_sane(halved(tally))
    assert 2 * halved(tally).requests <= tally.requests


@given(tallies(), tallies())
@settings(deadline=None)
def test_what_is_added_is_what_increased(before: Tally, gained: Tally) -> None:
    counts = increase(before, plus(before, gained)).model_dump(exclude={"seconds"})
    assert counts == gained.model_dump(exclude={"seconds"})


def test_a_restarted_pod_counts_from_its_own_zero() -> None:
    assert increase(answered(100), answered(7, errors=2)) == answered(7, errors=2)
    # More requests than before, but fewer of those that were fine: it was another process.
    assert increase(answered(10), answered(11, errors=9)) == answered(11, errors=9)


def test_other_bounds_are_another_process() -> None:
    before = Tally(requests=5, timed=5, buckets=(Bucket(le=0.1, count=5),))
    after = Tally(requests=9, timed=9, buckets=(Bucket(le=0.25, count=9),))
    assert increase(before, after) == after


def test_callers_of_a_sum_are_known_when_both_sides_know_them() -> None:
    known = Tally(requests=3, requests_by_callers=(1, 2), errors_by_callers=(0, 1))
    assert plus(known, known).requests_by_callers == (2, 4)
    assert plus(known, known).errors_by_callers == (0, 2)
    assert plus(Tally(), known) == plus(known, Tally()) == known
    assert plus(known, Tally(requests=1)).requests_by_callers == ()
    assert plus(known, Tally(requests=1, requests_by_callers=(1,))).requests_by_callers == ()


def test_fewer_requests_of_one_caller_are_another_process() -> None:
    before = Tally(requests=3, requests_by_callers=(3, 0), errors_by_callers=(0, 0))
    after = Tally(requests=9, requests_by_callers=(2, 7), errors_by_callers=(0, 0))
    assert increase(before, after) == after
    assert increase(Tally(requests=1), after) == after
    # As many of one caller, but fewer that were fine.
    before = Tally(requests=2, errors=0, requests_by_callers=(1, 1), errors_by_callers=(0, 0))
    after = Tally(requests=3, errors=1, requests_by_callers=(2, 1), errors_by_callers=(0, 1))
    assert increase(before, after) == after


def test_a_sum_keeps_the_bounds_that_both_know() -> None:
    left = Tally(timed=3, buckets=(Bucket(le=0.1, count=1), Bucket(le=1.0, count=2)))
    right = Tally(timed=2, buckets=(Bucket(le=0.5, count=1), Bucket(le=1.0, count=2)))
    assert plus(left, right).buckets == (Bucket(le=1.0, count=4),)
    assert plus(left, Tally()).buckets == left.buckets
    assert plus(Tally(), right).buckets == right.buckets


@pytest.mark.parametrize("number", [0, 1, MAX_BUCKETS, MAX_BUCKETS + 1, 40])
def test_a_histogram_is_cut_to_what_the_status_may_hold(number: int) -> None:
    buckets = [Bucket(le=0.01 * (i + 1), count=i) for i in range(number)]
    kept = thinned(buckets)
    assert len(kept) == min(number, MAX_BUCKETS)
    assert len({bucket.le for bucket in kept}) == len(kept)
    if buckets:
        assert (kept[0], kept[-1]) == (buckets[0], buckets[-1])
