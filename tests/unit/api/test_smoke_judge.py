"""What `smoke` makes of what it saw."""

import random

from maraudersmap_api.smoke.judge import (
    Outcome,
    Pair,
    baseline_suffers,
    both_fail,
    judged,
    load_findings,
    sick_alike,
    walk_findings,
)
from maraudersmap_api.smoke.probe import Seen

BAD = "answered 500 instead of 200"


def seen(name: str = "list", seconds: float = 0.01, problem: str | None = None) -> Seen:
    return Seen(name, 200, seconds, problem)


def walk(failing: int, total: int = 60) -> list[Seen]:
    """Twenty steps, three times; the failures are spread."""
    return [seen(f"step {n % 20}", problem=BAD if n < failing else None) for n in range(total)]


def pairs(
    number: int, *, candidate_fails: int = 0, baseline_fails: int = 0, slower: float = 1.0
) -> list[Pair]:
    return [
        Pair(
            seen(seconds=0.02 * slower, problem=BAD if n < candidate_fails else None),
            # Other requests than those that the candidate fails at.
            seen(seconds=0.02, problem=BAD if number - n <= baseline_fails else None),
        )
        for n in range(number)
    ]


def test_a_walk_may_have_few_failures_but_no_step_that_always_fails() -> None:
    assert walk_findings(walk(0)) == ()
    assert walk_findings(walk(3)) == ()
    assert walk_findings(walk(4)) == ("4 of 60 answers failed (such as step 0: answered 500 instead of 200)",)
    assert walk_findings([*walk(0), seen("report", problem=BAD)]) == (f"report: {BAD}",)
    always = [*walk(0), *(seen("facets", problem=BAD) for _ in range(3))]
    assert walk_findings(always) == (f"facets: {BAD} (3 times)",)


def test_one_failure_in_five_is_hardly_ever_missed_by_the_walk() -> None:
    dice = random.Random(1)  # noqa: S311 - not a secret
    missed = sum(
        not walk_findings(
            [seen(f"step {n % 20}", problem=BAD if dice.random() < 0.2 else None) for n in range(60)]
        )
        for _ in range(2000)
    )
    assert missed < 10


def test_load_finds_failures_that_the_baseline_has_not() -> None:
    assert load_findings(pairs(50, candidate_fails=2)) == ()
    assert load_findings(pairs(50, candidate_fails=3)) != ()
    assert load_findings(pairs(500, candidate_fails=4)) == (), "less than 2 %"
    assert load_findings(pairs(50, candidate_fails=9, baseline_fails=3)) == ()
    assert load_findings(pairs(50, candidate_fails=10, baseline_fails=3)) != ()


def test_load_finds_slowness_in_pairs() -> None:
    assert load_findings(pairs(50, slower=1.9)) == ()
    assert load_findings(pairs(50, slower=5)) != ()
    assert load_findings(pairs(19, slower=5)) == (), "too few to be sure"


def test_noise_on_both_sides_is_no_slowness() -> None:
    """Both have the same times, and a tail that is fifty times as long; no run of ten thousand is a finding."""
    dice = random.Random(2)  # noqa: S311 - not a secret

    def some() -> Seen:
        return seen(seconds=0.002 * dice.choice((1, 1, 1, 2, 3, 10, 50)))

    assert not any(load_findings([Pair(some(), some()) for _ in range(20)]) for _ in range(10_000))


def test_a_pause_that_stops_both_is_no_slowness() -> None:
    """Of each pair the second to be asked may meet it alone, and sides take turns at that."""
    stalls = [
        Pair(seen(seconds=0.5 if n % 2 else 0.02), seen(seconds=0.02 if n % 2 else 0.5)) for n in range(40)
    ]
    assert load_findings(stalls) == ()


def test_the_baseline_suffers_when_it_fails_or_slows_down() -> None:
    calm = [seen(seconds=0.01)] * 10
    assert baseline_suffers(calm, [Pair(seen(), seen(seconds=0.04))] * 12) is None
    assert baseline_suffers(calm, [Pair(seen(), seen(seconds=0.06))] * 11) is None, "too early to tell"
    assert "slows down (10 ms became 60 ms)" in str(
        baseline_suffers(calm, [Pair(seen(), seen(seconds=0.06))] * 12)
    )
    assert baseline_suffers(calm, [Pair(seen(), seen(problem=BAD))] * 2) is None
    assert baseline_suffers(calm, [Pair(seen(), seen(problem=BAD))] * 3) == "the baseline fails"


def test_what_fails_alike_on_both_sides_is_not_the_candidates() -> None:
    assert sick_alike(walk(12), walk(0)) is None
    assert sick_alike(walk(12), walk(12)) is not None
    assert sick_alike([seen("report", problem=BAD)], walk(0)) is None
    assert sick_alike([seen("report", problem=BAD)], walk(30)) is not None
    # Another step than the candidate's: a fault of its own does not excuse the candidate.
    assert sick_alike([*walk(0), seen("facets", problem=BAD)], [*walk(3), seen("facets")]) is None
    assert both_fail(pairs(50, candidate_fails=10, baseline_fails=10)) is not None
    assert both_fail(pairs(50, candidate_fails=10)) is None
    assert both_fail(pairs(50, baseline_fails=10)) is None


def test_the_outcome() -> None:
    assert judged((), trouble=None, stopped=None, pairs=None).outcome is Outcome.PASSES
    assert judged(("slow",), trouble=None, stopped=None, pairs=50).outcome is Outcome.REJECTS
    both = judged(("slow",), trouble="the database is away", stopped=None, pairs=50)
    assert (both.outcome, both.reasons) == (Outcome.ENVIRONMENT, ("the database is away", "slow"))
    assert judged((), trouble=None, stopped="the baseline fails", pairs=20).outcome is Outcome.PASSES
    assert judged((), trouble=None, stopped="the baseline fails", pairs=19).outcome is Outcome.ENVIRONMENT
    assert [outcome.exit_code for outcome in Outcome] == [0, 1, 75]
