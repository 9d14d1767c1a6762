"""Made-up traffic: how many requests a revision answers in one interval, how many fail, how long they take."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import erf, exp, log, sqrt
from random import Random

from maraudersmap_operator.resource.comparison import Bucket, Tally

BOUNDS = (0.01, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0)  # those of the API


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Chance of an error; durations are log-normal with `median` seconds and the shape `sigma`."""

    errors: float = 0.0
    median: float = 0.02
    sigma: float = 0.6

    def slower(self, times: float) -> Behaviour:
        """Every request takes that many times as long."""
        return replace(self, median=self.median * times)

    def within(self, seconds: float) -> float:
        """Chance that a request takes no longer."""
        return (1 + erf(log(seconds / self.median) / (self.sigma * sqrt(2)))) / 2

    @property
    def mean(self) -> float:
        return self.median * exp(self.sigma**2 / 2)

    @property
    def deviation(self) -> float:
        return self.mean * sqrt(exp(self.sigma**2) - 1)


def answers(rng: Random, requests: int, behaviour: Behaviour) -> Tally:
    """What a revision's counters gain by that many requests."""
    buckets, within, before = [], 0, 0.0
    for bound in BOUNDS:
        below = behaviour.within(bound)
        rest = 1 - before
        within += binomial(rng, requests - within, min((below - before) / rest, 1.0) if rest > 0 else 1.0)
        buckets.append(Bucket(le=bound, count=within))
        before = below
    total = requests * behaviour.mean + sqrt(requests) * behaviour.deviation * rng.gauss(0, 1)
    return Tally(
        requests=requests,
        errors=binomial(rng, requests, behaviour.errors),
        timed=requests,
        seconds=max(total, 0.0),
        buckets=tuple(buckets),
    )


def poisson(rng: Random, mean: float) -> int:
    """Exact, by splitting: a sum of small ones is counted by waiting times."""
    count, left = 0, mean
    while left > 0:
        part = min(left, 30.0)
        product, limit = rng.random(), exp(-part)
        while product > limit:
            count += 1
            product *= rng.random()
        left -= part
    return count


def binomial(rng: Random, total: int, chance: float) -> int:
    """Exact: large totals are halved at their median by a beta variate (Devroye 1986, X.4.3), small ones tossed."""
    hits, low, high = 0, 0.0, 1.0
    while total > 16:
        if chance <= low:
            return hits
        if chance >= high:
            return hits + total
        half = (total + 1) // 2
        middle = low + (high - low) * rng.betavariate(half, total + 1 - half)
        if chance < middle:
            total, high = half - 1, middle
        else:
            hits, total, low = hits + half, total - half, middle
    rest = (chance - low) / (high - low) if high > low else 0.0
    return hits + sum(rng.random() < rest for _ in range(total))
