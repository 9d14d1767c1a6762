"""A real Prometheus on loopback, with the shipped rules and the shipped jobs pointed at given ports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from dev.free_port import free_port
from dev.monitoring.tools import tool
from tests.unit.operator.analysis.test_scrape import HERE

from .files import RULES, SCRAPE, selectors

PATIENCE_SECONDS = 300.0
# Whatever was seen since it runs.
SEEN = "1h"


@dataclass(frozen=True, slots=True)
class Prometheus:
    http: aiohttp.ClientSession

    async def ask(self, expression: str) -> list[dict[str, Any]]:
        """An instant query. Fails when Prometheus does not understand it."""
        async with self.http.get("/api/v1/query", params={"query": expression}) as response:
            body = await response.json()
        assert body["status"] == "success", (expression, body)
        result: list[dict[str, Any]] = body["data"]["result"]
        return result

    async def alerts(self) -> list[dict[str, Any]]:
        """Pending and firing ones."""
        async with self.http.get("/api/v1/alerts") as response:
            found: list[dict[str, Any]] = (await response.json())["data"]["alerts"]
        return found

    async def lacking(self, expression: str) -> list[str]:
        """The selectors of an expression that have never had a series; empty when it has data as a whole."""
        if await self.ask(expression):
            return []
        return [s for s in selectors(expression) if not await self.ask(f"last_over_time({s}[{SEEN}])")]

    async def until(self, *expressions: str) -> None:
        """Wait until each of the expressions has data, or at least had data for every selector in it."""
        missing: dict[str, list[str]] = {}
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while missing := {e: m for e in expressions if (m := await self.lacking(e))}:  # noqa: ASYNC110 - it is in another process
                    await asyncio.sleep(0.2)
        except TimeoutError:
            raise AssertionError(f"no data for {missing}") from None


@asynccontextmanager
async def prometheus(
    folder: Path, ports: Mapping[str, int], labels: Mapping[str, str]
) -> AsyncIterator[Prometheus]:
    """`ports`: of each job. `labels`: what discovery would say of the API's pod."""
    config = yaml.safe_load(SCRAPE.read_text())
    config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(RULES)]
    del config["alerting"]
    for job in config["scrape_configs"]:
        del job["kubernetes_sd_configs"], job["relabel_configs"]
        target: dict[str, Any] = {"targets": [f"{HERE}:{ports[job['job_name']]}"]}
        if job["job_name"] == "maraudersmap-api":
            target["labels"] = dict(labels)
        job["static_configs"] = [target]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    with (folder / "prometheus.log").open("wb") as log:
        child = await asyncio.create_subprocess_exec(
            tool("prometheus"),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={HERE}:{port}",
            stdout=log,
            stderr=log,
        )
    try:
        async with aiohttp.ClientSession(f"http://{HERE}:{port}") as http:
            await _ready(http)
            yield Prometheus(http)
    finally:
        child.terminate()
        await child.wait()


async def _ready(http: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                async with http.get("/-/ready") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                pass  # it does not listen yet
            await asyncio.sleep(0.1)
