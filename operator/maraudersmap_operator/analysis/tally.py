"""Counting requests: sums over pods, differences over time, and shares of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from maraudersmap_operator.resource.status_analysis import MAX_BUCKETS, Bucket, Tally

from .e_values import Share


def plus(left: Tally, right: Tally) -> Tally:
    """Both together. Of the histogram only the bounds that both know are kept, and callers only if both know them; one
    without requests knows all."""
    if not left.timed:
        buckets = right.buckets
    elif not right.timed:
        buckets = left.buckets
    else:
        counts = {bucket.le: bucket.count for bucket in right.buckets}
        buckets = tuple(
            Bucket(le=bucket.le, count=bucket.count + counts[bucket.le])
            for bucket in left.buckets
            if bucket.le in counts
        )
    if not left.requests:
        asked, failed = right.requests_by_callers, right.errors_by_callers
    elif not right.requests:
        asked, failed = left.requests_by_callers, left.errors_by_callers
    else:
        asked = _sums(left.requests_by_callers, right.requests_by_callers)
        failed = _sums(left.errors_by_callers, right.errors_by_callers)
    return Tally(
        requests=left.requests + right.requests,
        errors=left.errors + right.errors,
        timed=left.timed + right.timed,
        seconds=round(left.seconds + right.seconds, 6),
        buckets=buckets,
        requests_by_callers=asked,
        errors_by_callers=failed,
    )


def increase(before: Tally, after: Tally) -> Tally:
    """What one pod's counters have gained; never negative.

    A counter that went down, or other bounds, mean a container that started again: then all it has counted is gain.
    """
    if _started_again(before, after):
        return after
    return Tally(
        requests=after.requests - before.requests,
        errors=after.errors - before.errors,
        timed=after.timed - before.timed,
        seconds=max(round(after.seconds - before.seconds, 6), 0.0),
        buckets=tuple(
            Bucket(le=new.le, count=new.count - old.count)
            for old, new in zip(before.buckets, after.buckets, strict=True)
        ),
        requests_by_callers=_differences(before.requests_by_callers, after.requests_by_callers),
        errors_by_callers=_differences(before.errors_by_callers, after.errors_by_callers),
    )


def halved(tally: Tally) -> Tally:
    """The same shares of half as many requests."""
    return Tally(
        requests=tally.requests // 2,
        errors=tally.errors // 2,
        timed=tally.timed // 2,
        seconds=round(tally.seconds / 2, 6),
        buckets=tuple(Bucket(le=bucket.le, count=bucket.count // 2) for bucket in tally.buckets),
        requests_by_callers=tuple(count // 2 for count in tally.requests_by_callers),
        errors_by_callers=tuple(count // 2 for count in tally.errors_by_callers),
    )


def thinned(buckets: Sequence[Bucket]) -> tuple[Bucket, ...]:
    """At most MAX_BUCKETS of them, spread evenly; the same bounds give the same choice on every pod."""
    if len(buckets) <= MAX_BUCKETS:
        return tuple(buckets)
    last = len(buckets) - 1
    return tuple(buckets[round(i * last / (MAX_BUCKETS - 1))] for i in range(MAX_BUCKETS))


def errors(tally: Tally) -> Share:
    """Answers with a status of 500 or more."""
    return Share(tally.errors, tally.requests)


def slower_than(tally: Tally, bound: float) -> Share:
    """Requests that took longer than `bound` seconds, which must be one of the histogram's."""
    within = next(bucket.count for bucket in tally.buckets if bucket.le == bound)
    return Share(tally.timed - within, tally.timed)


def common_bounds(control: Tally, trial: Tally) -> tuple[float, ...]:
    """Bounds that both histograms have, ascending."""
    known = {bucket.le for bucket in control.buckets}
    return tuple(bucket.le for bucket in trial.buckets if bucket.le in known)


def mean(tally: Tally) -> float:
    """Seconds a request took on average; 0 without requests."""
    return tally.seconds / tally.timed if tally.timed else 0.0


def _started_again(before: Tally, after: Tally) -> bool:
    if [bucket.le for bucket in before.buckets] != [bucket.le for bucket in after.buckets]:
        return True
    if len(before.requests_by_callers) != len(after.requests_by_callers):
        return True
    return any(new < old for old, new in zip(_parts(before), _parts(after), strict=True))


def _parts(tally: Tally) -> list[int]:
    """What can only grow by itself: sums alone could hide that one part of them went down."""
    within = [0, *(bucket.count for bucket in tally.buckets), tally.timed]
    between = (upper - lower for lower, upper in pairwise(within))
    fine = (
        asked - failed
        for asked, failed in zip(tally.requests_by_callers, tally.errors_by_callers, strict=True)
    )
    return [tally.errors, tally.requests - tally.errors, *between, *tally.errors_by_callers, *fine]


def _sums(left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...]:
    """One by one; nothing when either side knows nothing of callers, or of other groups of them."""
    return tuple(a + b for a, b in zip(left, right, strict=True)) if len(left) == len(right) else ()


def _differences(before: tuple[int, ...], after: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(new - old for old, new in zip(before, after, strict=True))
