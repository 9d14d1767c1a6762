"""Clocks are put forward and back, machines sleep: time that no one has watched is no evidence."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.unit.operator.fake.harness import Loop

from .test_cases import in_the_bake, names, well

HOUR = 3600


async def slow_witnesses(loop: Loop) -> None:
    """Pods of a good candidate that run, and are not ready yet."""
    loop.good()
    await loop.until(lambda: loop.candidate.get("step") == "Witnesses" and len(loop.pods()) == 5, 60, 0.5)
    loop.controllers.kubelet.unready |= names(loop.pods(loop.candidate["revision"]))
    await loop.run(10)


@pytest.mark.parametrize("seconds", [400, HOUR, 100 * HOUR])
async def test_a_clock_that_is_put_forward_takes_no_time_from_a_candidate(seconds: float) -> None:
    async with well() as loop:
        # given
        before = loop.stable
        await slow_witnesses(loop)
        # when
        loop.clock.jump(seconds)
        # then: of the five minutes that it has, it needs four
        await loop.run(230)
        loop.controllers.kubelet.unready.clear()
        await loop.until(lambda: loop.stable != before, 150)
        assert loop.rejected == []
        assert len(loop.status["history"]) == 2


async def test_a_process_that_stood_still_takes_no_time_from_a_candidate() -> None:
    async with well() as loop:
        # given
        before = loop.stable
        await slow_witnesses(loop)
        # when
        loop.clock.advance(HOUR)
        # then
        await loop.run(20)
        loop.controllers.kubelet.unready.clear()
        await loop.until(lambda: loop.stable != before, 150)
        assert loop.rejected == []


async def test_a_bad_candidate_is_rejected_in_its_time_after_a_jump() -> None:
    async with well() as loop:
        # given
        await slow_witnesses(loop)
        # when
        loop.clock.jump(HOUR)
        # then
        await loop.until(lambda: bool(loop.rejected), 300)
        assert loop.rejected[0]["reason"] == "ProgressDeadlineExceeded"


@pytest.mark.parametrize("ready_before", [True, False])
async def test_a_clock_that_is_put_back_holds_nothing_up(ready_before: bool) -> None:
    async with well() as loop:
        # given
        before = loop.stable
        await slow_witnesses(loop)
        if ready_before:
            loop.controllers.kubelet.unready.clear()
            await loop.run(2)
        # when
        loop.skew = -timedelta(seconds=HOUR)
        loop.controllers.kubelet.unready.clear()
        # then
        await loop.until(lambda: loop.stable != before, 150)
        assert loop.rejected == []


async def test_a_bake_ends_although_the_clock_is_put_back() -> None:
    async with well() as loop:
        # given
        revision = await in_the_bake(loop)
        # when
        loop.skew = -timedelta(seconds=HOUR)
        # then
        await loop.until(lambda: loop.stable == revision, 70)


async def test_what_is_withdrawn_is_tried_again_although_the_clock_is_put_back() -> None:
    async with well() as loop:
        # given
        before = loop.stable
        loop.controllers.kubelet.pull_error = lambda image: "503 away" if image.endswith(":2") else ""
        loop.edit(
            image="registry.example/map:2",
            rollout={"progressDeadlineSeconds": 30},
            migrations={"enabled": False},
        )
        await loop.until(lambda: "hold" in loop.status, 90)
        # when
        loop.skew = -timedelta(seconds=HOUR)
        loop.controllers.kubelet.pull_error = lambda image: ""
        # then
        await loop.until(lambda: loop.stable != before, 180)
