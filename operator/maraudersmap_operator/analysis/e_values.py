"""How strongly counts speak against the candidate, however often one looks.

The comparison is looked at every few seconds for as long as a rollout lasts. A test that errs once in twenty looks would
reject every revision in the end. What is computed here is an *e-value* instead: whatever the true rates are, as long as
they are within what is allowed, it exceeds x at *any* look with a probability of at most 1/x (Ville's inequality).

For one stream of requests, each failing with the chance p, the ratio

    integral over q of q^k (1-q)^(n-k) dPrior(q)  /  p^k (1-p)^(n-k)          k of n failed

is a martingale that starts at 1 (Robbins' method of mixtures), under any prior: one that fits only speeds things up. So
is the product of the control's and the trial's, in whatever order their requests come. Taking the smallest value over all
pairs of chances that are allowed gives a number that is below that martingale for the true pair, whichever that is.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import lgamma, log, nextafter

BISECTIONS = 40
NONE = 0.0
ALMOST_CERTAIN = nextafter(1.0, 0.0)


@dataclass(frozen=True, slots=True)
class Prior:
    """Beta(hits, misses): where the chances of a stream are looked for first."""

    hits: float
    misses: float


ANYWHERE = Prior(0.5, 0.5)  # Jeffreys'
RARELY = Prior(0.5, 10.0)  # a service that works: one answer in twenty may fail


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `total` requests."""

    hits: int
    total: int

    @property
    def value(self) -> float:
        """From 0 to 1; 0 of no requests."""
        return self.hits / self.total if self.total else 0.0

    @property
    def cautious(self) -> float:
        """The same, never 0 or 1, and one half of no requests: for limits that rest on few of them."""
        return (self.hits + 0.5) / (self.total + 1)

    def __str__(self) -> str:
        return f"{100 * self.value:.1f} %"


def log_evidence(control: Share, trial: Share, margin: float, prior: Prior = ANYWHERE) -> float:
    """ln of the e-value against "the trial's chance is at most the control's plus `margin`"; 0 or more.

    `margin` is a share: 0.02 is two percentage points. `prior` is the control's. Exact for requests that fail
    independently of each other.
    """
    if trial.value <= control.value + margin:
        return NONE
    # The likelihood has its peak outside of what is allowed and is concave: within, it is highest at the edge.
    best = _peak(control, trial, margin)
    allowed = _log_likelihood(control, best) + _log_likelihood(trial, _shifted(best, margin))
    return max(_log_mixture(control, prior) + _log_mixture(trial, ANYWHERE) - allowed, NONE)


def log_evidence_against(limit: float, trial: Share) -> float:
    """ln of the e-value against "the trial's chance is at most `limit`", a share; 0 or more."""
    if trial.value <= limit:
        return NONE
    if limit <= 0:
        return float("inf")  # what cannot happen has happened
    return max(_log_mixture(trial, ANYWHERE) - _log_likelihood(trial, limit), NONE)


def telling(share: Share, limit: float) -> int:
    """What a few requests show of "the chance is at most `limit`": against it (1), for it (-1), nothing certain (0).

    Against it: what was seen is e times as likely, or more, under another chance. No proof; hence only a look's worth.
    """
    if not share.total:
        return 0
    if share.value <= limit:
        return -1
    if limit <= 0:
        return 1
    ratio = _log_likelihood(share, share.value) - _log_likelihood(share, limit)
    return 1 if ratio >= 1 else 0


def _peak(control: Share, trial: Share, margin: float) -> float:
    """The chance p that suits the control with p and the trial with p + margin best; by bisecting the slope."""
    low, high = 0.0, 1.0 - margin
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        slope = _slope(control, middle) + _slope(trial, _shifted(middle, margin))
        low, high = (middle, high) if slope > 0 else (low, middle)
    return (low + high) / 2


def _shifted(chance: float, margin: float) -> float:
    """Their sum, which rounding must not make 1."""
    return min(chance + margin, ALMOST_CERTAIN)


def _slope(share: Share, chance: float) -> float:
    return share.hits / chance - (share.total - share.hits) / (1 - chance)


def _log_likelihood(share: Share, chance: float) -> float:
    """ln of the chance of exactly this row of outcomes."""
    misses = share.total - share.hits
    return (share.hits * log(chance) if share.hits else 0.0) + (misses * log(1 - chance) if misses else 0.0)


def _log_mixture(share: Share, prior: Prior) -> float:
    """ln of the same, averaged over all chances by the prior."""
    hits, misses = share.hits + prior.hits, share.total - share.hits + prior.misses
    return _log_beta(hits, misses) - _log_beta(prior.hits, prior.misses)


def _log_beta(left: float, right: float) -> float:
    return lgamma(left) + lgamma(right) - lgamma(left + right)
