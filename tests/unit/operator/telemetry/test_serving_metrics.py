"""The operator's own server: a large scrape holds nothing up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import aiohttp
from prometheus_client import Metric
from prometheus_client.registry import Collector
from tests.unit.operator.analysis.test_scrape import HERE, PATIENCE

from maraudersmap_operator.telemetry import Health, Metrics, serve_http


class Slow(Collector):
    """Takes as long as the test says."""

    def __init__(self) -> None:
        self.asked, self.go_on = threading.Event(), threading.Event()

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        self.asked.set()
        self.go_on.wait(PATIENCE / 2)
        return iter(())


async def test_probes_are_answered_while_a_scrape_is_written() -> None:
    # given
    metrics, slow = Metrics(), Slow()
    metrics.registry.register(slow)
    async with (
        serve_http(Health(), metrics, 0, HERE) as port,
        aiohttp.ClientSession(f"http://{HERE}:{port}") as http,
        asyncio.timeout(PATIENCE),
    ):

        async def status(path: str) -> int:
            async with http.get(path) as response:
                await response.read()
                return response.status

        scrape = asyncio.create_task(status("/metrics"))
        assert await asyncio.to_thread(slow.asked.wait, PATIENCE)
        # when
        assert await status("/healthz") == 200
        # then
        assert not scrape.done()
        assert not slow.go_on.is_set()
        # and the scrape gets its answer
        slow.go_on.set()
        assert await scrape == 200
