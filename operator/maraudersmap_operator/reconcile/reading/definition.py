"""What the custom resource definition in the cluster has a place for: read once, and again after a refusal.

The operator may run before the definition of its release is applied, or after an older one was put back. Every user may read
the published schema, so this needs no right of its own. Where it cannot be read, refusals themselves show what has no place.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from maraudersmap_operator.cluster import Cluster, ClusterError
from maraudersmap_operator.cluster.kinds import MARAUDERSMAP
from maraudersmap_operator.resource.definition import Declared
from maraudersmap_operator.telemetry import logger

from .live_reads import LOOK_SECONDS

# An older definition is looked at again after this long: nothing watches it, and applying the right one is to be noticed.
AGAIN = timedelta(seconds=60)
NAMED = 8
# Of a server-side apply (500), and of the validation behind it (422).
_UNDECLARED = re.compile(r"\.(status[\w.\[\]]*): field not declared in schema")
_INVALID = re.compile(r"\b(status[\w.\[\]]*): (?:Unsupported value|Too long|Too many)")
_INDEX = re.compile(r"\[\d+\]")


class Definition:
    """Shared by all passes of a process."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._declared = Declared()
        self._look_at: datetime | None = None  # None: at once
        self._reported: tuple[str, ...] = ()

    @property
    def no_place_for(self) -> tuple[str, ...]:
        """Paths of the memory that would be forgotten; empty when all of it is kept, as far as is known."""
        return self._declared.no_place_for()

    async def look(self, now: datetime) -> None:
        """Read it if that is due. Never raises, and takes no longer than a moment: what is known goes on to count."""
        if self._look_at is not None and now < self._look_at:
            return
        # Set before the answer: other passes do not wait for it too.
        self._look_at = now + AGAIN
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                schema = await self._cluster.schema(MARAUDERSMAP)
        except (ClusterError, TimeoutError) as error:
            logger().info("definition not read", error=str(error))
            return
        status = (schema.get("properties") or {}).get("status") or {"type": "object"}
        if status != self._declared.schema:
            self._declared = Declared(status)
        if not self.no_place_for:
            self._look_at = datetime.max.replace(tzinfo=now.tzinfo)
        self._report()

    def fit(self, status: dict[str, Any], stored: dict[str, Any]) -> dict[str, Any]:
        return self._declared.fit(status, stored)

    async def refused(self, error: ClusterError, now: datetime) -> bool:
        """A status was refused: True when it was for want of a place, and more is known now than before."""
        named = {
            _INDEX.sub("[]", p)
            for p in (*_UNDECLARED.findall(error.message), *_INVALID.findall(error.message))
        }
        if not named:
            return False
        before = self._declared
        self._look_at = None
        await self.look(now)
        if self._declared == before:
            # It could not be read, or what is published is behind: the refusal itself names what has no place.
            self._without(named)
            self._look_at = now + AGAIN
        return self._declared != before

    def dropped(self, paths: Iterable[str]) -> None:
        """The API server has silently left these out."""
        if found := set(paths) - self._declared.without:
            self._without(found)

    def _without(self, paths: Iterable[str]) -> None:
        self._declared = replace(self._declared, without=self._declared.without | set(paths))
        self._report()

    def _report(self) -> None:
        lost = self.no_place_for
        if lost != self._reported:
            self._reported = lost
            if lost:
                logger().error("the custom resource definition is of another release", no_place_for=lost)
            else:
                logger().info("the custom resource definition has a place for everything")

    def sentence(self) -> str:
        """What is wrong and what to do about it; empty while everything has a place."""
        lost = self.no_place_for
        if not lost:
            return ""
        named = ", ".join(lost[:NAMED]) + (f" and {len(lost) - NAMED} more" if len(lost) > NAMED else "")
        return (
            f"the custom resource definition is of another release than this operator and has no place for {named}: what "
            "runs is protected and gone back to, and no rollout starts or goes on until both are of one release: apply the "
            "definition of the operator's (crds/), or upgrade the operator"
        )
