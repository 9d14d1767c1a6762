"""The promise on which everything rests: within what is allowed, evidence for x : 1 comes with a chance of 1/x at most."""

from itertools import product
from math import comb, exp, inf, log

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from maraudersmap_operator.analysis.e_values import (
    ANYWHERE,
    RARELY,
    Prior,
    Share,
    log_evidence,
    log_evidence_against,
    telling,
)


def chance(hits: int, total: int, rate: float) -> float:
    """Of exactly that many hits."""
    return float(comb(total, hits) * rate**hits * (1 - rate) ** (total - hits))


@pytest.mark.parametrize("prior", [ANYWHERE, RARELY])
@pytest.mark.parametrize(("control_rate", "margin"), [(0.02, 0.0), (0.3, 0.0), (0.05, 0.1), (0.9, 0.05)])
@pytest.mark.parametrize(("controls", "trials"), [(40, 12), (12, 40), (0, 30)])
def test_evidence_against_the_innocent_is_as_rare_as_promised(
    prior: Prior, control_rate: float, margin: float, controls: int, trials: int
) -> None:
    """Summed over every outcome there is, for a trial that is exactly as bad as it may be."""
    outcomes = [
        (
            log_evidence(Share(c, controls), Share(t, trials), margin, prior),
            chance(c, controls, control_rate) * chance(t, trials, control_rate + margin),
        )
        for c, t in product(range(controls + 1), range(trials + 1))
    ]
    for odds in (2, 10, 100, 1000):
        assert sum(weight for evidence, weight in outcomes if evidence >= log(odds)) <= 1 / odds


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.5])
def test_looking_after_every_request_does_not_make_it_more_frequent(rate: float) -> None:
    """The chance that 300 looks in a row *ever* show evidence of 20 : 1, computed over all paths."""
    odds, alive, rejected = 20, {0: 1.0}, 0.0
    for total in range(1, 301):
        following: dict[int, float] = {}
        for hits, weight in alive.items():
            for step, likely in ((0, 1 - rate), (1, rate)):
                if log_evidence_against(rate, Share(hits + step, total)) >= log(odds):
                    rejected += weight * likely
                else:
                    following[hits + step] = following.get(hits + step, 0.0) + weight * likely
        alive = following
    assert 0 < rejected <= 1 / odds


def test_a_plain_test_would_condemn_far_more_often() -> None:
    """The same 300 looks with a one-sided z-test at 5 %: why this one is not used."""
    rate, alive, rejected = 0.05, {0: 1.0}, 0.0
    for total in range(1, 301):
        following: dict[int, float] = {}
        for hits, weight in alive.items():
            for step, likely in ((0, 1 - rate), (1, rate)):
                seen, deviation = hits + step, (total * rate * (1 - rate)) ** 0.5
                if total >= 30 and seen > total * rate + 1.645 * deviation:
                    rejected += weight * likely
                else:
                    following[seen] = following.get(seen, 0.0) + weight * likely
        alive = following
    assert rejected > 0.2


def test_evidence_is_found_on_the_edge_of_what_is_allowed() -> None:
    """Beside a search through all that is allowed, step by step."""
    control, trial, margin = Share(3, 200), Share(12, 60), 0.02

    def likelihood(share: Share, rate: float) -> float:
        return share.hits * log(rate) + (share.total - share.hits) * log(1 - rate)

    best = max(
        likelihood(control, p) + likelihood(trial, q)
        for p in (i / 400 for i in range(1, 400))
        for q in (j / 400 for j in range(1, 400))
        if q <= p + margin
    )
    mixture = sum(
        (exp(likelihood(control, (i + 0.5) / 4000)) / (((i + 0.5) / 4000) * (1 - (i + 0.5) / 4000)) ** 0.5)
        for i in range(4000)
    )
    mixture_of_trial = sum(
        (exp(likelihood(trial, (i + 0.5) / 4000)) / (((i + 0.5) / 4000) * (1 - (i + 0.5) / 4000)) ** 0.5)
        for i in range(4000)
    )
    pi = 3.141592653589793
    expected = log(mixture / 4000 / pi) + log(mixture_of_trial / 4000 / pi) - best
    assert log_evidence(control, trial, margin) == pytest.approx(expected, abs=0.05)


shares = st.integers(1, 400).flatmap(lambda total: st.integers(0, total).map(lambda hits: Share(hits, total)))


# The last request of a trial fails as well, as all others have: where what is allowed reaches up to "always", this makes
# what was seen up to total * e times as likely under it, and 2 * total - 1 times under the average of all chances.
LAST_FAILURE = 1 - log(2)


@given(shares, shares, st.floats(0, 1), st.sampled_from([ANYWHERE, RARELY]))
@example(Share(0, 6), Share(43, 44), 0.5, ANYWHERE)  # lessens it by 0.0007
@example(Share(0, 4), Share(396, 397), 0.38981, ANYWHERE)  # by 0.28
def test_worse_counts_never_speak_for_the_candidate(
    control: Share, trial: Share, margin: float, prior: Prior
) -> None:
    here = log_evidence(control, trial, margin, prior)
    assert here >= 0
    if trial.hits < trial.total and here > 0:
        less = LAST_FAILURE if trial.hits + 1 == trial.total else 1e-6
        assert log_evidence(control, Share(trial.hits + 1, trial.total), margin, prior) >= here - less
    assert log_evidence(control, trial, min(margin + 0.05, 1), prior) <= here + 1e-6


def test_nothing_is_held_against_what_is_within_the_limit() -> None:
    assert log_evidence(Share(5, 100), Share(7, 100), 0.02) == 0
    assert log_evidence(Share(0, 0), Share(0, 0), 0) == 0
    assert log_evidence(Share(100, 100), Share(100, 100), 0) == 0
    assert log_evidence(Share(0, 100), Share(1, 1), 1 - 1e-16) >= 0
    assert log_evidence_against(0.1, Share(10, 100)) == 0
    assert log_evidence_against(0, Share(1, 100)) == inf
    assert log_evidence_against(0, Share(0, 100)) == 0


@pytest.mark.parametrize(
    ("share", "limit", "shown"),
    [
        (Share(0, 0), 0.02, 0),
        (Share(0, 12), 0.02, -1),
        (Share(1, 12), 0.03, 0),
        (Share(3, 12), 0.03, 1),
        (Share(1, 12), 0.0, 1),
        (Share(12, 12), 0.5, 1),
        (Share(12, 12), 1.5, -1),
    ],
)
def test_what_a_single_look_shows(share: Share, limit: float, shown: int) -> None:
    assert telling(share, limit) == shown
