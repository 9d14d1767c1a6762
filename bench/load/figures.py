"""What was measured, whether it is what was asked, and the table. Pure; times in milliseconds."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

KINDS = ("list", "get", "create", "WebSocket")
API_P95_MS = 500.0
QUERY_P95_MS = 100.0
_BUCKET = re.compile(r'^database_query_duration_seconds_bucket\{le="([^"]+)"\} (\S+)$', re.MULTILINE)


@dataclass(slots=True)
class Samples:
    """Times of requests by kind, answered as they should be or not, and what went wrong."""

    times: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    errors: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in KINDS})

    def add(self, kind: str, milliseconds: float, error: str = "") -> None:
        """One request that has ended."""
        self.times[kind].append(milliseconds)
        if error:
            self.errors[kind].append(error)


@dataclass(frozen=True, slots=True)
class Judgement:
    """The three figures that were asked for, and what each of them misses."""

    api_p95_ms: float
    query_p95_ms: float
    errors: int
    requests: int

    @property
    def missed(self) -> list[str]:
        """In words; empty when everything holds. No request at all holds nothing."""
        found = []
        if not self.requests:
            found.append("no request was answered")
        if not self.api_p95_ms < API_P95_MS:
            found.append(f"API p95 {self.api_p95_ms:.0f} ms, asked: < {API_P95_MS:.0f}")
        if not self.query_p95_ms < QUERY_P95_MS:
            found.append(f"query p95 {self.query_p95_ms:.0f} ms, asked: < {QUERY_P95_MS:.0f}")
        if self.errors:
            found.append(f"{self.errors} errors, asked: 0")
        return found


def judge(samples: Samples, buckets: Mapping[float, float]) -> Judgement:
    """`buckets`: see `queries`."""
    times = [time for kind in KINDS for time in samples.times[kind]]
    return Judgement(
        api_p95_ms=percentile(times, 0.95),
        query_p95_ms=quantile(buckets, 0.95) * 1000,
        errors=sum(map(len, samples.errors.values())),
        requests=len(times),
    )


def percentile(times: Sequence[float], share: float) -> float:
    """The smallest time that at least this share did not exceed; NaN of none."""
    if not times:
        return math.nan
    return sorted(times)[max(0, math.ceil(len(times) * share) - 1)]


def queries(before: Sequence[str], after: Sequence[str]) -> dict[float, float]:
    """How many queries took at most so many seconds, of all instances, between two readings of their /metrics."""
    counted: dict[float, float] = {}
    for sign, pages in ((-1, before), (1, after)):
        for page in pages:
            for bound, value in _BUCKET.findall(page):
                counted[float(bound)] = counted.get(float(bound), 0.0) + sign * float(value)
    return counted


def quantile(buckets: Mapping[float, float], share: float) -> float:
    """As Prometheus' histogram_quantile: linear in its bucket, the last finite bound beyond it; NaN of none. In seconds."""
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0.0
    if not total:
        return math.nan
    lower, below = 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= share * total:
            if math.isinf(bound):
                return lower
            return lower + (bound - lower) * (share * total - below) / (buckets[bound] - below)
        lower, below = bound, buckets[bound]
    return math.nan


def table(samples: Samples) -> str:
    """In Markdown: a row for each kind, and one for all of them."""
    rows = [(kind, samples.times[kind], len(samples.errors[kind])) for kind in KINDS]
    every = [time for kind in KINDS for time in samples.times[kind]]
    rows.append(("all", every, sum(errors for _, _, errors in rows)))
    lines = [
        "| request | requests | p50 ms | p95 ms | p99 ms | worst ms | errors |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind, times, errors in rows:
        shown = " | ".join(f"{percentile(times, share):.0f}" for share in (0.5, 0.95, 0.99, 1.0))
        lines.append(f"| {kind} | {len(times)} | {shown} | {errors} |")
    return "\n".join(lines)
