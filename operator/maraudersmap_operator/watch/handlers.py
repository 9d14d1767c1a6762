"""The handlers, and the settings of kopf that matter.

Only `on.event`: no change-tracking annotations, no finalizers, no indices, no timers, and nothing is ever returned, since
kopf would write it to the status.
"""

from __future__ import annotations

from typing import Any

import kopf
from kubernetes.aio.client import ApiClient

from maraudersmap_operator.cluster import Key, Kind, Manifest, Store, in_cluster
from maraudersmap_operator.cluster.kinds import MARAUDERSMAP, OBSERVED
from maraudersmap_operator.cluster.session import SERVICE_ACCOUNT_DIR
from maraudersmap_operator.reconcile import WorkQueue
from maraudersmap_operator.resource.names import LABEL_MANAGED_BY, MANAGER

WATCH_CHUNK = 50
IDLE_SECONDS = 0.1
SELECTOR = f"{LABEL_MANAGED_BY}={MANAGER}"


def build_registry(store: Store, queue: WorkQueue, api: ApiClient) -> kopf.OperatorRegistry:
    """Handlers for the resource and for every kind of child, and the login."""
    registry = kopf.OperatorRegistry()
    for kind in (MARAUDERSMAP, *OBSERVED):
        _watch(registry, kind, store, queue)

    @kopf.on.login(registry=registry)
    def login(**_: Any) -> kopf.ConnectionInfo:
        return connection(api)

    return registry


def _watch(registry: kopf.OperatorRegistry, kind: Kind, store: Store, queue: WorkQueue) -> None:
    @kopf.on.event(kind.group, kind.version, kind.plural, registry=registry, id=f"observe-{kind.plural}")
    async def observe(event: Any, **_: Any) -> None:
        take(store, queue, kind, str(event["type"]), dict(event["object"]))


def take(store: Store, queue: WorkQueue, kind: Kind, what: str, obj: Manifest) -> None:
    """One event of a watch: into the store, and the resources that it concerns into the queue.

    `what`: ADDED, MODIFIED, DELETED, or None of them for what a first list has.
    """
    obj.setdefault("apiVersion", kind.api_version)
    obj.setdefault("kind", kind.kind)
    concerned = keys(store, kind, obj)  # before a removal cuts the chain of its controllers
    if what == "DELETED":
        store.vanish(kind, obj)
    elif not store.put(kind, obj):
        return  # our own write, seen already
    for key in concerned | keys(store, kind, obj):
        queue.add(key)


def keys(store: Store, kind: Kind, obj: Manifest) -> set[Key]:
    """The resources that an object belongs to, or is."""
    if kind is MARAUDERSMAP:
        return {Key(obj["metadata"]["namespace"], obj["metadata"]["name"])}
    return store.keys_of(obj)


def build_settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False  # Events are posted by us, on transitions only
    settings.peering.standalone = True  # leader election comes before kopf
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.watching.connect_timeout = 10
    # A first LIST comes in pieces, as the audit's does: 15 kinds are listed at the same time.
    settings.watching.chunk_size = WATCH_CHUNK
    # A task and a queue per object live this long after its last event: after a LIST that is the whole fleet.
    settings.queueing.idle_timeout = IDLE_SECONDS
    settings.scanning.disabled = True  # the kinds are known; no rights on CRDs or namespaces are needed
    for kind in OBSERVED:
        # The tuple form: one string "deployments.apps" silently matches nothing.
        settings.watching.label_selectors[kind.group, kind.version, kind.plural] = SELECTOR
    return settings


def connection(api: ApiClient) -> kopf.ConnectionInfo:
    """kopf's login with the same credentials as our own client's."""
    configuration = api.configuration
    if in_cluster():
        # Read from the file each time: the token is rotated every hour.
        token: str | None = (SERVICE_ACCOUNT_DIR / "token").read_text().strip()
    else:
        header = configuration.api_key.get("BearerToken") or configuration.api_key.get("authorization")
        token = header.removeprefix("Bearer ") if header else None
    return kopf.ConnectionInfo(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert,
        insecure=not configuration.verify_ssl,
        token=token,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
    )
