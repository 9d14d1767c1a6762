"""The port to Kubernetes: the few verbs the operator uses, on plain manifests.

A test puts a fake behind `Cluster`; the one real implementation is `KubernetesCluster`. Every call raises ClusterError
(errors.py) and nothing else of the client library.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from kubernetes.aio.client import ApiClient
from kubernetes.aio.dynamic import DynamicClient

from maraudersmap_operator.resource.names import MANAGER

from .errors import NotFound, NotLeading, translated
from .kinds import MARAUDERSMAP, POD, Kind, kind_of

Manifest = dict[str, Any]
Query = list[tuple[str, str]]
Operations = list[dict[str, Any]]
"""A JSON patch: `op`, `path` and, but for removals, `value`."""
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
REQUEST_TIMEOUT_SECONDS = 30
LIST_CHUNK = 100
# The second is for a server that does not have the first.
METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
LOG_BYTES = 65536

RequestObserver = Callable[[str, int], None]
"""Called after each request with its HTTP method and status (0: no answer)."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Every object there was at `resource_version`."""

    items: tuple[Manifest, ...]
    resource_version: int


def version_of(obj: Manifest | None) -> str:
    """Another one after each change of the object, and after each deletion; empty when there is none."""
    return f"{obj['metadata']['uid']} {obj['metadata']['resourceVersion']}" if obj is not None else ""


class Cluster(Protocol):
    """What the operator asks of an API server. Writes that could undo someone's newer one are fenced: they carry the UID and
    the resourceVersion that they are based on, and raise Conflict when the object has moved on. Every write raises NotLeading
    when this process may no longer act.
    """

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        """The object, or None when it does not exist. `namespace` None: the kind has none."""

    async def version(self, kind: Kind, namespace: str, name: str) -> str:
        """UID and version of the object, as `version_of` has them; empty when it does not exist. Nothing else of it is asked
        for: the values of a Secret stay where they are."""

    def pages(
        self, kind: Kind, namespace: str | None, selector: str = "", fields: str = ""
    ) -> AsyncIterator[Listing]:
        """All objects of a kind that the label and field selectors match, LIST_CHUNK at a time, so that a caller need not
        hold them all. Every page has the version of the whole list."""

    async def list(self, kind: Kind, namespace: str | None, selector: str = "", fields: str = "") -> Listing:
        """The same in one piece, for what is known to be small."""

    async def schema(self, kind: Kind) -> Manifest:
        """What the API server declares of a kind, as OpenAPI 3.0 has it. Raises NotFound when it publishes nothing of it."""

    async def served(self, group: str, version: str) -> frozenset[str]:
        """The kinds that the API server has in that group and version; none where it does not know the group."""

    async def create(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Create. Raises Conflict when it exists. `dry_run`: nothing is kept, everything else is as it would be."""

    async def apply(self, manifest: Manifest) -> Manifest:
        """Server-side apply with our field manager, by force; creates what is absent.

        For ControllerRevisions only: the API server compares their `data` byte by byte, and only what it has written itself,
        in its own order and spelling, survives a later patch of the metadata.
        """

    async def replace(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """PUT the whole object, which carries the UID and the resourceVersion that it was read with.

        Raises NotFound and Conflict. What equals the stored object changes nothing, not even the version.
        """

    async def patch(self, kind: Kind, namespace: str, name: str, operations: Operations) -> Manifest:
        """JSON patch (RFC 6902). Replacing /metadata/resourceVersion makes a stale one a Conflict."""

    async def scale(
        self, kind: Kind, namespace: str, name: str, replicas: int, *, uid: str, version: str
    ) -> None:
        """Write `replicas` through the /scale subresource, the only way this operator ever does."""

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Manifest) -> Manifest:
        """JSON merge patch, for what needs no fence: annotations, Events, missing keys of our own Secret."""

    async def apply_status(
        self, namespace: str, name: str, uid: str, status: Manifest, *, version: str
    ) -> Manifest:
        """Replace our part of a MaraudersMap's status. Raises Conflict when UID or version are not the stored ones.

        What another field manager has written as well stays in it, although it is not given any more."""

    async def replace_status(self, namespace: str, name: str, status: Manifest, *, version: str) -> Manifest:
        """Replace all of a MaraudersMap's status, other managers' parts included. Raises Conflict when the version is not the
        stored one; no other object has had it."""

    async def delete(
        self, kind: Kind, namespace: str, name: str, uid: str, *, version: str | None = None
    ) -> None:
        """Delete this very object, its dependants in the background; an absent one is fine. Raises Conflict for another UID
        and, when `version` is given, for another version."""

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
        """The last lines of a container; of its run before the present one when `previous`. `since`: none older than so many
        seconds. `limit`: bytes, the first of those lines."""


class KubernetesCluster:
    """The real one, over kubernetes.aio. Paths come from kinds.py, so there is no discovery to wait for."""

    field_manager = MANAGER

    def __init__(
        self,
        api: ApiClient,
        observe: RequestObserver = lambda method, status: None,
        may_write: Callable[[], bool] = lambda: True,
    ) -> None:
        """`may_write` is asked just before each write is sent: False for a leader whose lease has run out."""
        self._client = DynamicClient(api)  # type: ignore[no-untyped-call]
        self._observe = observe
        self._may_write = may_write

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        try:
            return await self._request("GET", kind.path(namespace, name))
        except NotFound:
            return None

    async def version(self, kind: Kind, namespace: str, name: str) -> str:
        try:
            header = {"Accept": METADATA_ONLY}
            return version_of(await self._request("GET", kind.path(namespace, name), header_params=header))
        except NotFound:
            return ""

    async def pages(
        self, kind: Kind, namespace: str | None, selector: str = "", fields: str = ""
    ) -> AsyncIterator[Listing]:
        token: str | None = None
        while True:
            page = await self._request(
                "GET",
                kind.path(namespace),
                limit=LIST_CHUNK,
                label_selector=selector or None,
                field_selector=fields or None,
                _continue=token,
            )
            # Items of a list carry neither; the rest of the operator expects what a single object has.
            items = tuple({"apiVersion": kind.api_version, "kind": kind.kind, **i} for i in page["items"])
            token = page["metadata"].get("continue") or None
            yield Listing(items, int(page["metadata"]["resourceVersion"]))
            if token is None:
                return

    async def list(self, kind: Kind, namespace: str | None, selector: str = "", fields: str = "") -> Listing:
        items: list[Manifest] = []
        version = 0
        async for page in self.pages(kind, namespace, selector, fields):
            items += page.items
            version = page.resource_version
        return Listing(tuple(items), version)

    async def schema(self, kind: Kind) -> Manifest:
        document = await self._request("GET", kind.schema_path)
        wanted = {"group": kind.group, "version": kind.version, "kind": kind.kind}
        for schema in document["components"]["schemas"].values():
            if wanted in schema.get("x-kubernetes-group-version-kind", ()):
                found: Manifest = schema
                return found
        raise NotFound(f"GET {kind.schema_path}: has no {kind.kind}", 404)

    async def served(self, group: str, version: str) -> frozenset[str]:
        try:
            found = await self._request("GET", f"/apis/{group}/{version}")
        except NotFound:
            return frozenset()
        return frozenset(r["kind"] for r in found["resources"] if "/" not in r["name"])

    async def create(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        path = kind_of(manifest).path(manifest["metadata"]["namespace"])
        return await self._write("POST", path, manifest, query=_dry(dry_run))

    async def apply(self, manifest: Manifest) -> Manifest:
        meta = manifest["metadata"]
        return await self._apply(kind_of(manifest).path(meta["namespace"], meta["name"]), manifest)

    async def replace(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        meta = manifest["metadata"]
        path = kind_of(manifest).path(meta["namespace"], meta["name"])
        return await self._write("PUT", path, manifest, query=_dry(dry_run))

    async def patch(self, kind: Kind, namespace: str, name: str, operations: Operations) -> Manifest:
        path = kind.path(namespace, name)
        return await self._write("PATCH", path, operations, content_type=JSON_PATCH)

    async def scale(
        self, kind: Kind, namespace: str, name: str, replicas: int, *, uid: str, version: str
    ) -> None:
        body = {"metadata": {"uid": uid, "resourceVersion": version}, "spec": {"replicas": replicas}}
        await self._write("PATCH", kind.path(namespace, name, "scale"), body, content_type=MERGE_PATCH)

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Manifest) -> Manifest:
        return await self._write("PATCH", kind.path(namespace, name), patch, content_type=MERGE_PATCH)

    async def apply_status(
        self, namespace: str, name: str, uid: str, status: Manifest, *, version: str
    ) -> Manifest:
        body = {
            "apiVersion": MARAUDERSMAP.api_version,
            "kind": MARAUDERSMAP.kind,
            "metadata": {"name": name, "namespace": namespace, "uid": uid, "resourceVersion": version},
            "status": status,
        }
        return await self._apply(MARAUDERSMAP.path(namespace, name, "status"), body)

    async def replace_status(self, namespace: str, name: str, status: Manifest, *, version: str) -> Manifest:
        path = MARAUDERSMAP.path(namespace, name, "status")
        body = status_replacement(status, version)
        return await self._write("PATCH", path, body, content_type=JSON_PATCH)

    async def delete(
        self, kind: Kind, namespace: str, name: str, uid: str, *, version: str | None = None
    ) -> None:
        preconditions = {"uid": uid} | ({"resourceVersion": version} if version else {})
        body = {"propagationPolicy": "Background", "preconditions": preconditions}
        try:
            await self._request("DELETE", kind.path(namespace, name), body=body)
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
        query: Query = [("container", container), ("tailLines", str(lines)), ("limitBytes", str(limit))]
        if since is not None:
            query.append(("sinceSeconds", str(since)))
        if previous:
            query.append(("previous", "true"))
        path = POD.path(namespace, pod, "log")
        response = await self._send("GET", path, query)
        with translated(f"GET {path}"):
            return str(await response.text(errors="replace"))

    async def _apply(self, path: str, manifest: Manifest) -> Manifest:
        content_type = "application/apply-patch+yaml"
        return await self._write("PATCH", path, manifest, content_type=content_type, force_conflicts=True)

    async def _write(self, method: str, path: str, body: Any, **parameters: Any) -> Manifest:
        return await self._request(method, path, body=body, field_manager=self.field_manager, **parameters)

    async def _request(
        self, method: str, path: str, query: Query | None = None, **parameters: Any
    ) -> Manifest:
        if method != "GET" and not self._may_write():
            raise NotLeading(f"{method} {path}: not sent, the lease has run out")
        response = await self._send(method, path, query or [], **parameters)
        with translated(f"{method} {path}"):
            answer: Manifest = await response.json()
        return answer

    async def _send(self, method: str, path: str, query: Query, **parameters: Any) -> Any:
        status = 0
        try:
            with translated(f"{method} {path}"):
                response = await self._client.request(
                    method.lower(),
                    path,
                    serialize=False,
                    # The library appends to its default list: without a fresh one, calls share their parameters.
                    query_params=query,
                    _request_timeout=REQUEST_TIMEOUT_SECONDS,
                    **{"header_params": {}, **parameters},
                )
                status = response.status
                return response
        except Exception as error:
            status = getattr(error, "status", 0)
            raise
        finally:
            self._observe(method, status)


def status_replacement(status: Manifest, version: str) -> Operations:
    """A JSON patch. The version is set instead of tested: a mismatch is a Conflict then, as for any update."""
    return [
        {"op": "add", "path": "/metadata/resourceVersion", "value": version},
        {"op": "add", "path": "/status", "value": status},
    ]


def _dry(dry_run: bool) -> Query:
    return [("dryRun", "All")] if dry_run else []
