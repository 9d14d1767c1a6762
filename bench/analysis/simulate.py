"""How often does the comparison condemn a good revision, and how fast a bad one? `python -m bench.analysis.simulate`

Plays rollouts on made-up traffic through the very functions that the operator runs. The table is in docs/analysis.md.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from random import Random

from bench.analysis.traffic import Behaviour, Callers, answers, binomial, poisson

from maraudersmap_operator.analysis import Failed, Look, add_look, begin, evaluate, plus, recount
from maraudersmap_operator.resource.analysis import Analysis
from maraudersmap_operator.resource.status_analysis import Tally

START = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = Analysis()
Plan = Callable[[float], tuple[Behaviour, Behaviour]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """`share`: of the requests that go to the candidate. `plan`: how stable and candidate behave, by seconds."""

    title: str
    plan: Plan
    rate: float = 10.0
    share: float = 0.4
    looks: int = 60
    part: float = 0.1  # of the runs asked for
    bad: bool = False  # the candidate must be found; else it must not
    switched: int = 0  # BlueGreen: the candidate gets nothing until that look and everything after it
    callers: Callers = ()  # who asks, by shares of the requests; empty: not known
    attack: float = 0.0  # requests a second that one caller more sends to the candidate, and that all fail


def steady(stable: Behaviour, candidate: Behaviour) -> Plan:
    return lambda _: (stable, candidate)


def during(begin_at: float, end_at: float, within: Plan, otherwise: Plan) -> Plan:
    """One plan for some seconds, another before and after."""
    return lambda second: (within if begin_at <= second < end_at else otherwise)(second)


def stretches(plan: Plan, since: float, until: float) -> Iterator[tuple[Behaviour, Behaviour, float]]:
    """Both behaviours and for how many seconds, in steps of 0.1 s; nothing before second 0."""
    ticks = [
        plan(since + 0.1 * tick) for tick in range(round((until - since) * 10)) if since + 0.1 * tick >= 0
    ]
    for (stable, candidate), group in groupby(ticks):
        yield stable, candidate, 0.1 * sum(1 for _ in group)


def play(scenario: Scenario, rng: Random) -> tuple[float | None, str]:
    """One rollout: seconds from the candidate's first request to the verdict against it, and its reason."""
    interval = POLICY.interval_seconds
    switch = scenario.switched * interval
    first = rng.uniform(0, interval)  # the traffic begins between two looks
    comparison = begin(START)
    for number in range(1, scenario.looks + 1):
        now = number * interval
        control, trial = Tally(), Tally()
        for stable, candidate, length in stretches(scenario.plan, now - interval - first, now - first):
            total = poisson(rng, scenario.rate * length)
            theirs = binomial(rng, total, scenario.share) if not switch else total * (now > switch)
            control = plus(control, answers(rng, total - theirs, stable, scenario.callers))
            trial = plus(trial, answers(rng, theirs, candidate, scenario.callers))
        if scenario.attack:
            failing = poisson(rng, scenario.attack * interval)
            trial = plus(trial, answers(rng, failing, DOWN, (1.0,)))
        if switch and now - interval == switch:
            comparison = recount(comparison, START + timedelta(seconds=switch))
        comparison = add_look(comparison, Look(control, trial), POLICY, START + timedelta(seconds=now))
        judgement = evaluate(comparison, POLICY)
        if isinstance(judgement, Failed):
            return now - max(first, switch), judgement.reason
    return None, ""


GOOD = Behaviour(errors=0.001)
DOWN = Behaviour(errors=1.0, median=0.005)


def scenarios() -> list[Scenario]:
    found: list[Scenario] = []
    for rate in (10.0, 100.0):
        for errors in (0.001, 0.1):
            same = Behaviour(errors=errors)
            title = f"identical, {errors:.1%} errors, {rate:g}/s"
            found.append(Scenario(title, steady(same, same), rate, part=1))
        slowish = Behaviour(errors=0.001, median=0.048, sigma=0.3)  # half of it on either side of a bound
        found.append(Scenario(f"identical, 48 ms, {rate:g}/s", steady(slowish, slowish), rate, part=1))
        found.append(Scenario(f"1 of 4 pods, identical, {rate:g}/s", steady(GOOD, GOOD), rate, share=0.25))
        both = during(60, 75, steady(DOWN, DOWN), steady(GOOD, GOOD))
        found.append(Scenario(f"database away for 15 s, {rate:g}/s", both, rate))
        cold = during(0, 5, steady(GOOD, Behaviour(errors=0.3, median=1.0)), steady(GOOD, GOOD))
        found.append(Scenario(f"candidate cold for its first 5 s, {rate:g}/s", cold, rate))
        hiccup = during(100, 103, steady(GOOD, DOWN), steady(GOOD, GOOD))
        found.append(Scenario(f"one hiccup of 3 s on the candidate, {rate:g}/s", hiccup, rate))
        found.append(Scenario(f"1.5 times as slow, {rate:g}/s", steady(GOOD, GOOD.slower(1.5)), rate))
        found.append(Scenario(f"BlueGreen, identical, {rate:g}/s", steady(GOOD, GOOD), rate, switched=5))
        within = Behaviour(errors=0.011)
        found.append(Scenario(f"1 point more errors (limit 2), {rate:g}/s", steady(GOOD, within), rate))
    found.append(Scenario("identical for an hour, 10/s", steady(GOOD, GOOD), looks=720, part=0.02))
    for share, pods in ((0.25, "1 of 4"), (0.4, "2 of 5"), (0.5, "3 of 6")):
        for base in (0.0, 0.01):
            sick = Behaviour(errors=0.2 + base)
            plan = steady(Behaviour(errors=base), sick)
            found.append(Scenario(f"20 % of 500s over {base:.0%}, {pods} pods", plan, share=share, bad=True))
        for median in (0.004, 0.008, 0.015, 0.03, 0.045, 0.08, 0.2, 0.45):
            quick = Behaviour(errors=0.001, median=median)
            plan = steady(quick, quick.slower(5))
            title = f"5 times {median * 1000:g} ms, {pods} pods"
            found.append(Scenario(title, plan, share=share, bad=True))
    fifth = steady(GOOD, Behaviour(errors=0.2))
    found.append(Scenario("20 % of 500s, BlueGreen", fifth, bad=True, switched=5))
    everything = steady(GOOD, DOWN)
    found.append(Scenario("all answers 500, BlueGreen", everything, bad=True, switched=5))
    found.append(Scenario("all answers 500, 3 of 6 pods", everything, share=0.5, bad=True))
    equal, dominated = (1 / 16,) * 16, (0.5, *(0.5 / 15,) * 15)
    for callers, whose in ((equal, "16 callers alike"), (dominated, "half of it one caller's")):
        found.append(Scenario(f"20 % of 500s, 2 of 5 pods, {whose}", fifth, callers=callers, bad=True))
    for attack in (1.0, 10.0):
        title = f"one caller whose {attack:g} requests/s to the candidate all fail"
        found.append(Scenario(title, steady(GOOD, GOOD), callers=equal, attack=attack))
    later = during(200, 1e9, steady(GOOD, Behaviour(errors=0.2)), steady(GOOD, GOOD))
    found.append(Scenario("20 % of 500s from second 200 on", later, looks=80, bad=True))
    return found


def main() -> int:
    """Exit 1 when a good revision was condemned more often, or a bad one missed more often, than is allowed."""
    parser = argparse.ArgumentParser(prog="python -m bench.analysis.simulate", description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--only", default="", help="scenarios whose title has these words")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    bad_ones = 0
    print("| scenario | runs | condemned | median s | 95 % s | most s |")
    print("| --- | --- | --- | --- | --- | --- |")
    for scenario in scenarios():
        if arguments.only not in scenario.title:
            continue
        started = time.monotonic()
        rng = Random(f"{arguments.seed} {scenario.title}")  # noqa: S311  # made-up traffic, no secret
        runs = max(round(arguments.runs * scenario.part), 1)
        results = [play(scenario, rng) for _ in range(runs)]
        times = sorted(seconds for seconds, _ in results if seconds is not None)
        wrong = runs - len(times) if scenario.bad else len(times)
        bad_ones += wrong
        cells = [f"{times[int(len(times) * q)]:.0f}" if times else "" for q in (0.5, 0.95)]
        cells.append(f"{times[-1]:.0f}" if times else "")
        print(f"| {scenario.title} | {runs} | {len(times)} | {' | '.join(cells)} |", flush=True)
        print(f"{scenario.title}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    return 1 if bad_ones else 0


if __name__ == "__main__":
    sys.exit(main())
