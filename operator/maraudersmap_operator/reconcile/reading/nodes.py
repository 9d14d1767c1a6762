"""Pods on a lost node look unready and are not to blame: their node shows it.

Asked only for nodes that have an unready pod of ours which has not succeeded. A namespaced install may not read nodes; then
every node counts as present, and a lost one costs at worst a rollout withdrawn and tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from maraudersmap_operator.cluster import Cluster, ClusterError, Manifest, Refused
from maraudersmap_operator.cluster.kinds import NODE
from maraudersmap_operator.cluster.reported import has_condition
from maraudersmap_operator.telemetry import logger

from .live_reads import in_time

# After a refusal they are asked for again: an API server that has just started refuses what it allows a moment later.
REFUSED_AGAIN = timedelta(minutes=5)


class Nodes:
    def __init__(self, cluster: Cluster, clock: Callable[[], datetime]) -> None:
        self._cluster = cluster
        self._clock = clock
        self._refused_at: datetime | None = None

    async def lost(self, pods: list[Manifest]) -> set[str]:
        """Names of nodes that are gone or not ready, among those that hold an unready pod."""
        if self._refused_at is not None and self._clock() < self._refused_at + REFUSED_AGAIN:
            return set()
        names = {p["spec"].get("nodeName") for p in pods if not _is_ready(p) and not _has_succeeded(p)} - {
            None
        }
        # At the same time: each of them may take as long as a read may.
        asked = sorted(names)
        present = await asyncio.gather(*map(self._present, asked))
        return {name for name, there in zip(asked, present, strict=True) if not there}

    async def _present(self, name: str) -> bool:
        try:
            node = await in_time(self._cluster.get(NODE, None, name))
        except Refused as error:
            if self._refused_at is None:
                logger().info(
                    "nodes may not be read: a lost node cannot be detected from unready pods",
                    error=error.message,
                )
            self._refused_at = self._clock()
            return True
        except ClusterError as error:
            # Unknown is not lost.
            logger().debug("node not read", node=name, error=error.message)
            return True
        return node is not None and _is_ready(node)


def _has_succeeded(pod: Manifest) -> bool:
    """A finished Job's pod is never ready again, and stays for as long as the Job does."""
    return (pod.get("status") or {}).get("phase") == "Succeeded"


def _is_ready(obj: Manifest) -> bool:
    return has_condition(obj, "Ready")
