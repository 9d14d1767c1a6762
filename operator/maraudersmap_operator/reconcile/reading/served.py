"""Which of the Prometheus operator's kinds the cluster has: asked for from time to time, never watched.

A watch on a kind that is not there would fail for ever, and one on the definitions would need a right of its own. What the
API server has is for everyone who has signed in to ask (system:discovery), and one small answer serves all resources.
"""

from __future__ import annotations

import asyncio

from maraudersmap_operator.cluster import Cluster, ClusterError, Kind
from maraudersmap_operator.cluster.kinds import MONITORING
from maraudersmap_operator.telemetry import logger

from .live_reads import LOOK_SECONDS


class Served:
    """Shared by all passes of a process. `kinds` is None as long as no answer has come."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.kinds: frozenset[Kind] | None = None

    async def look(self) -> bool:
        """Ask; True when it is not what was known. Without an answer that goes on to count."""
        group, version = MONITORING[0].group, MONITORING[0].version
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                names = await self._cluster.served(group, version)
        except (ClusterError, TimeoutError) as error:
            logger().info("kinds of monitoring not read", error=str(error))
            return False
        found = frozenset(kind for kind in MONITORING if kind.kind in names)
        changed, before = found != self.kinds, self.kinds
        self.kinds = found
        if changed and (found or before):
            logger().info("kinds of monitoring", served=sorted(kind.kind for kind in found))
        return changed

    def lost(self, kind: Kind) -> None:
        """A write has shown that it is gone."""
        self.kinds = (self.kinds or frozenset()) - {kind}
