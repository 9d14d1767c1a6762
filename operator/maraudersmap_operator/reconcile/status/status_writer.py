"""Remember: the one place where a status is written.

It is written with the version that it was computed from. When only the spec or the metadata have moved meanwhile, what was
learned is stored all the same; when someone else has written the status, the pass is abandoned and decides again. Written is
what the custom resource definition in the cluster has a place for, and with it what a newer operator has stored.

Someone else may have written the status as well: an edit by hand, a backup that was restored. A server-side apply leaves what
has another owner too, so a candidate that has ended would stay, or stay in part, which the API server refuses for ever. The
status is the operator's alone: then it is replaced as a whole.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

from maraudersmap_operator.cluster import Cluster, ClusterError, Conflict, Key, Manifest, NotFound, Store
from maraudersmap_operator.cluster.kinds import MARAUDERSMAP
from maraudersmap_operator.resource import MaraudersMapStatus
from maraudersmap_operator.resource.definition import dropped
from maraudersmap_operator.resource.other_release import carried, dump, read_status
from maraudersmap_operator.telemetry import logger

from ..reading.definition import Definition

TRIES = 3
# What is left of a part that someone else has written too may lack what it requires.
INVALID = 422
# A refusal names some of what has no place, the next one more.
REFUSALS = 50


class DefinitionOlder(ClusterError):
    """The custom resource definition turned out to have no place for a part: the pass is to decide again."""


class StatusMoved(Conflict):
    """Someone else has written the status: what this pass has decided rests on another one."""


class StatusWriter:
    """Writes the status of one resource in one pass. `began_with`: the object that the pass has decided on."""

    def __init__(
        self,
        cluster: Cluster,
        store: Store,
        key: Key,
        began_with: Manifest,
        definition: Definition,
        now: datetime,
    ) -> None:
        self._cluster = cluster
        self._definition = definition
        self._now = now
        self._knew = bool(definition.no_place_for)
        self._store = store
        self._key = key
        self._uid = began_with["metadata"]["uid"]
        self._version = str(began_with["metadata"]["resourceVersion"])
        self._stored = began_with.get("status") or {}

    async def store(self, status: MaraudersMapStatus) -> bool:
        """True when it had to be written. Raises StatusMoved, DefinitionOlder, NotFound and what else the API server
        answers."""
        wanted = carried(self._stored, dump(status))
        sent = self._definition.fit(wanted, self._stored)
        if _understood(sent) == _understood(self._stored):
            return False
        conflicts = refusals = 0
        while conflicts < TRIES:
            try:
                written = await self._cluster.apply_status(
                    self._key.namespace,
                    self._key.name,
                    self._uid,
                    sent,
                    version=self._version,
                )
            except Conflict:
                await self._look_again()
                conflicts += 1
                continue
            except ClusterError as error:
                refusals += 1
                if refusals > REFUSALS:
                    raise
                if not await self._definition.refused(error, self._now):
                    if error.status != INVALID:
                        raise
                    await self._replace(sent)
                    return True
                if not self._knew:
                    # What this pass has decided rests on a memory that there is none of.
                    raise DefinitionOlder(error.message, error.status) from error
                sent = self._definition.fit(wanted, self._stored)
                continue
            self._note(written)
            self._definition.dropped(dropped(sent, self._stored))
            if any(dropped(_understood(self._stored), _understood(sent))):
                await self._replace(sent)
            return True
        raise StatusMoved("the resource changes too often to store its status", 409)

    async def _replace(self, sent: Manifest) -> None:
        """With what others have written taken out."""
        written = await self._cluster.replace_status(
            self._key.namespace, self._key.name, sent, version=self._version
        )
        self._note(written)

    async def _look_again(self) -> None:
        """Go on from the newest version if the status in it is the one that this pass began with."""
        live = await self._cluster.get(MARAUDERSMAP, self._key.namespace, self._key.name)
        if live is None or live["metadata"]["uid"] != self._uid:
            raise NotFound("the resource is gone", 404)
        same = live.get("status") or {}
        self._store.confirm(MARAUDERSMAP, live)
        if same != self._stored:
            raise StatusMoved("someone else has written the status", 409)
        self._version = str(live["metadata"]["resourceVersion"])

    def _note(self, written: Manifest) -> None:
        self._store.confirm(MARAUDERSMAP, written)
        self._version = str(written["metadata"]["resourceVersion"])
        self._stored = written.get("status") or {}


async def is_answered(writing: asyncio.Task[bool], seconds: float) -> bool:
    """Whether the status that is being stored has its answer within that time. Otherwise, and when this wait ends before,
    the write goes on, and what becomes of it is logged: no one may be left to ask."""
    try:
        done, _ = await asyncio.wait({writing}, timeout=seconds)
    except asyncio.CancelledError:
        # The process ends, or leads no longer.
        writing.add_done_callback(_log_failure)
        raise
    if not done:
        writing.add_done_callback(_log_failure)
    return bool(done)


def _log_failure(writing: asyncio.Task[bool]) -> None:
    if writing.cancelled() or (error := writing.exception()) is None:
        return
    if isinstance(error, ClusterError):
        logger().info("status not stored", error=str(error))
    else:
        logger().error("status not stored: it failed unexpectedly", exc_info=error)


def _understood(status: Manifest) -> Manifest:
    """What this release reads in it, with its defaults."""
    return dump(read_status(status)[0])
