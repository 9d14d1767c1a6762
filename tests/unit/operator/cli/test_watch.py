"""`--for`: when the goal is reached, and when waiting longer is of no use."""

from __future__ import annotations

import io
import json

import pytest

from maraudersmap_operator.cli.output import Format, Output
from maraudersmap_operator.cli.snapshot import Snapshot
from maraudersmap_operator.cli.watch import Goal, Progress, progress, watch

from . import given

READY = given.resource(given.healthy())
REJECTED = given.resource(given.rolled_back(), image=given.BAD)
TRIAL = given.resource(given.on_trial(), image=given.BAD)
STALE = given.resource(given.healthy(observedGeneration=1), generation=2)
ASKED = {
    **REJECTED,
    "metadata": {**REJECTED["metadata"], "annotations": {"hogwarts.edu/retry": given.TOKEN}},
}


@pytest.mark.parametrize(
    ("goal", "resource", "expected"),
    [
        (Goal.READY, READY, Progress.REACHED),
        (Goal.READY, TRIAL, Progress.OPEN),
        (Goal.READY, REJECTED, Progress.HOPELESS),
        (Goal.READY, STALE, Progress.OPEN),
        (Goal.READY, ASKED, Progress.OPEN),
        (Goal.AVAILABLE, REJECTED, Progress.REACHED),
        (Goal.ROLLED_BACK, REJECTED, Progress.REACHED),
        (Goal.ROLLED_BACK, TRIAL, Progress.OPEN),
        (Goal.ROLLED_BACK, READY, Progress.HOPELESS),
        (Goal.READY, given.resource(), Progress.OPEN),
    ],
)
def test_progress(goal: Goal, resource: given.Object, expected: Progress) -> None:
    assert progress(goal, given.snapshot(resource)) is expected


async def test_without_a_terminal_each_change_is_one_line() -> None:
    """The same state again says nothing; the goal ends it."""
    stream = io.StringIO()
    states = iter([TRIAL, TRIAL, READY])

    async def read() -> list[Snapshot]:
        return [given.snapshot(next(states))]

    outcome = await watch(read, Output(Format.TEXT, stream), Goal.READY, patience=60, interval=0)
    assert outcome is Progress.REACHED
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].endswith(
        f"owlery/map  RollingOut  zxwvts56 Witnesses  {given.BAD} is on trial: Witnesses"
    )
    assert lines[1].endswith(f"owlery/map  Ready  {given.PODS_READY}")


async def test_json_is_one_object_a_line_and_time_runs_out() -> None:
    stream = io.StringIO()

    async def read() -> list[Snapshot]:
        return [given.snapshot(TRIAL)]

    outcome = await watch(read, Output(Format.JSON, stream), Goal.READY, patience=0, interval=0)
    assert outcome is Progress.OPEN
    [line] = stream.getvalue().splitlines()
    assert json.loads(line)["status"]["candidate"]["step"] == "Witnesses"
