"""Paired load: the same reads to candidate and baseline, alternating, at a steady rate, and no longer than it must.

The baseline serves users meanwhile. The load ends when it suffers, when the candidate is found out, and before the account's
allowance of requests is used up, which both sides count together.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from maraudersmap_api.smoke.judge import LOAD_FAILURES, Pair, baseline_suffers
from maraudersmap_api.smoke.probe import ANSWER_SECONDS, Seen, Side, Step

PAIRS_AT_ONCE = 8
ENOUGH_FAILURES = 4 * LOAD_FAILURES
SPARE_REQUESTS = 20
REPORT_SECONDS = 5.0


@dataclass(slots=True)
class Load:
    """What came of it. `stopped`: why it ended early; None when it lasted as long as it should. `suffered`: because of the
    baseline."""

    pairs: list[Pair] = field(default_factory=list)
    calm: list[Seen] = field(default_factory=list)
    stopped: str | None = None
    suffered: bool = False


async def paired(
    candidate: Side,
    baseline: Side,
    steps: Sequence[Step],
    *,
    per_second: float,
    seconds: float,
    report: Callable[[str], None],
) -> Load:
    """Send each step to both, `per_second` pairs a second, for `seconds`. Ends ANSWER_SECONDS * 2 later at the latest."""
    load = Load()
    for step in (*steps, *steps):  # the first time may be that of cold caches
        load.calm.append(await baseline.ask(step))  # the candidate has met each of them on the walk
    load.calm = load.calm[len(steps) :]
    loop = asyncio.get_running_loop()
    began = loop.time()
    running: set[asyncio.Task[None]] = set()
    number, reported = 0, began
    try:
        while (now := loop.time()) < began + seconds and load.stopped is None:
            if now >= reported + REPORT_SECONDS:
                reported = now
                report(f"load: {len(load.pairs)} pairs, {_failed(load)} answers of the candidate failed")
            due = began + number / per_second
            if due > now:
                await asyncio.sleep(min(due - now, began + seconds - now))
            elif len(running) >= PAIRS_AT_ONCE:  # slower than the rate: what is late is left out
                await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                number = max(number, int((loop.time() - began) * per_second))
            else:
                step = steps[number % len(steps)]
                first = (candidate, baseline) if number % 2 else (baseline, candidate)
                task = asyncio.create_task(_pair(load, step, *first, candidate))
                running.add(task)
                task.add_done_callback(running.discard)
                number += 1
        if running:
            await asyncio.wait(running, timeout=2 * ANSWER_SECONDS)
    finally:
        for task in running:
            task.cancel()
    return load


async def _pair(load: Load, step: Step, first: Side, second: Side, candidate: Side) -> None:
    one, other = await first.ask(step), await second.ask(step)
    pair = Pair(one, other) if first is candidate else Pair(other, one)
    load.pairs.append(pair)
    if load.stopped is not None:
        return
    left = [seen.allowance for seen in (one, other) if seen.allowance is not None]
    if (suffers := baseline_suffers(load.calm, load.pairs)) is not None:
        load.stopped, load.suffered = suffers, True
    elif _failed(load) >= ENOUGH_FAILURES:
        load.stopped = "the candidate fails often enough to be judged"
    elif left and min(left) < SPARE_REQUESTS:
        load.stopped = "the account's allowance of requests is used up"


def _failed(load: Load) -> int:
    return sum(pair.candidate.failed for pair in load.pairs)
