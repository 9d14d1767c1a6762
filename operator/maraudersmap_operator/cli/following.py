"""The resources of a namespace as they are now, kept up to date by watches.

A watch ends often, and always for a harmless reason: the API server ends each after some minutes, forgets versions after
some more (410), or is restarted. The first goes on from where it was, the second lists again, the third is tried again for a
while; meanwhile the picture stays, with a word that it may be old.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from maraudersmap_operator.cluster import (
    Cluster,
    ClusterError,
    Kind,
    Manifest,
    NotFound,
    Refused,
    Unavailable,
)
from maraudersmap_operator.cluster.kinds import CONTROLLER_REVISION, MARAUDERSMAP, POD
from maraudersmap_operator.resource.names import LABEL_INSTANCE

from .read import FORBIDDEN, SELECTOR, NoSuchResource, left_out, no_kind, pictured, who_exists
from .snapshot import Snapshot, snapshot_of

EXPIRED = 410
AGAIN_SECONDS = 1.0
# An API server that is restarted is away for some seconds.
SILENCE_SECONDS = 30.0


class Watching(Cluster, Protocol):
    def watch(
        self, kind: Kind, namespace: str, version: str, selector: str = "", fields: str = ""
    ) -> AsyncIterator[Manifest]:
        """Events since that version, until the stream ends; first a bookmark, once it is open. Raises ClusterError, with
        status 410 when the version is too old."""


@dataclass(slots=True)
class _Part:
    """The objects of one kind by UID; `known` once they have been listed, `readable` False when they may not be."""

    kind: Kind
    selector: str = ""
    fields: str = ""
    objects: dict[str, Manifest] = field(default_factory=dict)
    known: bool = False
    readable: bool = True
    trouble: str = ""
    silent_since: float | None = None  # no answer since then


class Picture:
    """`name`: one resource; None: all of the namespace. Use `following`."""

    def __init__(self, cluster: Watching, namespace: str, name: str | None) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._name = name
        belonging = f"{SELECTOR},{LABEL_INSTANCE}={name}" if name else SELECTOR
        self._resources = _Part(MARAUDERSMAP, fields=f"metadata.name={name}" if name else "")
        self._parts = (self._resources, _Part(POD, belonging), _Part(CONTROLLER_REVISION, belonging))
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def trouble(self) -> str:
        """Why the picture may be old; empty when it is not."""
        return next((part.trouble for part in self._parts if part.trouble), "")

    async def news(self, seconds: float | None = None) -> None:
        """Wait until something has changed, at most that long. The first picture is news.

        Raises NoSuchResource when there is none any more, Refused, and Unavailable when that lasts.
        """
        waiting = asyncio.ensure_future(self._changed.wait())
        try:
            running = {task for task in self._tasks if not task.done()}
            await asyncio.wait({waiting, *running}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        for task in self._tasks:
            if task.done():
                task.result()
        self._changed.clear()
        if self._resources.known and not self._resources.objects:
            raise NoSuchResource(await who_exists(self._cluster, self._namespace, self._name))

    def snapshots(self) -> list[Snapshot]:
        """By name; none as long as not everything has been read."""
        if not all(part.known for part in self._parts):
            return []
        notes = [left_out(p.kind, self._namespace, "list and watch") for p in self._parts if not p.readable]
        belonging = {p.kind: tuple(p.objects.values()) if p.readable else None for p in self._parts[1:]}
        found = [pictured(snapshot_of(r), belonging, notes) for r in self._resources.objects.values()]
        return sorted(found, key=lambda s: s.name)

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._follow(part)) for part in self._parts]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _follow(self, part: _Part) -> None:
        """For ever, or until it turns out that it may not be read."""
        version = ""
        while True:
            try:
                version = version or await self._list(part)
                async for event in self._cluster.watch(
                    part.kind, self._namespace, version, part.selector, part.fields
                ):
                    version = self._take(part, event)
            except NotFound as error:
                raise NoSuchResource(no_kind()) from error
            except Refused as error:
                # Later it means that an API server has just started, and does not know its roles yet.
                if not part.known and (part is self._resources or error.status != FORBIDDEN):
                    raise
                if not part.known:
                    part.known, part.readable = True, False
                    self._changed.set()
                    return
                self._unheard(part, error)
            except Unavailable as error:
                if error.status == EXPIRED:
                    version = ""
                else:
                    self._unheard(part, error)
            # Also after a stream that ended in peace: nothing makes a server that ends each at once be asked without a pause.
            await asyncio.sleep(AGAIN_SECONDS)

    async def _list(self, part: _Part) -> str:
        listing = await self._cluster.list(part.kind, self._namespace, part.selector, part.fields)
        part.objects = {o["metadata"]["uid"]: o for o in listing.items}
        part.known = True
        self._heard(part)
        self._changed.set()
        return str(listing.resource_version)

    def _take(self, part: _Part, event: Manifest) -> str:
        """Into the picture; the version to go on from. Raises what an event of type ERROR carries."""
        obj: dict[str, Any] = event["object"]
        if event["type"] == "ERROR":
            raise Unavailable(f"watch: {obj.get('message')}", int(obj.get("code") or 0))
        if event["type"] == "DELETED":
            part.objects.pop(obj["metadata"]["uid"], None)
        elif event["type"] != "BOOKMARK":
            part.objects[obj["metadata"]["uid"]] = obj
        self._heard(part)
        if event["type"] != "BOOKMARK":
            self._changed.set()
        return str(obj["metadata"]["resourceVersion"])

    def _heard(self, part: _Part) -> None:
        part.silent_since = None
        if part.trouble:
            part.trouble = ""
            self._changed.set()

    def _unheard(self, part: _Part, error: ClusterError) -> None:
        """Raises the error when it has lasted for too long."""
        now = asyncio.get_running_loop().time()
        part.silent_since = now if part.silent_since is None else part.silent_since
        if now - part.silent_since > SILENCE_SECONDS:
            raise error
        part.trouble = error.message
        self._changed.set()


@asynccontextmanager
async def following(cluster: Watching, namespace: str, name: str | None) -> AsyncIterator[Picture]:
    """A picture that is kept up to date inside."""
    picture = Picture(cluster, namespace, name)
    picture.start()
    try:
        yield picture
    finally:
        await picture.stop()
