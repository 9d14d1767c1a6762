"""Made-up traffic: how many requests a revision answers in one interval, how many fail, how long they take."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import erf, exp, log, log1p, sqrt
from random import Random

from maraudersmap_operator.resource.status_analysis import CALLER_GROUPS, Bucket, Tally

Callers = tuple[float, ...]
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


def answers(rng: Random, requests: int, behaviour: Behaviour, callers: Callers = ()) -> Tally:
    """What a revision's counters gain by that many requests. Each of the callers sees errors as often as the others."""
    buckets, within, before = [], 0, 0.0
    for bound in BOUNDS:
        below = behaviour.within(bound)
        rest = 1 - before
        within += binomial(rng, requests - within, min((below - before) / rest, 1.0) if rest > 0 else 1.0)
        buckets.append(Bucket(le=bound, count=within))
        before = below
    asked = _split(rng, requests, callers)
    failed = tuple(binomial(rng, count, behaviour.errors) for count in asked)
    total = requests * behaviour.mean + sqrt(requests) * behaviour.deviation * rng.gauss(0, 1)
    return Tally(
        requests=requests,
        errors=sum(failed) if failed else binomial(rng, requests, behaviour.errors),
        timed=requests,
        seconds=max(total, 0.0),
        buckets=tuple(buckets),
        requests_by_callers=asked,
        errors_by_callers=failed,
    )


def _split(rng: Random, requests: int, callers: Callers) -> tuple[int, ...]:
    """Requests of each group of callers; nothing of callers that are not known."""
    asked, left, share = [], requests, 1.0
    for theirs in callers:
        asked.append(binomial(rng, left, min(theirs / share, 1.0)) if share > 0 else 0)
        left, share = left - asked[-1], share - theirs
    if not asked:
        return ()
    asked[-1] += left  # what rounding has left over
    return (*asked, *(0,) * (CALLER_GROUPS - len(asked)))


def poisson(rng: Random, mean: float) -> int:
    """Exact. Large means are cut by a gamma variate (Devroye 1986, X.3.3), small ones counted by waiting times."""
    count = 0
    while mean > 12:
        part = int(mean * 7 / 8)
        waited = rng.gammavariate(part, 1.0)
        if waited > mean:
            return count + binomial(rng, part - 1, mean / waited)
        count, mean = count + part, mean - waited
    product, limit = rng.random(), exp(-mean)
    while product > limit:
        count, product = count + 1, product * rng.random()
    return count


def binomial(rng: Random, total: int, chance: float) -> int:
    """Exact. Few hits are counted by the gaps between them; else the total is cut by a beta variate (Devroye, X.4.3)."""
    if chance > 0.5:
        return total - binomial(rng, total, 1 - chance)
    hits = 0
    while total * chance > 12:
        half = (total + 1) // 2
        middle = rng.betavariate(half, total + 1 - half)
        if chance < middle:
            total, chance = half - 1, chance / middle
        else:
            hits, total, chance = hits + half, total - half, (chance - middle) / (1 - middle)
        if chance > 0.5:
            return hits + total - binomial(rng, total, 1 - chance)
    if chance <= 0:
        return hits
    gone, scale = 0, log1p(-chance)
    while True:
        gone += int(log(1.0 - rng.random()) / scale) + 1
        if gone > total:
            return hits
        hits += 1
