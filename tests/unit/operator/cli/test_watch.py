"""`--watch` and `--for`: a picture that watches keep up to date, when the goal is reached, and when waiting is of no use."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from maraudersmap_operator.cli import following as followed
from maraudersmap_operator.cli.connection import connect
from maraudersmap_operator.cli.following import Picture, following
from maraudersmap_operator.cli.output import Format, Output
from maraudersmap_operator.cli.read import NoSuchResource
from maraudersmap_operator.cli.watch import Goal, GoalState, progress, watch
from maraudersmap_operator.cluster import Unavailable
from maraudersmap_operator.resource.status import Phase

from . import given
from .watched_api import PLURAL, WatchedApi, watched_api

READY = given.resource(given.healthy())
REJECTED = given.resource(given.rolled_back(), image=given.BAD)
TRIAL = given.resource(given.on_trial(), image=given.BAD)
TRIAL_ANNOTATED = {**TRIAL, "metadata": {**TRIAL["metadata"], "annotations": {"owl": "post"}}}
STALE = given.resource(given.healthy(observedGeneration=1), generation=2)
ASKED = {
    **REJECTED,
    "metadata": {**REJECTED["metadata"], "annotations": {"hogwarts.edu/retry": given.TOKEN}},
}


@pytest.mark.parametrize(
    ("goal", "resource", "expected"),
    [
        (Goal.READY, READY, GoalState.REACHED),
        (Goal.READY, TRIAL, GoalState.OPEN),
        (Goal.READY, REJECTED, GoalState.HOPELESS),
        (Goal.READY, STALE, GoalState.OPEN),
        (Goal.READY, ASKED, GoalState.OPEN),
        (Goal.AVAILABLE, REJECTED, GoalState.REACHED),
        (Goal.ROLLED_BACK, REJECTED, GoalState.REACHED),
        (Goal.ROLLED_BACK, TRIAL, GoalState.OPEN),
        (Goal.ROLLED_BACK, READY, GoalState.HOPELESS),
        (Goal.READY, given.resource(), GoalState.OPEN),
    ],
)
def test_progress(goal: Goal, resource: given.Object, expected: GoalState) -> None:
    assert progress(goal, given.snapshot(resource)) is expected


PATIENCE = 60.0


@asynccontextmanager
async def seen(api: WatchedApi, folder: Path, name: str | None = given.NAME) -> AsyncIterator[Picture]:
    """The picture that a user of that API server has, once there is one."""
    async with (
        connect(str(api.kubeconfig(folder)), None, None) as session,
        following(session.cluster, session.namespace, name) as picture,
    ):
        yield picture


async def until(picture: Picture, phase: Phase, trouble: bool = False) -> None:
    async with asyncio.timeout(PATIENCE):
        while [s.status.phase for s in picture.snapshots()] != [phase] or bool(picture.trouble) != trouble:
            await picture.news()


async def until_true(holds: Callable[[], bool]) -> None:
    """For what happens beside someone else who waits for the picture's news: a change has one reader."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - what is waited for raises no event of its own
            await asyncio.sleep(0.01)


async def to_its_end(picture: Picture) -> None:
    """It has to raise."""
    async with asyncio.timeout(PATIENCE):
        while True:
            await picture.news()


async def test_a_change_is_shown_without_asking_again(tmp_path: Path) -> None:
    async with watched_api() as api, seen(api, tmp_path) as picture:
        await until(picture, Phase.ROLLING_OUT)
        for plural in api.watches:
            await api.until(plural, watches=1)
        api.put(READY)
        await until(picture, Phase.READY)
        api.put(given.pod(given.STABLE, 7), "pods")
        async with asyncio.timeout(PATIENCE):
            while not picture.snapshots()[0].pods:
                await picture.news()
        assert api.lists == dict.fromkeys(api.lists, 1)
        assert api.watches == dict.fromkeys(api.watches, 1)


async def test_a_watch_that_ends_goes_on_from_where_it_was(tmp_path: Path) -> None:
    async with watched_api() as api, seen(api, tmp_path) as picture:
        await until(picture, Phase.ROLLING_OUT)
        await api.until(watches=1)
        api.end_streams()
        await api.until(watches=2)
        api.put(READY)
        await until(picture, Phase.READY)
        assert api.lists[PLURAL] == 1


async def test_after_the_expiry_of_its_version_it_lists_again(tmp_path: Path) -> None:
    async with watched_api() as api, seen(api, tmp_path) as picture:
        await until(picture, Phase.ROLLING_OUT)
        await api.until(watches=1)
        api.put_unseen(READY)
        api.expire()
        await until(picture, Phase.READY)
        assert api.lists[PLURAL] == 2
        await api.until(watches=2)
        api.put(REJECTED)
        await until(picture, Phase.ROLLED_BACK)


async def test_it_outlives_a_restart_of_the_api_server_and_says_meanwhile_that_it_may_be_old(
    tmp_path: Path,
) -> None:
    async with watched_api() as api, seen(api, tmp_path) as picture:
        await until(picture, Phase.ROLLING_OUT)
        await api.until(watches=1)
        await api.stop()
        await until(picture, Phase.ROLLING_OUT, trouble=True)
        await api.start()
        await api.until(watches=2)
        api.put(READY)
        await until(picture, Phase.READY)


async def test_an_api_server_that_stays_away_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followed, "SILENCE_SECONDS", 0.5)
    async with watched_api() as api, seen(api, tmp_path) as picture:
        await until(picture, Phase.ROLLING_OUT)
        await api.until(watches=1)
        await api.stop()
        with pytest.raises(Unavailable):
            await to_its_end(picture)


async def test_what_may_not_be_read_is_left_out(tmp_path: Path) -> None:
    async with watched_api() as api:
        api.forbidden.add("pods")
        async with seen(api, tmp_path, name=None) as picture:
            await until(picture, Phase.ROLLING_OUT)
            [snapshot] = picture.snapshots()
            assert snapshot.pods is None
            assert "you may not list and watch them" in snapshot.notes[0]
            await api.until(watches=1)
            api.put(READY)
            await until(picture, Phase.READY)


async def test_a_resource_that_is_deleted_ends_it(tmp_path: Path) -> None:
    async with watched_api() as api, seen(api, tmp_path) as picture:
        await until(picture, Phase.ROLLING_OUT)
        await api.until(watches=1)
        api.delete(given.NAME)
        with pytest.raises(NoSuchResource, match="no MaraudersMap 'map'"):
            await to_its_end(picture)


async def test_without_a_terminal_each_change_is_one_line(tmp_path: Path) -> None:
    """A change of nothing that is shown is no line; the goal ends it."""
    stream = io.StringIO()
    async with watched_api() as api, seen(api, tmp_path) as picture:
        watching = asyncio.create_task(watch(picture, Output(Format.TEXT, stream), Goal.READY, PATIENCE))
        await api.until(watches=1)
        # One after the other: changes that arrive together are one piece of news.
        await until_true(lambda: bool(stream.getvalue()))
        api.put(TRIAL_ANNOTATED)
        await until_true(lambda: "owl" in picture.snapshots()[0].annotations)
        api.put(READY)
        assert await watching is GoalState.REACHED
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].endswith(
        f"owlery/map  RollingOut  zxwvts56 Witnesses  {given.BAD} is on trial: Witnesses"
    )
    assert lines[1].endswith(f"owlery/map  Ready  {given.PODS_READY}")


async def test_json_is_one_object_a_line_and_time_runs_out(tmp_path: Path) -> None:
    stream = io.StringIO()
    async with watched_api() as api, seen(api, tmp_path) as picture:
        await until(picture, Phase.ROLLING_OUT)
        assert await watch(picture, Output(Format.JSON, stream), Goal.READY, patience=0) is GoalState.OPEN
    [line] = stream.getvalue().splitlines()
    assert json.loads(line)["status"]["candidate"]["step"] == "Witnesses"


# A shell's background jobs ignore SIGINT, and children inherit that.
INTERRUPTIBLE = """
import signal
from maraudersmap_operator.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
raise SystemExit(main())
"""


async def test_an_interrupt_ends_the_command_without_a_word(tmp_path: Path) -> None:
    async with watched_api() as api:
        command = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "default", "-c", INTERRUPTIBLE,
            "status", "--watch", "--kubeconfig", str(api.kubeconfig(tmp_path)),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={**os.environ, "TERM": "dumb"},
        )  # fmt: skip
        assert command.stdout is not None
        async with asyncio.timeout(PATIENCE):
            first = await command.stdout.readline()
            await api.until(watches=1)
            command.send_signal(signal.SIGINT)
            rest, errors = await command.communicate()
    assert b"RollingOut" in first
    assert (command.returncode, rest, errors.decode()) == (130, b"", "")
