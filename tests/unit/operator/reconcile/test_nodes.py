"""Which nodes are asked after, and what is made of their answers."""

from __future__ import annotations

from typing import Any, cast

from maraudersmap_operator.cluster import Cluster, Kind, Manifest
from maraudersmap_operator.cluster.kinds import NODE
from maraudersmap_operator.reconcile.nodes import Nodes


class Asked:
    """A cluster that has nodes only, and remembers which were read."""

    def __init__(self, **ready: bool) -> None:
        self.read: list[str] = []
        self._ready = ready

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        assert (kind, namespace) == (NODE, None)
        self.read.append(name)
        if name not in self._ready:
            return None
        return {"status": {"conditions": [{"type": "Ready", "status": str(self._ready[name])}]}}

    async def lost(self, *pods: Manifest) -> set[str]:
        return await Nodes(cast("Cluster", self)).lost(list(pods))


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
