"""The whole loop under random stories: whatever happens, the invariants of tests/unit/operator/fake/invariants.py hold.

Some hundred steps in `make test`; `make property-long` plays more (LOOP_STEPS) from other seeds (LOOP_SEED), in several
processes (LOOP_JOBS). Which stories are played, and which of them is reported, depends on the steps and the seed alone.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import count

import pytest
from tests.unit.operator.fake.story import Outcome, invent, play_numbered, shortened

STEPS = int(os.environ.get("LOOP_STEPS", "400"))
SEED = int(os.environ.get("LOOP_SEED", "1"))
JOBS = int(os.environ.get("LOOP_JOBS", "1"))
LENGTH = 60
# One that waits behind each one that is played, so that no process is idle.
AHEAD = 2
REPORT_EACH = 10_000


def test_no_story_breaks_an_invariant(capsys: pytest.CaptureFixture[str]) -> None:
    steps = faults = stories = 0
    events: Counter[str] = Counter()
    for number, outcome in _played():
        if outcome.broken:
            shorter, broken = asyncio.run(shortened(invent(number, LENGTH)))
            pytest.fail(f"story {number}: {broken}\n{shorter}", pytrace=False)
        stories += 1
        steps += outcome.steps
        faults += outcome.faults
        events += outcome.events or Counter()
        if steps // REPORT_EACH > (steps - outcome.steps) // REPORT_EACH:
            with capsys.disabled():
                print(f"{stories} stories, {steps} steps", flush=True)
        if steps >= STEPS:
            break
    with capsys.disabled():
        print(f"\n{stories} stories, {steps} steps, {faults} faults; {dict(events.most_common())}")


def _played() -> Iterator[tuple[int, Outcome]]:
    """Stories in the order of their numbers, for as long as somebody asks for more."""
    numbers = count(SEED * 1_000_000)
    if JOBS == 1:
        yield from ((number, play_numbered(number, LENGTH)) for number in numbers)
    # Fresh processes: a fork would take the state of this one's event loops and threads with it.
    with ProcessPoolExecutor(JOBS, multiprocessing.get_context("spawn")) as pool:
        waiting: deque[tuple[int, Future[Outcome]]] = deque()
        try:
            while True:
                while len(waiting) < AHEAD * JOBS:
                    number = next(numbers)
                    waiting.append((number, pool.submit(play_numbered, number, LENGTH)))
                number, outcome = waiting.popleft()
                yield number, outcome.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
