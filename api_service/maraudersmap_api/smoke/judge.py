"""What it all means. Pure.

A candidate is rejected for what it does wrong while the others do well; what fails on both sides, or without a database,
shows nothing about it. Slowness is judged in pairs: the same request a moment apart, so whatever slows both cancels out.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from maraudersmap_api import exit_codes
from maraudersmap_api.smoke.probe import Seen

FORGIVEN = 2
FORGIVEN_SHARE = 0.05
"""A walk may have so many failures, or that share of its answers, if no step failed each time."""
LOAD_FAILURES = 3
LOAD_SHARE = 0.02
"""From both on, failures under load are a finding."""
TIMES_AS_MANY = 3
"""So many times as often must the candidate fail as the baseline does."""
SLOW_SHARE = 0.6
"""Of all pairs, beyond those that are slow on the other side."""
TIMES_AS_SLOW = 2.0
SLOWER_SECONDS = 0.005
"""A pair is slow when one side took so many times as long, and so much longer, as the other."""
FEWEST_PAIRS = 20
"""With fewer, the load has shown nothing."""
CALM_TIMES, CALM_SECONDS = 3.0, 0.020
LATEST = 12
"""The baseline suffers when the median of its latest answers is so far above that of its calm ones."""


class Outcome(StrEnum):
    """The three ways in which a run ends."""

    PASSES = "passes"
    REJECTS = "rejects"
    ENVIRONMENT = "environment"

    @property
    def exit_code(self) -> int:
        """For the one who started the run."""
        return {
            Outcome.PASSES: exit_codes.OK,
            Outcome.REJECTS: exit_codes.FAILED,
            Outcome.ENVIRONMENT: exit_codes.UNREACHABLE,
        }[self]


@dataclass(frozen=True, slots=True)
class Pair:
    """The same request to both, one right after the other."""

    candidate: Seen
    baseline: Seen


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome, with a sentence for each reason."""

    outcome: Outcome
    reasons: tuple[str, ...] = ()


def walk_findings(seen: Sequence[Seen]) -> tuple[str, ...]:
    """What was wrong with the candidate on the walk."""
    asked, failed = Counter(each.name for each in seen), Counter(each.name for each in seen if each.failed)
    problems = {each.name: each.problem for each in seen if each.failed}
    findings = [
        f"{name}: {problems[name]}" + (f" ({count} times)" if count > 1 else "")
        for name, count in failed.items()
        if count == asked[name]
    ]
    total = sum(failed.values())
    if not findings and total > max(FORGIVEN, FORGIVEN_SHARE * len(seen)):
        name = failed.most_common(1)[0][0]
        findings.append(f"{total} of {len(seen)} answers failed (such as {name}: {problems[name]})")
    return tuple(findings)


def load_findings(pairs: Sequence[Pair]) -> tuple[str, ...]:
    """What was worse with the candidate than with the baseline, under the same load."""
    findings = []
    worse, better = _failures(pairs)
    if worse >= LOAD_FAILURES and worse >= LOAD_SHARE * len(pairs) and worse > TIMES_AS_MANY * better:
        failed = next(p.candidate for p in pairs if p.candidate.failed and not p.baseline.failed)
        findings.append(
            f"{worse} of {len(pairs)} answers failed under load (such as {failed.name}: {failed.problem}), "
            f"{better} of the baseline's"
        )
    both = [pair for pair in pairs if not pair.candidate.failed and not pair.baseline.failed]
    slow = sum(_slower(pair.candidate, pair.baseline) for pair in both)
    quick = sum(_slower(pair.baseline, pair.candidate) for pair in both)
    if len(both) >= FEWEST_PAIRS and slow - quick > SLOW_SHARE * len(both):
        ours, theirs = (median(s.seconds for s in side) for side in zip(*_sides(both), strict=True))
        findings.append(
            f"{slow} of {len(both)} answers took at least {TIMES_AS_SLOW:g} times as long as the baseline's "
            f"(median {ours * 1000:.0f} ms, the baseline's {theirs * 1000:.0f} ms)"
        )
    return tuple(findings)


def baseline_suffers(calm: Sequence[Seen], pairs: Sequence[Pair]) -> str | None:
    """Why the load must stop for the baseline's sake, or None. `calm`: its answers before the load."""
    latest = [pair.baseline for pair in pairs[-LATEST:]]
    if sum(seen.failed for seen in latest) >= LOAD_FAILURES:
        return "the baseline fails"
    quick = [seen.seconds for seen in calm if not seen.failed]
    if len(latest) < LATEST or not quick:
        return None
    before, now = median(quick), median(seen.seconds for seen in latest)
    if now > CALM_TIMES * before + CALM_SECONDS:
        return f"the baseline slows down ({before * 1000:.0f} ms became {now * 1000:.0f} ms)"
    return None


def both_fail(pairs: Sequence[Pair]) -> str | None:
    """Under load the candidate fails, and the baseline about as often."""
    worse, better = _failures(pairs)
    failed = [pair.baseline for pair in pairs if pair.baseline.failed]
    many = sum(pair.candidate.failed for pair in pairs)
    if many < LOAD_FAILURES or many < LOAD_SHARE * len(pairs) or not failed or worse > TIMES_AS_MANY * better:
        return None
    return f"the baseline fails too under load ({failed[-1].name}: {failed[-1].problem})"


def sick_alike(candidate: Sequence[Seen], baseline: Sequence[Seen]) -> str | None:
    """The baseline's trouble, if it fails at least a third as often as the candidate where that failed.

    Where none of that can be asked of the baseline (writes), all that was counts.
    """
    names = {seen.name for seen in candidate if seen.failed}
    theirs = [seen for seen in baseline if seen.name in names] or list(baseline)
    ours = [seen for seen in candidate if seen.name in names]
    failed = [seen for seen in theirs if seen.failed]
    if not failed or len(failed) / len(theirs) * TIMES_AS_MANY < _share(ours):
        return None
    return f"the baseline fails too ({failed[0].name}: {failed[0].problem})"


def judged(
    findings: Sequence[str], *, trouble: str | None, stopped: str | None, pairs: int | None
) -> Verdict:
    """The outcome. `findings` speak against the candidate, `trouble` names what is wrong with everything else.

    `stopped`: why the load ended early; `pairs`: how many there were, None without a load.
    """
    if trouble is not None:
        return Verdict(Outcome.ENVIRONMENT, (trouble, *findings))
    if findings:
        return Verdict(Outcome.REJECTS, tuple(findings))
    if stopped is not None and (pairs or 0) < FEWEST_PAIRS:
        return Verdict(Outcome.ENVIRONMENT, (f"the load ended too early to show anything: {stopped}",))
    return Verdict(Outcome.PASSES)


def _failures(pairs: Sequence[Pair]) -> tuple[int, int]:
    """How often only the candidate failed, and only the baseline."""
    worse = sum(pair.candidate.failed and not pair.baseline.failed for pair in pairs)
    return worse, sum(pair.baseline.failed and not pair.candidate.failed for pair in pairs)


def _sides(pairs: Sequence[Pair]) -> list[tuple[Seen, Seen]]:
    return [(pair.candidate, pair.baseline) for pair in pairs]


def _slower(one: Seen, other: Seen) -> bool:
    return one.seconds > TIMES_AS_SLOW * other.seconds + SLOWER_SECONDS


def _share(seen: Sequence[Seen]) -> float:
    return sum(each.failed for each in seen) / len(seen) if seen else 0.0
