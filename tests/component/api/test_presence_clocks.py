"""Who is here does not depend on what time a pod takes it to be."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
from dev.local_services import LocalRedis
from tests.component.conftest import until

from maraudersmap_api.infra.metrics import Metrics
from maraudersmap_api.infra.names import Names
from maraudersmap_api.infra.redis import Redis
from maraudersmap_api.realtime.presence import ONLINE, Presence

pytestmark = pytest.mark.usefixtures("unhurried")

HARRY, RON = UUID(int=1), UUID(int=2)


@asynccontextmanager
async def pod(redis: LocalRedis, here: set[UUID]) -> AsyncIterator[Presence]:
    """One that has announced who is here."""
    client = Redis(redis.url, Metrics(), Names("hogwarts-clocks"))
    presence = Presence(client, lambda: {ONLINE: here})
    presence.start()
    try:
        await until(lambda: _announced(presence, here))
        yield presence
    finally:
        await presence.stop()
        await client.close()


async def _announced(presence: Presence, here: set[UUID]) -> bool:
    return presence._announced == {ONLINE: here}


@pytest.mark.parametrize("apart", [-300, 300])
async def test_a_pod_with_another_clock_sees_and_leaves_the_others(
    redis: LocalRedis, monkeypatch: pytest.MonkeyPatch, apart: int
) -> None:
    async with pod(redis, {HARRY}) as one:
        right = time.time
        monkeypatch.setattr(time, "time", lambda: right() + apart)
        async with pod(redis, {RON}) as other:
            assert await other.of(ONLINE) == {HARRY, RON}
            monkeypatch.setattr(time, "time", right)
            assert await one.of(ONLINE) == {HARRY, RON}
        assert await one.of(ONLINE) == {HARRY}
