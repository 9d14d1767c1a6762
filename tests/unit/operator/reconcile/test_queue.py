"""Each key once, one pass per key at a time, back-off after failures, planned passes overtaken by news."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import structlog

from maraudersmap_operator.cluster import Key, Unavailable
from maraudersmap_operator.reconcile import Workers, WorkQueue
from maraudersmap_operator.telemetry import Health, Metrics

A, B = Key("test", "a"), Key("test", "b")
PATIENCE = 10.0


@asynccontextmanager
async def running(reconcile: Callable[[Key], Awaitable[timedelta | None]], workers: int = 2) -> Any:
    queue = WorkQueue(reconcile, Metrics(), Health())
    task = asyncio.create_task(queue.run(workers))
    try:
        async with asyncio.timeout(PATIENCE):
            yield queue
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_keys_added_often_are_passed_once() -> None:
    """Ten events before a worker is free make one pass."""
    seen: list[Key] = []
    done = asyncio.Event()

    async def reconcile(key: Key) -> None:
        seen.append(key)
        if key == B:
            done.set()

    async with running(reconcile, workers=1) as queue:
        for _ in range(10):
            queue.add(A)
        queue.add(B)
        await done.wait()
    assert seen == [A, B]


async def test_key_added_during_its_pass_is_passed_again_afterwards() -> None:
    """Never two at once, never lost."""
    started, go_on, second = asyncio.Event(), asyncio.Event(), asyncio.Event()
    at_once = most = passes = 0

    async def reconcile(key: Key) -> None:
        nonlocal at_once, most, passes
        at_once += 1
        passes += 1
        most = max(most, at_once)
        started.set()
        await go_on.wait()
        at_once -= 1
        if passes == 2:
            second.set()

    async with running(reconcile) as queue:
        queue.add(A)
        await started.wait()
        queue.add(A)
        queue.add(A)
        go_on.set()
        await second.wait()
    assert most == 1
    assert passes == 2


async def test_failed_pass_is_tried_again_and_others_go_on() -> None:
    """A defect in one resource's pass stops nobody else, and each failure is logged."""
    tries = 0
    healed, other = asyncio.Event(), asyncio.Event()

    async def reconcile(key: Key) -> None:
        nonlocal tries
        if key == B:
            other.set()
            return
        tries += 1
        if tries == 1:
            raise Unavailable("api server away")
        if tries == 2:
            raise RuntimeError("a defect")
        healed.set()

    structlog.reset_defaults()  # a test before this one may have raised the level
    with structlog.testing.capture_logs() as logs:
        async with running(reconcile, workers=1) as queue:
            queue.add(A)
            queue.add(B)
            await other.wait()
            await healed.wait()
    assert tries == 3
    assert [(entry["event"], entry.get("error")) for entry in logs] == [
        ("pass failed, trying again", "api server away"),
        ("pass failed unexpectedly", None),
    ]


async def test_planned_pass_comes_and_news_overtake_it() -> None:
    """A wake-up in an hour does not keep an event waiting; the earlier of two plans stands."""
    passes = 0
    second = asyncio.Event()

    async def reconcile(key: Key) -> timedelta | None:
        nonlocal passes
        passes += 1
        if passes == 1:
            return timedelta(milliseconds=20)
        second.set()
        return timedelta(hours=1)

    async with running(reconcile) as queue:
        queue.add_after(A, timedelta(hours=1))
        queue.add(A)
        await second.wait()
        second.clear()
        queue.add(A)
        await second.wait()
    assert passes == 3


async def test_convergence_that_hangs_holds_up_no_pass() -> None:
    """Of its own resource or of another, however many hang; and each resource converges one at a time."""
    keys = [Key("test", str(number)) for number in range(20)]
    passed: dict[Key, int] = dict.fromkeys(keys, 0)
    converging: list[Key] = []
    begun, done = asyncio.Event(), asyncio.Event()

    async def reconcile(key: Key) -> None:
        passed[key] += 1
        if all(passed.values()):
            done.set()

    async def converge(key: Key) -> None:
        assert key not in converging
        converging.append(key)
        begun.set()
        await asyncio.Event().wait()

    workers = Workers(reconcile, converge, Metrics(), Health())
    task = asyncio.create_task(workers.run(1))
    try:
        async with asyncio.timeout(PATIENCE):
            workers.passes.add(keys[0])
            await begun.wait()
            for key in keys:
                workers.passes.add(key)
            await done.wait()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert passed[keys[0]] == 2


async def test_what_convergence_asks_for_is_a_pass() -> None:
    """A fate to be reported: at once."""
    passes = 0
    second = asyncio.Event()

    async def reconcile(key: Key) -> timedelta:
        nonlocal passes
        passes += 1
        if passes == 2:
            second.set()
        return timedelta(hours=1)

    async def converge(key: Key) -> timedelta | None:
        return timedelta(0) if passes == 1 else None

    workers = Workers(reconcile, converge, Metrics(), Health())
    task = asyncio.create_task(workers.run(1))
    try:
        async with asyncio.timeout(PATIENCE):
            workers.passes.add(A)
            await second.wait()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_news_goes_before_what_can_wait() -> None:
    """An edit does not stand behind a fleet's routine; nor does the routine starve."""
    fleet = [Key("test", f"quiet-{number}") for number in range(20)]
    edited = [Key("test", f"edited-{number}") for number in range(12)]
    seen: list[Key] = []
    done = asyncio.Event()

    async def reconcile(key: Key) -> None:
        seen.append(key)
        if len(seen) == len(fleet) + len(edited):
            done.set()

    async with running(reconcile, workers=1) as queue:
        for key in fleet:
            queue.add(key, news=False)
        for key in edited:
            queue.add(key)
        await done.wait()
    last = seen.index(edited[-1])
    assert 1 <= sum(key in fleet for key in seen[:last]) <= len(edited) // 4
    assert sorted(seen, key=str) == sorted([*fleet, *edited], key=str)


async def test_news_about_what_waits_takes_it_along() -> None:
    """It waits once, among the news."""
    fleet = [Key("test", f"quiet-{number}") for number in range(20)]
    seen: list[Key] = []
    done = asyncio.Event()

    async def reconcile(key: Key) -> None:
        seen.append(key)
        if len(seen) == len(fleet):
            done.set()

    async with running(reconcile, workers=1) as queue:
        for key in fleet:
            queue.add(key, news=False)
        queue.add(fleet[-1])
        queue.add(fleet[-1], news=False)
        await done.wait()
    assert seen[0] == fleet[-1]
    assert len(set(seen)) == len(seen)


async def test_an_edit_waits_behind_no_convergence_of_the_routine() -> None:
    """Planned passes of a calm fleet come due all at once, each with a convergence behind it; then someone edits."""
    fleet = [Key("test", f"quiet-{number}") for number in range(40)]
    edited = fleet[-1]
    converged: list[Key] = []
    due, again, done, open_ = asyncio.Event(), asyncio.Event(), asyncio.Event(), asyncio.Event()
    passes = 0

    async def reconcile(key: Key) -> None:
        nonlocal passes
        passes += 1
        if passes == len(fleet):
            due.set()
        if passes > len(fleet):
            again.set()

    async def converge(key: Key) -> None:
        await open_.wait()
        converged.append(key)
        if key == edited:
            done.set()

    workers = Workers(reconcile, converge, Metrics(), Health(), lambda key: True)
    task = asyncio.create_task(workers.run(1))
    try:
        async with asyncio.timeout(PATIENCE):
            for key in fleet:
                workers.passes.add_after(key, timedelta(0))
            await due.wait()
            workers.passes.add(edited)
            await again.wait()
            open_.set()
            await done.wait()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert converged.index(edited) <= 10, "those that had begun, and a few"
