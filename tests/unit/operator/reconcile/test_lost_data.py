"""The evaluation database without storage: its pod is replaced, and with it goes every table."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.operator.fake.harness import NAMESPACE, Loop

from maraudersmap_operator.cluster.kinds import POD

DATABASE = "map-postgres-0"


async def loses_its_pod(loop: Loop) -> None:
    await loop.run(5)
    loop.server.delete(POD, NAMESPACE, DATABASE)


def attempts(loop: Loop) -> list[str]:
    return [name.rsplit("-", 1)[-1] for name in loop.jobs()]


async def test_the_serving_revision_migrates_the_next_database_once() -> None:
    async with Loop() as loop:
        await loop.create()
        assert attempts(loop) == ["1"]
        # when
        await loses_its_pod(loop)
        # then
        await loop.until(lambda: attempts(loop) == ["2"], 60)
        await loop.run(10)  # it ends, and is noted
        writes = loop.operator.cluster.writes
        await loop.run(300, step=5)
        assert attempts(loop) == ["2"]
        assert loop.operator.cluster.writes == writes
        assert loop.phase == "Ready"
        # and again
        await loses_its_pod(loop)
        await loop.until(lambda: attempts(loop) == ["3"], 60)


async def test_an_attempt_that_fails_is_made_again_with_pauses() -> None:
    async with Loop() as loop:
        await loop.create()
        loop.controllers.kubelet.database_away = True
        await loses_its_pod(loop)
        # when
        await loop.run(120)
        assert 3 <= int(attempts(loop)[-1]) <= 6
        loop.controllers.kubelet.database_away = False
        # then
        await loop.run(120)
        last = attempts(loop)
        await loop.run(300, step=5)
        assert attempts(loop) == last


@pytest.mark.parametrize(
    "spec",
    [
        {"database": {"evaluation": {"storage": {"size": "1Gi"}}}},
        {"migrations": {"enabled": False}},
    ],
    ids=["its data is kept", "there are none"],
)
async def test_nothing_is_migrated_needlessly(spec: dict[str, Any]) -> None:
    async with Loop() as loop:
        await loop.create(**spec)
        before = loop.jobs()
        await loses_its_pod(loop)
        await loop.run(60)
        assert loop.jobs() == before
