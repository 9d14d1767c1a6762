"""The port to Kubernetes: the few verbs the operator uses, on plain manifests.

A test puts a fake behind `Cluster`; the one real implementation is `KubernetesCluster`. Every call raises ClusterError
(errors.py) and nothing else of the client library.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from kubernetes.aio.client import ApiClient
from kubernetes.aio.dynamic import DynamicClient

from .errors import NotFound, translated
from .kinds import MARAUDERSMAP, POD, Kind, kind_of

Manifest = dict[str, Any]
Query = list[tuple[str, str]]
FIELD_MANAGER = "maraudersmap-operator"
REQUEST_TIMEOUT_SECONDS = 30
LIST_CHUNK = 500

RequestObserver = Callable[[str, int], None]
"""Called after each request with its HTTP method and status (0: no answer)."""


@dataclass(frozen=True, slots=True)
class Listing:
    """Every object there was at `resource_version`."""

    items: tuple[Manifest, ...]
    resource_version: int


class Cluster(Protocol):
    async def get(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        """The object, or None when it does not exist. `namespace` None: the kind has none."""

    async def list(self, kind: Kind, namespace: str | None, selector: str = "", fields: str = "") -> Listing:
        """All objects of a kind that the label and field selectors match, read in chunks."""

    async def apply(self, manifest: Manifest) -> Manifest:
        """Server-side apply with our field manager and force; the object as it is afterwards."""

    async def create(self, manifest: Manifest) -> Manifest:
        """Create. Raises Conflict when it exists."""

    async def scale(self, kind: Kind, namespace: str, name: str, replicas: int) -> None:
        """Write `replicas` through the /scale subresource, the only way this operator ever does."""

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Manifest) -> Manifest:
        """JSON merge patch."""

    async def apply_status(self, namespace: str, name: str, uid: str, status: Manifest) -> Manifest:
        """Replace our part of a MaraudersMap's status. Raises Conflict when the UID is another one."""

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        """Delete this very object, its dependants in the background; an absent one is fine."""

    async def logs(self, namespace: str, pod: str, container: str, lines: int, previous: bool) -> str:
        """The last lines of a container; of its run before the present one when `previous`."""


class KubernetesCluster:
    """The real one, over kubernetes.aio. Paths come from kinds.py, so there is no discovery to wait for."""

    def __init__(self, api: ApiClient, observe: RequestObserver = lambda method, status: None) -> None:
        self._client = DynamicClient(api)  # type: ignore[no-untyped-call]
        self._observe = observe

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        try:
            return await self._request("GET", kind.path(namespace, name))
        except NotFound:
            return None

    async def list(self, kind: Kind, namespace: str | None, selector: str = "", fields: str = "") -> Listing:
        items: list[Manifest] = []
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
            items += [{"apiVersion": kind.api_version, "kind": kind.kind, **item} for item in page["items"]]
            token = page["metadata"].get("continue") or None
            if token is None:
                return Listing(tuple(items), int(page["metadata"]["resourceVersion"]))

    async def apply(self, manifest: Manifest) -> Manifest:
        meta = manifest["metadata"]
        return await self._apply(kind_of(manifest).path(meta["namespace"], meta["name"]), manifest)

    async def create(self, manifest: Manifest) -> Manifest:
        path = kind_of(manifest).path(manifest["metadata"]["namespace"])
        return await self._request("POST", path, body=manifest, field_manager=FIELD_MANAGER)

    async def scale(self, kind: Kind, namespace: str, name: str, replicas: int) -> None:
        path = kind.path(namespace, name, "scale")
        await self._request(
            "PATCH",
            path,
            body={"spec": {"replicas": replicas}},
            content_type="application/merge-patch+json",
            field_manager=FIELD_MANAGER,
        )

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Manifest) -> Manifest:
        return await self._request(
            "PATCH",
            kind.path(namespace, name),
            body=patch,
            content_type="application/merge-patch+json",
            field_manager=FIELD_MANAGER,
        )

    async def apply_status(self, namespace: str, name: str, uid: str, status: Manifest) -> Manifest:
        body = {
            "apiVersion": MARAUDERSMAP.api_version,
            "kind": MARAUDERSMAP.kind,
            "metadata": {"name": name, "namespace": namespace, "uid": uid},
            "status": status,
        }
        return await self._apply(MARAUDERSMAP.path(namespace, name, "status"), body)

    async def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        body = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        try:
            await self._request("DELETE", kind.path(namespace, name), body=body)
        except NotFound:
            return

    async def logs(self, namespace: str, pod: str, container: str, lines: int, previous: bool) -> str:
        query: Query = [("container", container), ("tailLines", str(lines)), ("limitBytes", "65536")]
        if previous:
            query.append(("previous", "true"))
        response = await self._send("GET", POD.path(namespace, pod, "log"), query)
        return str(await response.text(errors="replace"))

    async def _apply(self, path: str, manifest: Manifest) -> Manifest:
        return await self._request(
            "PATCH",
            path,
            body=manifest,
            content_type="application/apply-patch+yaml",
            field_manager=FIELD_MANAGER,
            force_conflicts=True,
        )

    async def _request(self, method: str, path: str, **parameters: Any) -> Manifest:
        response = await self._send(method, path, [], **parameters)
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
                    header_params={},
                    _request_timeout=REQUEST_TIMEOUT_SECONDS,
                    **parameters,
                )
                status = response.status
                return response
        except Exception as error:
            status = getattr(error, "status", 0)
            raise
        finally:
            self._observe(method, status)
