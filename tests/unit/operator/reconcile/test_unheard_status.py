"""A status that is still being stored when nobody waits for its answer any more: what becomes of it is logged, once."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from tests.unit.operator.fake.faults import Effect
from tests.unit.operator.fake.harness import NAME, NAMESPACE, Loop

from maraudersmap_operator.cluster import NotLeading
from maraudersmap_operator.cluster.kinds import MARAUDERSMAP
from maraudersmap_operator.reconcile.status.status_writer import is_answered

Logs = list[Any]


@pytest.fixture
def logs() -> Iterator[Logs]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    with structlog.testing.capture_logs() as captured:
        yield captured


async def unretrieved() -> list[str]:
    """What asyncio complains of once all is let go."""
    complaints: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["message"]))
    for _ in range(5):
        await asyncio.sleep(0)
    gc.collect()
    return complaints


async def fails(when: asyncio.Event, error: Exception) -> bool:
    await when.wait()
    raise error


async def test_the_wait_for_it_is_cancelled(logs: Logs) -> None:
    answer = asyncio.Event()
    waits = asyncio.ensure_future(
        is_answered(asyncio.ensure_future(fails(answer, NotLeading("the lease is lost"))), 60)
    )
    await asyncio.sleep(0)
    # when
    waits.cancel()
    await asyncio.wait({waits})
    del waits  # it holds on to what it waited for
    answer.set()
    # then
    assert await unretrieved() == []
    [entry] = logs
    assert (entry["log_level"], entry["error"]) == ("info", "the lease is lost")


async def test_a_defect_comes_to_light_after_the_wait_for_it(logs: Logs) -> None:
    answer = asyncio.Event()
    assert not await is_answered(asyncio.ensure_future(fails(answer, ValueError("enchanted"))), 0)
    # when
    answer.set()
    # then
    assert await unretrieved() == []
    [entry] = logs
    assert (entry["log_level"], str(entry["exc_info"])) == ("error", "enchanted")


async def test_its_resource_is_deleted_meanwhile() -> None:
    async with Loop() as loop:
        await loop.create(replicas=1)
        loop.faults.add(Effect.TIMEOUT, verb="apply_status", kind=MARAUDERSMAP, seconds=30)
        loop.good()
        await loop.run(3)
        # when
        loop.server.delete(MARAUDERSMAP, NAMESPACE, NAME)
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
        with structlog.testing.capture_logs() as logs:
            await loop.run(60)
        # then
        assert await unretrieved() == []
        assert [e["log_level"] for e in logs if e["event"] == "status not stored"] == ["info"]
