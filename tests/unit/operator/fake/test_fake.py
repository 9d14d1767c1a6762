"""The contract on the fake."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from tests.unit.operator.fake import contract
from tests.unit.operator.fake.authorization import Rights
from tests.unit.operator.fake.client import FakeCluster
from tests.unit.operator.fake.controllers import Controllers
from tests.unit.operator.fake.server import ApiServer
from tests.unit.operator.fake.watches import Watch

from maraudersmap_operator.cluster import Cluster, Manifest
from maraudersmap_operator.cluster.kinds import MARAUDERSMAP, Kind

TICKS = 200


class FakeGround:
    def __init__(self) -> None:
        self.server = ApiServer()
        self.controllers = Controllers(self.server)
        self.cluster: Cluster = FakeCluster(self.server)
        self.foreign: Cluster = FakeCluster(self.server, manager=contract.FOREIGN)
        self.powerless: Cluster = FakeCluster(self.server, rights=Rights((), user=contract.POWERLESS))
        self.namespace = "default"
        self.resource = MARAUDERSMAP

    async def quota(self, name: str, hard: dict[str, str]) -> None:
        self.server.admission.quota(self.namespace, name, **hard)

    async def no_quota(self, name: str) -> None:
        quotas = self.server.admission.quotas
        quotas[:] = [q for q in quotas if q.name != name]

    async def watched(self, kind: Kind, selector: str, since: int) -> list[tuple[str, Manifest]]:
        watch = Watch(self.server, kind, selector, self.namespace)
        watch.connected, watch.position = True, since
        return [(str(e.type), e.object) for e in watch.events()]

    async def orphan(self, kind: Kind, name: str) -> None:
        self.server.delete(kind, self.namespace, name, orphan=True)

    async def until(self, look: Callable[[], Awaitable[bool]], what: str) -> None:
        for _ in range(TICKS):
            if await look():
                return
            self.tick()
        raise AssertionError(what)

    def tick(self) -> None:
        self.controllers.run(1)


@pytest.mark.parametrize("check", contract.checks())
async def test_contract(check: contract.Check) -> None:
    await check(FakeGround())
