"""Every alert's expression and every query of a dashboard has data, where a real Prometheus reads the real programs.

An expression whose answer is empty because all is well has series for each of its selectors.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from queue import SimpleQueue
from urllib.parse import urlsplit

from dev.local_services import LocalPostgres
from tests.component.conftest import Api, readiness, running_api
from tests.unit.operator.analysis.test_scrape import HERE
from tests.unit.operator.fake.harness import NAME, NAMESPACE, Loop

from maraudersmap_operator.cluster import Key
from maraudersmap_operator.reconcile import WorkQueue
from maraudersmap_operator.resource import MaraudersMapStatus
from maraudersmap_operator.resource.status import Phase
from maraudersmap_operator.telemetry import Health, Metrics, serve_http

from .files import queries, rules
from .prometheus import Prometheus, prometheus

OURS = {"namespace": NAMESPACE, "maraudersmap": NAME, "revision": "bcdfghjk", "pod": "map-api-bcdfghjk-x"}


@asynccontextmanager
async def some_traffic(api: Api) -> AsyncIterator[None]:
    """Requests all the time, of the kinds that users make."""

    async def ask() -> None:
        while True:
            await api.call("GET", "/api/incidents", user="harry")
            await api.call("GET", "/api/incidents/1", user="harry")
            await asyncio.sleep(0.1)  # a small service

    task = asyncio.create_task(ask())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def by_the_process(metrics: Metrics) -> None:
    """What the operator's process counts around the passes: its queue, its client, its lease, its audits. The loop of these
    tests has others in their place."""
    health = Health()
    passed = asyncio.Event()

    async def one_pass(_: Key) -> timedelta | None:
        passed.set()
        return None

    queue = WorkQueue(one_pass, metrics, health)
    queue.add(Key(NAMESPACE, NAME))
    workers = asyncio.create_task(queue.run(1))
    await passed.wait()
    workers.cancel()
    await asyncio.gather(workers, return_exceptions=True)
    metrics.request("GET", 200)
    metrics.leading(True)
    metrics.audited(0)
    metrics.drift_corrected("Service")
    for phase in (Phase.STALLED, Phase.PAUSED):
        metrics.observe(
            (NAMESPACE, str(phase).lower()), MaraudersMapStatus(), MaraudersMapStatus(phase=phase)
        )


class Rollback:
    """A resource from its first rollout to a bad one that was taken back, one stage at a time.

    In a thread: the loop of these tests simulates time, and what Prometheus reads needs the real one.
    """

    STAGES = 4
    STAGE_SECONDS = 300.0

    def __init__(self) -> None:
        self._reached: SimpleQueue[Metrics] = SimpleQueue()
        self._go: SimpleQueue[None] = SimpleQueue()
        self._story = asyncio.create_task(asyncio.to_thread(asyncio.run, self._play()))

    async def next(self) -> Metrics:
        """The operator's metrics, when the next stage is reached: set up, stable, rolling out, rolled back."""
        stage = asyncio.create_task(asyncio.to_thread(self._reached.get, timeout=self.STAGE_SECONDS))
        await asyncio.wait({stage, self._story}, return_when=asyncio.FIRST_COMPLETED)
        if self._story.done() and not stage.done():
            self._story.result()
        return await stage

    async def go_on(self) -> Metrics:
        self._go.put(None)
        return await self.next()

    async def __aenter__(self) -> Rollback:
        return self

    async def __aexit__(self, *_: object) -> None:
        for _stage in range(self.STAGES):  # wherever it stands
            self._go.put(None)
        await self._story

    async def _play(self) -> None:
        async with Loop() as loop:
            self._stage(loop)
            await loop.create(autoscaling={"enabled": True, "minReplicas": 3, "maxReplicas": 3})
            self._stage(loop)
            loop.bad("crash")
            await loop.until(lambda: "candidate" in loop.status)
            await loop.run(2)
            self._stage(loop)
            await loop.until(lambda: loop.phase == "RolledBack")
            self._stage(loop)

    def _stage(self, loop: Loop) -> None:
        self._reached.put(loop.operator.metrics)
        self._go.get(timeout=self.STAGE_SECONDS)


async def a_rollback(story: Rollback, seen: Prometheus) -> None:
    """Each of its stages, seen by Prometheus."""
    ours = f'{{namespace="{NAMESPACE}", maraudersmap="{NAME}"}}'
    await story.go_on()
    await seen.until(f"maraudersmap_resource_stable_since_timestamp_seconds{ours}")
    await story.go_on()
    await seen.until(f"maraudersmap_resource_rollout_started_timestamp_seconds{ours}")
    await story.go_on()
    await seen.until('maraudersmap_resource_phase{phase="RolledBack"}')


def port_of(api: Api) -> int:
    base = api.http._base_url
    assert base is not None
    assert base.port is not None
    return base.port


async def test_every_expression_has_data(database: str, postgres: LocalPostgres, tmp_path: Path) -> None:
    async with running_api(database) as api, Rollback() as story:
        # given: both programs, read every second
        await readiness(api, 200)
        await api.person("harry")
        await api.report("harry")
        metrics = await story.next()
        async with serve_http(Health(), metrics, 0, HERE) as port:
            ports = {"maraudersmap-operator": port, "maraudersmap-api": port_of(api)}
            async with prometheus(tmp_path, ports, OURS) as seen, some_traffic(api):
                # when: one answers users and then loses its database, the other takes a bad revision back
                await by_the_process(metrics)
                await a_rollback(story, seen)
                await seen.until("maraudersmap:requests_slow:ratio_rate5m")
                postgres.drop_database(urlsplit(database).path.lstrip("/"))
                await seen.until('http_requests_total{path="/api/incidents", status=~"5.."}')
                # then
                expressions = [rule["expr"] for rule in rules()] + [query for _, query in queries()]
                await seen.until(*expressions)
                # and what has to fire does, in words that could be filled in
                await seen.until('ALERTS{alertname="MaraudersMapRolledBack", alertstate="firing"}')
                words = {a["labels"]["alertname"]: a["annotations"] for a in await seen.alerts()}
                assert (
                    words["MaraudersMapRolledBack"]["summary"]
                    == f"A revision of {NAMESPACE}/{NAME} was taken back"
                )
                assert "error expanding" not in str(words)
