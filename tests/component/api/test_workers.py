"""Several processes behind one socket: limits, metrics, replacement and a clean end are those of one service."""

import asyncio
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from dev.free_port import free_port
from dev.local_services import LocalRedis, local_redis
from tests.component.conftest import environment, program, until


def children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]


async def fetch(base: str, path: str) -> tuple[int, str]:
    """On a connection of its own, so that every worker gets some."""
    async with aiohttp.ClientSession() as session, session.get(base + path) as response:
        return response.status, await response.text()


@pytest.fixture
def own_redis() -> Iterator[LocalRedis]:
    """A server without the counts of other tests."""
    with local_redis() as server:
        yield server


async def test_four_processes_let_exactly_the_allowance_pass(database: str, own_redis: LocalRedis) -> None:
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    variables = environment(
        database, PORT=str(port), REDIS_URL=own_redis.url, RATE_LIMIT_ANONYMOUS="100", DRAIN_SECONDS="0"
    )
    async with program("serve --workers 4", variables) as running:

        async def ready() -> bool:
            try:
                # Each of the four must have found its cache, or it would count on its own.
                answers = await asyncio.gather(*(fetch(base, "/health/ready") for _ in range(24)))
            except aiohttp.ClientError:
                return False
            return all('"cache":"healthy"' in text and status == 200 for status, text in answers)

        await until(ready)

        statuses = [
            status
            for start in range(0, 400, 50)
            for status, _ in await asyncio.gather(
                *(fetch(base, f"/api/nothing/{start + n}") for n in range(50))
            )
        ]

        assert (statuses.count(404), statuses.count(429)) == (100, 300)

        # the metrics of any worker are those of all
        async def counted() -> bool:
            _, text = await fetch(base, "/metrics")
            passed = re.search(r'http_requests_total{method="GET",path="unmatched",status="404"} (\S+)', text)
            return passed is not None and float(passed[1]) == 100

        await until(counted)

        # a worker that dies is replaced
        workers = children(running.child.pid)
        assert len(workers) == 4
        os.kill(workers[0], signal.SIGKILL)

        async def replaced() -> bool:
            now = children(running.child.pid)
            return len(now) == 4 and workers[0] not in now

        await until(replaced)
        running.terminate()
        code, _, err = await running.ended()

    assert code == 0, err


async def test_a_wrong_configuration_ends_all_of_them(database: str) -> None:
    variables = environment(database, JWT_SECRET="short")
    async with program("serve --workers 2", variables) as running:
        code, _, err = await running.ended()

    assert (code, "JWT_SECRET" in err) == (2, True)


async def test_no_worker_outlives_a_parent_that_was_killed(database: str) -> None:
    variables = environment(database, PORT=str(free_port()), HOST="127.0.0.1")
    async with program("serve --workers 2", variables) as running:
        await until(lambda: _has_children(running.child.pid, 2))
        workers = children(running.child.pid)
        running.child.kill()
        await running.ended()

        async def gone() -> bool:
            return not any(_runs(pid) for pid in workers)

        await until(gone)


async def _has_children(pid: int, number: int) -> bool:
    return len(children(pid)) == number


def _runs(pid: int) -> bool:
    """Not gone, and not waiting for somebody to ask how it ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
