"""The load test's arithmetic: what it calls p95, and when it fails."""

from __future__ import annotations

import math

import pytest
from bench.load.figures import Samples, judge, percentile, quantile, queries, table

FAST = {0.01: 95.0, 0.1: 100.0, math.inf: 100.0}


def samples(*times: float, errors: int = 0) -> Samples:
    made = Samples()
    for time in times:
        made.add("list", time)
    made.errors["get"] = ["503"] * errors
    return made


def page(*counts: int) -> str:
    bounds = ("0.1", "0.25", "+Inf")
    lines = [
        f'database_query_duration_seconds_bucket{{le="{b}"}} {float(c)}'
        for b, c in zip(bounds, counts, strict=True)
    ]
    return "\n".join(["# HELP database_query_duration_seconds Time", *lines, "other_bucket 7.0", ""])


def test_percentiles_are_times_that_were_measured() -> None:
    times = [float(n) for n in range(1, 101)]
    assert [percentile(times, share) for share in (0.5, 0.95, 1.0)] == [50, 95, 100]
    assert percentile([7.0], 0.95) == 7
    assert math.isnan(percentile([], 0.95))


def test_queries_of_all_instances_between_two_readings() -> None:
    counted = queries([page(10, 10, 10), page(0, 0, 0)], [page(100, 105, 105), page(5, 10, 10)])
    assert counted == {0.1: 95, 0.25: 105, math.inf: 105}


@pytest.mark.parametrize(
    ("buckets", "seconds"),
    [
        ({0.1: 100.0, math.inf: 100.0}, 0.095),  # linear in its bucket
        ({0.1: 90.0, 0.25: 100.0, math.inf: 100.0}, 0.175),
        ({0.1: 90.0, 0.25: 90.0, math.inf: 100.0}, 0.25),  # nothing is known beyond the last bound
    ],
)
def test_quantiles_are_those_of_prometheus(buckets: dict[float, float], seconds: float) -> None:
    assert quantile(buckets, 0.95) == pytest.approx(seconds)


def test_what_was_asked_holds() -> None:
    assert judge(samples(*[400.0] * 100), FAST).missed == []


@pytest.mark.parametrize(
    ("measured", "buckets", "missed"),
    [
        (samples(*[400.0] * 90, *[500.0] * 10), FAST, "API p95 500"),
        (samples(1.0), {0.1: 0.0, 0.25: 100.0, math.inf: 100.0}, "query p95"),
        (samples(1.0, errors=1), FAST, "1 errors"),
        (Samples(), FAST, "no request"),
        (samples(1.0), {}, "query p95 nan"),
    ],
)
def test_what_is_missed_is_reported(measured: Samples, buckets: dict[float, float], missed: str) -> None:
    assert missed in " ".join(judge(measured, buckets).missed)


def test_the_table_has_each_kind_and_all_of_them() -> None:
    shown = table(samples(1.0, 3.0, errors=2)).splitlines()
    assert shown[2] == "| list | 2 | 1 | 3 | 3 | 3 | 0 |"
    assert shown[-1] == "| all | 2 | 1 | 3 | 3 | 3 | 2 |"
