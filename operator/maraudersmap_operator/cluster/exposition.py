"""Reading the API's metrics from Prometheus' text format. What a pod reports is not trusted to be sane."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from math import isfinite
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from maraudersmap_operator.analysis import thinned
from maraudersmap_operator.resource.status_analysis import CALLER_GROUPS, Bucket, Tally

REQUESTS = "http_requests_total"
DURATIONS = "http_request_duration_seconds"
CALLERS = "http_requests_by_callers_total"
DEPENDENCY_UP = "dependency_up"
# They are named in the status: no other word of a pod's gets there.
DEPENDENCIES = frozenset({"database", "cache"})
# The API has some 700 lines of these; the parser takes 15 us for one.
MAX_LINES = 20_000
MAX_LINE = 2_000
# Far above what a pod can count; sums of it still fit into the status' 64 bits.
MAX_VALUE = 1e15


class Unreadable(ValueError):
    """The text is not what the API writes; the message states why."""


class Series(NamedTuple):
    """One sample."""

    name: str
    labels: dict[str, str]
    value: float


class Reading(NamedTuple):
    """What a pod reports of itself."""

    tally: Tally
    lacks: frozenset[str]
    """Dependencies that it cannot reach: `database`, `cache`."""


def read_metrics(text: str) -> Reading:
    """All users' requests that a pod has answered since it started, and what it lacks. Raises Unreadable.

    Health checks and scrapes are left out. Routes that upgrade connections (101) are left out of the durations: how long
    a WebSocket stays open shows nothing of how fast it is served.
    """
    everything = tuple(_series(text))
    series = [
        one
        for one in everything
        if one.name not in (DEPENDENCY_UP, CALLERS) and not _is_for_machines(one.labels.get("path", ""))
    ]
    requests: Counter[str] = Counter()
    for one in series:
        if one.name == REQUESTS:
            requests[one.labels.get("status", "")] += int(one.value)
    upgrades = {one.labels.get("path") for one in series if one.labels.get("status") == "101"}
    durations = [one for one in series if one.name != REQUESTS and one.labels.get("path") not in upgrades]
    timed = sum(int(one.value) for one in durations if one.name == f"{DURATIONS}_count")
    callers = _callers(one for one in everything if one.name == CALLERS)
    tally = Tally(
        requests=requests.total(),
        errors=sum(count for status, count in requests.items() if _is_error(status)),
        timed=timed,
        seconds=sum(one.value for one in durations if one.name == f"{DURATIONS}_sum"),
        buckets=thinned(_buckets(durations, timed)),
        requests_by_callers=tuple(sum(group) for group in callers),
        errors_by_callers=tuple(failed for _, failed in callers),
    )
    down = (one for one in everything if one.name == DEPENDENCY_UP and one.value == 0)
    return Reading(tally, DEPENDENCIES & {one.labels.get("dependency", "") for one in down})


def _series(text: str) -> Iterator[Series]:
    lines = [
        line for line in text.splitlines() if line.startswith((REQUESTS, DURATIONS, CALLERS, DEPENDENCY_UP))
    ]
    if len(lines) > MAX_LINES or any(len(line) > MAX_LINE for line in lines):
        raise Unreadable("more metrics than the API has")
    try:
        for family in text_string_to_metric_families("\n".join(lines)):
            for sample in family.samples:
                if not 0 <= sample.value <= MAX_VALUE:  # NaN is not, either
                    raise Unreadable(f"{sample.name} is {sample.value}")
                yield Series(sample.name, sample.labels, sample.value)
    except Unreadable:
        raise
    except (ValueError, LookupError) as error:  # the parser's words for all that it does not understand
        raise Unreadable(str(error)) from error


def _buckets(durations: list[Series], timed: int) -> tuple[Bucket, ...]:
    counts: Counter[float] = Counter()
    for one in durations:
        if one.name == f"{DURATIONS}_bucket":
            counts[_bound(one.labels.get("le", ""))] += int(one.value)
    finite = sorted(bound for bound in counts if isfinite(bound))
    buckets = tuple(Bucket(le=bound, count=counts[bound]) for bound in finite)
    within = [*(bucket.count for bucket in buckets), timed]
    if within != sorted(within):
        raise Unreadable(f"{DURATIONS} has a bucket that holds more than the next one")
    return buckets


def _callers(series: Iterable[Series]) -> list[tuple[int, int]]:
    """Of each group of callers, requests that did not fail and those that did; none when the groups are not ours."""
    counts: Counter[tuple[str, str]] = Counter()
    for one in series:
        counts[one.labels.get("group", ""), one.labels.get("failed", "")] += int(one.value)
    groups = [str(group) for group in range(CALLER_GROUPS)]
    if not counts or {group for group, _ in counts} - {*groups}:
        return []
    return [(counts[group, "false"], counts[group, "true"]) for group in groups]


def _bound(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise Unreadable(f"{text!r} is no bound") from error


def _is_for_machines(path: str) -> bool:
    return path == "/metrics" or path == "/health" or path.startswith("/health/")


def _is_error(status: str) -> bool:
    return len(status) == 3 and status.startswith("5")
