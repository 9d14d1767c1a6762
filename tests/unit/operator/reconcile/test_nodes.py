"""Which nodes are asked after, and what is made of their answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

from maraudersmap_operator.cluster import Cluster, Kind, Manifest, Refused
from maraudersmap_operator.cluster.kinds import NODE
from maraudersmap_operator.reconcile.reading.nodes import REFUSED_AGAIN, Nodes

NOW = datetime(2026, 11, 28, tzinfo=UTC)


class Asked:
    """A cluster that has nodes only, and remembers which were read."""

    def __init__(self, **ready: bool) -> None:
        self.read: list[str] = []
        self.refuses = False
        self._ready = ready

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        assert (kind, namespace) == (NODE, None)
        self.read.append(name)
        if self.refuses:
            raise Refused("nodes is forbidden", 403)
        if name not in self._ready:
            return None
        return {"status": {"conditions": [{"type": "Ready", "status": str(self._ready[name])}]}}

    async def lost(self, *pods: Manifest) -> set[str]:
        return await Nodes(cast("Cluster", self), lambda: NOW).lost(list(pods))


def pod(node: str, phase: str, *, ready: bool = False) -> Manifest:
    conditions: list[dict[str, Any]] = [{"type": "Ready", "status": str(ready)}]
    return {"spec": {"nodeName": node}, "status": {"phase": phase, "conditions": conditions}}


async def test_a_node_is_lost_when_it_is_gone_or_not_ready() -> None:
    cluster = Asked(well=True, sick=False)
    pods = (pod("well", "Running"), pod("sick", "Running"), pod("gone", "Running"))
    assert await cluster.lost(*pods) == {"sick", "gone"}


async def test_only_nodes_of_unready_pods_that_have_not_succeeded_are_read() -> None:
    """Each pass while a rollout is on would read the node of its finished migrations."""
    cluster = Asked(a=True, b=True, c=True)
    await cluster.lost(pod("a", "Running", ready=True), pod("b", "Succeeded"), pod("c", "Failed"))
    assert cluster.read == ["c"]


async def test_a_refusal_holds_for_minutes_and_not_for_good() -> None:
    """A namespaced install never may; an API server that has just started does not know its roles yet."""
    cluster = Asked(sick=False)
    now = NOW
    nodes, pods = Nodes(cast("Cluster", cluster), lambda: now), [pod("sick", "Running")]
    cluster.refuses = True
    assert await nodes.lost(pods) == set(), "unknown is not lost"
    cluster.refuses = False
    now = NOW + timedelta(seconds=30)
    assert await nodes.lost(pods) == set()
    assert cluster.read == ["sick"]
    now = NOW + REFUSED_AGAIN
    assert await nodes.lost(pods) == {"sick"}
