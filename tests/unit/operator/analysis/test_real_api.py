"""The operator's reading of what the API really writes: the whole application, as it is when its database is away."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from dev.free_port import free_port
from tests.unit.operator.analysis.given import BOUNDS
from tests.unit.operator.analysis.test_scrape import HERE, PATIENCE

from maraudersmap_api.app import build
from maraudersmap_api.infra.metrics import Metrics
from maraudersmap_api.settings import load_settings
from maraudersmap_operator.cluster.exposition import Reading, read_metrics
from maraudersmap_operator.cluster.scrape import Target, scrape
from maraudersmap_operator.resource.status_analysis import CALLER_GROUPS, Tally


@pytest.fixture
async def api() -> AsyncIterator[int]:
    """Its port."""
    settings = load_settings(
        {"DATABASE_URL": f"postgresql://u:p@{HERE}:{free_port()}/map", "JWT_SECRET": "x" * 40}
    )
    service = build(settings)
    port = await service.server.start(HERE, 0)
    yield port
    await service.server.stop()


async def reading(port: int) -> Reading:
    found = (await scrape([Target("a", HERE)], port, seconds=PATIENCE))["a"]
    assert found is not None
    return found


async def test_users_requests_are_counted_and_probes_are_not(api: int) -> None:
    async with aiohttp.ClientSession(f"http://{HERE}:{api}") as client:

        async def get(path: str) -> int:
            async with asyncio.timeout(PATIENCE), client.get(path) as response:
                return response.status

        nobody = (0,) * CALLER_GROUPS
        assert (await reading(api)).tally == Tally(requests_by_callers=nobody, errors_by_callers=nobody)
        for path in ("/health", "/health/live", "/health/ready", "/metrics"):
            await get(path)
        assert (await reading(api)).tally.requests == 0
        statuses = [await get("/api/incidents"), await get("/nothing/here"), await get("/api/incidents/1")]
        login = {"email": "harry.potter@hogwarts.edu", "password": "I solemnly swear"}
        async with client.post("/api/auth/login", json=login) as response:
            statuses.append(response.status)
    found = (await reading(api)).tally
    assert found.requests == found.timed == 4
    # Without a database a login cannot be tried.
    assert [status for status in statuses if status >= 500] == [503]
    assert found.errors == 1
    # All of them from one address.
    assert [count for count in found.requests_by_callers if count] == [4]
    assert [count for count in found.errors_by_callers if count] == [1]
    assert tuple(bucket.le for bucket in found.buckets) == BOUNDS
    assert found.seconds > 0


async def test_the_api_says_that_its_database_is_away() -> None:
    """The very gauge that excuses a candidate while stable cannot reach the database either."""
    metrics = Metrics()
    metrics.dependency_up.labels("database").set(0)
    metrics.dependency_up.labels("cache").set(1)
    assert read_metrics(metrics.render().decode()).lacks == {"database"}
