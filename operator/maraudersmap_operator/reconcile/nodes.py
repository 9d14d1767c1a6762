"""Pods on a lost node look unready and are not to blame: their node shows it.

Asked only for nodes that have an unready pod of ours which has not succeeded. A namespaced install may not read nodes; then
every node counts as present, and a lost one costs at worst a rollout withdrawn and tried again.
"""

from __future__ import annotations

import asyncio

from maraudersmap_operator.cluster import Cluster, ClusterError, Manifest, Refused
from maraudersmap_operator.cluster.kinds import NODE
from maraudersmap_operator.cluster.reported import has_condition
from maraudersmap_operator.telemetry import logger

from .sight import in_time


class Nodes:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._allowed = True

    async def lost(self, pods: list[Manifest]) -> set[str]:
        """Names of nodes that are gone or not ready, among those that hold an unready pod."""
        names = {p["spec"].get("nodeName") for p in pods if not _is_ready(p) and not _has_succeeded(p)} - {
            None
        }
        if not self._allowed:
            return set()
        # At the same time: each of them may take as long as a read may.
        asked = sorted(names)
        present = await asyncio.gather(*map(self._present, asked))
        return {name for name, there in zip(asked, present, strict=True) if not there}

    async def _present(self, name: str) -> bool:
        try:
            node = await in_time(self._cluster.get(NODE, None, name))
        except Refused as error:
            self._allowed = False
            logger().info(
                "nodes may not be read: a lost node cannot be detected from unready pods", error=error.message
            )
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
