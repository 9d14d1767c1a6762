"""The operator's port on the server in this process, with the faults that a network has."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any

from maraudersmap_operator.cluster.client import (
    LIST_CHUNK,
    LOG_BYTES,
    Listing,
    Operations,
    status_replacement,
    version_of,
)
from maraudersmap_operator.cluster.errors import (
    ClusterError,
    Conflict,
    NotFound,
    NotLeading,
    Refused,
    Unavailable,
)
from maraudersmap_operator.cluster.kinds import (
    HTTP_ROUTE,
    MARAUDERSMAP,
    MONITORING,
    POD,
    POD_MONITOR,
    Kind,
    kind_of,
)
from maraudersmap_operator.resource.names import MANAGER

from .authorization import Rights
from .faults import READS, Call, Effect, Faults
from .patches import copied
from .problems import Problem
from .selectors import by_fields, by_labels, labels_of
from .server import ApiServer

Manifest = dict[str, Any]

_BY_STATUS: dict[int, type[ClusterError]] = {
    400: Refused,
    403: Refused,
    404: NotFound,
    409: Conflict,
    422: Refused,
}
_METHODS = {
    "create": "POST",
    "replace": "PUT",
    "delete": "DELETE",
    "get": "GET",
    "version": "GET",
    "list": "GET",
    "logs": "GET",
    "schema": "GET",
    "served": "GET",
}

SENT_AT: ContextVar[datetime | None] = ContextVar("SENT_AT", default=None)
"""When the request that the server is at was sent: a slow one arrives later, and no one can call it back."""


class FakeCluster:
    """`Cluster`. `calls` counts (verb, kind) of what reached the server; `sleep` lets time pass during a slow answer; without
    `rights` everything is allowed."""

    def __init__(
        self,
        server: ApiServer,
        faults: Faults | None = None,
        *,
        manager: str = MANAGER,
        may_write: Callable[[], bool] = lambda: True,
        sleep: Callable[[float], Awaitable[None]] | None = None,
        chunk: int = LIST_CHUNK,
        rights: Rights | None = None,
    ) -> None:
        self.server = server
        self.faults = faults or Faults()
        self.manager = manager
        self.calls: Counter[tuple[str, str]] = Counter()
        self.logs_of: Callable[[str, str, str, bool], str] = lambda ns, pod, container, previous: ""
        self._may_write = may_write
        self._sleep = sleep or self._pass_time
        self._chunk = chunk
        self._rights = rights

    @property
    def writes(self) -> int:
        return sum(n for (verb, _), n in self.calls.items() if verb not in READS)

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        try:
            async with self._call(Call("get", kind, namespace or "", name)):
                return self.server.get(kind, namespace, name)
        except NotFound:
            return None

    async def version(self, kind: Kind, namespace: str, name: str) -> str:
        try:
            async with self._call(Call("version", kind, namespace, name)):
                return version_of(self.server.get(kind, namespace, name))
        except NotFound:
            return ""

    async def pages(
        self, kind: Kind, namespace: str | None, selector: str = "", fields: str = ""
    ) -> AsyncIterator[Listing]:
        labelled, fielded = by_labels(selector), by_fields(fields)
        async with self._call(Call("list", kind, namespace or "", "")):
            if kind is HTTP_ROUTE and kind not in self.server.served:
                raise Problem(404, "the server could not find the requested resource")
            # Every page shows the objects as they were when the first was asked for.
            version = self.server.storage.version
            found = [
                s
                for s in self.server.storage.all(kind, namespace)
                if labelled(labels_of(s.body)) and fielded(s.body)
            ]
        for start in range(0, max(len(found), 1), self._chunk):
            if start:
                async with self._call(Call("list", kind, namespace or "", "")):
                    pass
            yield Listing(tuple(s.read() for s in found[start : start + self._chunk]), version)

    async def list(self, kind: Kind, namespace: str | None, selector: str = "", fields: str = "") -> Listing:
        items: list[Manifest] = []
        version = 0
        async for page in self.pages(kind, namespace, selector, fields):
            items += page.items
            version = page.resource_version
        return Listing(tuple(items), version)

    async def schema(self, kind: Kind) -> Manifest:
        async with self._call(Call("schema", kind, "", "")):
            found: Manifest = copied(self.server.schema)
            return found

    async def served(self, group: str, version: str) -> frozenset[str]:
        async with self._call(Call("served", POD_MONITOR, "", "")):
            return frozenset(k.kind for k in self.server.served if (k.group, k.version) == (group, version))

    async def create(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        kind, meta = kind_of(manifest), manifest["metadata"]
        async with self._call(
            Call("create", kind, meta["namespace"], meta.get("name", ""), dry_run), manifest
        ):
            return self.server.create(
                kind, manifest, manager=self.manager, dry_run=dry_run, written=json.dumps
            )

    async def apply(self, manifest: Manifest) -> Manifest:
        kind, meta = kind_of(manifest), manifest["metadata"]
        async with self._call(Call("apply", kind, meta["namespace"], meta["name"]), manifest):
            return self.server.apply(kind, manifest, manager=self.manager)

    async def replace(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        kind, meta = kind_of(manifest), manifest["metadata"]
        async with self._call(Call("replace", kind, meta["namespace"], meta["name"], dry_run), manifest):
            return self.server.update(
                kind, manifest, manager=self.manager, dry_run=dry_run, written=json.dumps
            )

    async def patch(self, kind: Kind, namespace: str, name: str, operations: Operations) -> Manifest:
        async with self._call(Call("patch", kind, namespace, name)):
            return self.server.patch(kind, namespace, name, operations, manager=self.manager)

    async def scale(
        self, kind: Kind, namespace: str, name: str, replicas: int, *, uid: str, version: str
    ) -> None:
        async with self._call(Call("scale", kind, namespace, name)):
            self.server.scale(kind, namespace, name, replicas, manager=self.manager, uid=uid, version=version)

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Manifest) -> Manifest:
        async with self._call(Call("merge", kind, namespace, name)):
            return self.server.merge(kind, namespace, name, patch, manager=self.manager)

    async def apply_status(
        self, namespace: str, name: str, uid: str, status: Manifest, *, version: str
    ) -> Manifest:
        async with self._call(Call("apply_status", MARAUDERSMAP, namespace, name)):
            return self.server.apply_status(namespace, name, status, manager=self.manager, version=version)

    async def replace_status(self, namespace: str, name: str, status: Manifest, *, version: str) -> Manifest:
        async with self._call(Call("replace_status", MARAUDERSMAP, namespace, name)):
            operations = status_replacement(status, version)
            return self.server.patch(
                MARAUDERSMAP, namespace, name, operations, manager=self.manager, subresource="status"
            )

    async def delete(
        self, kind: Kind, namespace: str, name: str, uid: str, *, version: str | None = None
    ) -> None:
        try:
            async with self._call(Call("delete", kind, namespace, name)):
                self.server.delete(
                    kind, namespace, name, uid=uid, version=version or "", manager=self.manager
                )
        except NotFound:
            return

    async def logs(
        self,
        namespace: str,
        pod: str,
        container: str,
        lines: int,
        previous: bool,
        *,
        since: int | None = None,
        limit: int = LOG_BYTES,
    ) -> str:
        async with self._call(Call("logs", POD, namespace, pod)):
            self.server.get(POD, namespace, pod)
            text = self.logs_of(namespace, pod, container, previous)
        return "\n".join(text.splitlines()[-lines:])[:limit]

    async def _pass_time(self, seconds: float) -> None:
        self.server.clock.advance(seconds)

    @asynccontextmanager
    async def _call(self, call: Call, body: Manifest | None = None) -> AsyncIterator[None]:
        what = (
            f"{_METHODS.get(call.verb, 'PATCH')} {call.kind.path(call.namespace or None, call.name or None)}"
        )
        if call.writes and not self._may_write():
            raise NotLeading(f"{what}: not sent, the lease has run out")
        SENT_AT.set(self.server.clock.now)
        fault = self.faults.strike(call)
        if fault is not None and fault.effect is Effect.STATUS:
            kind = _BY_STATUS.get(fault.status, Unavailable)
            raise kind(f"{what}: {fault.sentence(call)}", fault.status)
        if fault is not None and fault.effect is Effect.TIMEOUT:
            await self._sleep(fault.seconds)
            raise Unavailable(f"{what}: TimeoutError")
        if fault is not None and fault.effect is Effect.SLOW:
            await self._sleep(fault.seconds)
        self.calls[call.verb, call.kind.kind] += 1
        try:
            if call.verb != "served" and call.kind in MONITORING and call.kind not in self.server.served:
                raise Problem(404, "the server could not find the requested resource")
            if self._rights is not None:
                stored = self.server.storage.get(call.kind, call.namespace, call.name)
                self._rights.check(call, body, exists=stored is not None)
            yield
        except Problem as problem:
            kind = _BY_STATUS.get(problem.status, Unavailable)
            raise kind(f"{what}: {problem.message}", problem.status) from problem
        if fault is not None and fault.effect is Effect.LOST:
            await self._sleep(fault.seconds)
            raise Unavailable(f"{what}: ServerDisconnectedError Server disconnected")
