"""Which object one is, and whose: by UID and version, by its controller reference, and by our labels."""

from __future__ import annotations

from typing import NamedTuple

from maraudersmap_operator.resource.names import LABEL_INSTANCE, LABEL_MANAGED_BY, MANAGER

from .client import Manifest
from .kinds import DEPLOYMENT, JOB, REPLICA_SET, SERVICE, STATEFUL_SET, Kind

# What may stand between a resource and an object that belongs to it.
CONTROLLERS = {k.kind: k for k in (DEPLOYMENT, REPLICA_SET, STATEFUL_SET, JOB, SERVICE)}


class Key(NamedTuple):
    """Names one MaraudersMap."""

    namespace: str
    name: str


class Reference(NamedTuple):
    """An object that others name as their controller."""

    kind: Kind
    namespace: str
    name: str
    uid: str


def version(obj: Manifest) -> int:
    return int(obj["metadata"].get("resourceVersion") or 0)


def owner_key(obj: Manifest) -> Key | None:
    """The MaraudersMap that an object belongs to by its labels; None when they are not all there."""
    meta = obj["metadata"]
    labels = meta.get("labels") or {}
    instance = labels.get(LABEL_INSTANCE)
    if not instance or labels.get(LABEL_MANAGED_BY) != MANAGER:
        return None
    return Key(meta["namespace"], instance)


def controller_of(obj: Manifest) -> Manifest | None:
    """The controller reference of an object."""
    return next((r for r in obj["metadata"].get("ownerReferences") or () if r.get("controller")), None)
