"""Someone else has written the status too, by hand or from a backup: what has ended ends all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.operator.fake.harness import NAME, NAMESPACE, Loop, copied

from maraudersmap_operator.cluster.kinds import MARAUDERSMAP

from .test_cases import in_the_bake, names

Status = dict[str, Any]


def edited(status: Status) -> Status:
    """One field: now its editor owns it, and nobody else the part that needs the others."""
    status["candidate"]["image"] = "registry.example/by-hand:1"
    return status


def restored(status: Status) -> Status:
    """All of it: an update without a change owns nothing, so it is emptied before."""
    return status


@pytest.mark.parametrize("change", [edited, restored])
async def test_a_verdict_is_stored_and_the_next_rollout_comes_through(
    change: Callable[[Status], Status],
) -> None:
    async with Loop() as loop:
        # given
        await loop.create()
        stable = loop.stable
        loop.bad("crash")
        await loop.until(lambda: loop.candidate.get("step") == "Witnesses", 60)
        # when
        written = change(copied(loop.status))
        for status in ({}, written) if change is restored else (written,):
            loop.server.write_status(MARAUDERSMAP, NAMESPACE, NAME, status, manager="owl-backup")
        # then
        await loop.until(lambda: bool(loop.rejected) and not loop.candidate, 120)
        assert loop.stable == loop.selected == stable
        loop.good()
        await loop.until(lambda: loop.phase == "Ready" and not loop.candidate and loop.stable != stable, 240)


async def test_a_quiet_status_stays_as_it_is() -> None:
    """Whoever owns parts of it besides."""
    async with Loop() as loop:
        # given
        await loop.create()
        status = copied(loop.status)
        loop.server.write_status(MARAUDERSMAP, NAMESPACE, NAME, {}, manager="owl-backup")
        loop.server.write_status(MARAUDERSMAP, NAMESPACE, NAME, status, manager="owl-backup")
        await loop.run(30)
        # when
        before = loop.version()
        await loop.run(60)
        # then
        assert loop.version() == before


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.000000Z"])
@pytest.mark.parametrize("falls", [False, True])
async def test_a_time_of_no_calendar_of_ours_does_not_end_the_storing_of_a_status(
    moment: str, *, falls: bool
) -> None:
    async with Loop() as loop:
        # given
        await loop.create()
        stable, revision = loop.stable, await in_the_bake(loop)
        # when
        written = copied(loop.status)
        written["candidate"]["stepStartedAt"] = moment
        loop.server.write_status(MARAUDERSMAP, NAMESPACE, NAME, written, manager="owl-backup")
        if falls:
            loop.controllers.kubelet.unready |= names(loop.pods(revision))
        # then
        await loop.until(lambda: not loop.candidate, 120)
        assert loop.stable == (stable if falls else revision)
        assert len(loop.rejected) == falls
