"""Reads that come before protection never hold it up."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from maraudersmap_operator.cluster import Cluster, Key, Store
from maraudersmap_operator.cluster.kinds import MARAUDERSMAP, SERVICE
from maraudersmap_operator.reconcile.reading import live_reads

KEY = Key("demo", "map")


class Silent:
    """An API server that never answers."""

    async def get(self, *_: Any) -> None:
        await asyncio.Event().wait()

    async def list(self, *_: Any) -> None:
        await asyncio.Event().wait()


def obj(name: str, version: str, **meta: Any) -> dict[str, Any]:
    labels = {"app.kubernetes.io/managed-by": "maraudersmap-operator", "app.kubernetes.io/instance": "map"}
    base = {"name": name, "namespace": "demo", "uid": name, "resourceVersion": version, "labels": labels}
    return {"metadata": base | meta}


async def test_what_cannot_be_read_in_time_counts_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_reads, "LOOK_SECONDS", 0.05)
    store = Store()
    store.put(MARAUDERSMAP, obj("map", "1"))
    owner = [{"kind": "MaraudersMap", "name": "map", "uid": "map", "controller": True}]
    store.put(SERVICE, obj("service", "2", ownerReferences=owner))
    store.vanish(SERVICE, obj("service", "3", ownerReferences=owner))
    async with asyncio.timeout(20):
        assert not await live_reads.settle_doubts(cast("Cluster", Silent()), store, KEY)
        await live_reads.refresh_pods(cast("Cluster", Silent()), store, KEY)
    assert store.find(KEY, SERVICE, "service") is not None
