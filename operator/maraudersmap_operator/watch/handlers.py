"""The handlers, and the settings of kopf that matter.

Only `on.event`: no change-tracking annotations, no finalizers, no indices, no timers, and nothing is ever returned, since
kopf would write it to the status.
"""

from __future__ import annotations

from typing import Any

import kopf
from kubernetes.aio.client import ApiClient

from maraudersmap_operator.cluster import Key, Kind, Store, in_cluster, owner_key
from maraudersmap_operator.cluster.kinds import MARAUDERSMAP, OBSERVED
from maraudersmap_operator.cluster.session import SERVICE_ACCOUNT_DIR
from maraudersmap_operator.reconcile import WorkQueue
from maraudersmap_operator.resource.names import LABEL_MANAGED_BY, MANAGER

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
        obj = dict(event["object"])
        obj.setdefault("apiVersion", kind.api_version)
        obj.setdefault("kind", kind.kind)
        meta = obj["metadata"]
        if event["type"] == "DELETED":
            store.remove(meta["uid"])
        elif not store.put(kind, obj):
            return  # our own write, seen already
        key = Key(meta["namespace"], meta["name"]) if kind is MARAUDERSMAP else owner_key(obj)
        if key is not None:
            queue.add(key)


def build_settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False  # Events are posted by us, on transitions only
    settings.peering.standalone = True  # leader election comes before kopf
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.watching.connect_timeout = 10
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
