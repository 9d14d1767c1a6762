"""The whole loop under random stories: whatever happens, the invariants of tests/unit/operator/fake/invariants.py hold.

Some hundred steps in `make test`; `make property-long` plays more (LOOP_STEPS) from other seeds (LOOP_SEED).
"""

from __future__ import annotations

import os
from collections import Counter

import pytest
from tests.unit.operator.fake.story import invent, shortened, tell

STEPS = int(os.environ.get("LOOP_STEPS", "400"))
SEED = int(os.environ.get("LOOP_SEED", "1"))
LENGTH = 60


async def test_no_story_breaks_an_invariant(capsys: pytest.CaptureFixture[str]) -> None:
    steps = faults = stories = 0
    events: Counter[str] = Counter()
    while steps < STEPS:
        story = invent(SEED * 1_000_000 + stories, LENGTH)
        told = await tell(story)
        if told.broken:
            shorter, broken = await shortened(story)
            pytest.fail(f"story {SEED * 1_000_000 + stories}: {broken}\n{shorter}", pytrace=False)
        stories += 1
        steps += told.steps
        faults += told.faults
        events += told.events or Counter()
    with capsys.disabled():
        print(f"\n{stories} stories, {steps} steps, {faults} faults; {dict(events.most_common())}")
