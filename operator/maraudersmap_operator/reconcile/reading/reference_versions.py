"""What no watch shows of a quiet resource is looked at by its version alone; only a new version is worth a pass.

Of what many resources name (credentials of a registry, one Secret of a team) one answer serves them all for a while.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from datetime import datetime, timedelta

from maraudersmap_operator.cluster import Cluster, ClusterError, Kind

from .live_reads import in_time
from .references import References

# No answer is passed on that is older than this.
SHARED = timedelta(seconds=10)

_Answer = tuple[datetime, asyncio.Future[str]]


class ReferenceVersions:
    """Shared by all resources of a process."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._answers: OrderedDict[tuple[Kind, str, str], _Answer] = OrderedDict()

    async def unchanged(self, references: References, namespace: str, now: datetime) -> bool:
        """Everything is as it was read. False as well when something could not be read, then or now: what has become of it is
        for a whole reading to find out. Raises nothing of the cluster's."""
        try:
            for (kind, name), version in references.versions.items():
                if version is None or version != await self._version(kind, namespace, name, now):
                    return False
        except ClusterError:
            return False
        return True

    async def _version(self, kind: Kind, namespace: str, name: str, now: datetime) -> str:
        while self._answers and next(iter(self._answers.values()))[0] + SHARED <= now:
            self._answers.popitem(last=False)
        known = self._answers.get((kind, namespace, name))
        if known is None:
            asking = asyncio.ensure_future(in_time(self._cluster.version(kind, namespace, name)))
            known = self._answers[kind, namespace, name] = now, asking
        return await asyncio.shield(known[1])
