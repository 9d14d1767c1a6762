"""What the store keeps of an object, and how: no more than somebody here reads. A fleet is thousands of these."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator

from maraudersmap_operator.resource.names import ANNOTATION_SECRETS, LAST_APPLIED, MANAGER

from .client import Manifest
from .kinds import CONFIG_MAP, JOB, MARAUDERSMAP, POD, REPLICA_SET, Kind

POD_STATUS = ("phase", "reason", "podIP", "conditions", "containerStatuses", "initContainerStatuses")
CONTAINER_STATUS = ("name", "ready", "restartCount", "state", "lastState")
INIT_STATUS = (*CONTAINER_STATUS, "started")


def slim(kind: Kind, obj: Manifest) -> Manifest:
    """A copy without what is never read. An object that was slimmed before comes out the same."""
    meta = {k: v for k, v in obj["metadata"].items() if k != "managedFields"}
    annotations = {k: v for k, v in (meta.pop("annotations", None) or {}).items() if k != LAST_APPLIED}
    if kind is POD:
        annotations = {k: v for k, v in annotations.items() if k == ANNOTATION_SECRETS}
    if annotations:
        meta["annotations"] = annotations
    if kind is MARAUDERSMAP:
        meta["managedFields"] = list(_owners(obj["metadata"].get("managedFields") or ()))
    kept = {**obj, "metadata": meta}
    if kind is POD:
        kept["spec"] = _pod_spec(obj.get("spec") or {})
        kept["status"] = _pod_status(obj.get("status") or {})
    elif kind is REPLICA_SET:
        kept.pop("spec", None)
        kept.pop("status", None)
    elif kind is JOB:
        kept.pop("spec", None)  # immutable; its outcome is all that counts
    elif kind is CONFIG_MAP:
        # Copies of users' data, immutable and named by their content.
        kept.pop("data", None)
        kept.pop("binaryData", None)
    return kept


def _owners(entries: Iterable[Manifest]) -> Iterator[Manifest]:
    """Who owns fields that this operator may not know, and when it wrote the status last."""
    for entry in entries:
        if not entry.get("subresource"):
            yield entry
        elif entry.get("manager") == MANAGER and entry.get("subresource") == "status":
            yield {k: entry[k] for k in ("manager", "operation", "subresource", "time") if k in entry}


def _pod_spec(spec: Manifest) -> Manifest:
    # Slimmed before: an object put back keeps what was read then.
    names = spec["secretNames"] if "secretNames" in spec else sorted(set(_secret_names(spec)))
    kept = {"nodeName": spec.get("nodeName"), "secretNames": names}
    helpers = [
        {"name": c["name"], "restartPolicy": "Always"}
        for c in spec.get("initContainers") or ()
        if c.get("restartPolicy") == "Always"  # a native sidecar, not a step of the start
    ]
    return kept | {"initContainers": helpers} if helpers else kept


def _pod_status(status: Manifest) -> Manifest:
    kept = {k: status[k] for k in POD_STATUS if k in status}
    for part, read in (("containerStatuses", CONTAINER_STATUS), ("initContainerStatuses", INIT_STATUS)):
        if part in kept:
            kept[part] = [{k: c[k] for k in read if k in c} for c in kept[part]]
    return kept


def _secret_names(pod_spec: Manifest) -> Iterator[str]:
    """The Secrets whose values a pod's containers can print: by environment or from a volume."""
    for container in (*(pod_spec.get("initContainers") or ()), *(pod_spec.get("containers") or ())):
        for variable in container.get("env") or ():
            if ref := (variable.get("valueFrom") or {}).get("secretKeyRef"):
                yield ref["name"]
        for source in container.get("envFrom") or ():
            if ref := source.get("secretRef"):
                yield ref["name"]
    for volume in pod_spec.get("volumes") or ():
        if secret := volume.get("secret"):
            yield secret["secretName"]
        for source in (volume.get("projected") or {}).get("sources") or ():
            if ref := source.get("secret"):
                yield ref["name"]


def packed(obj: Manifest) -> bytes:
    """JSON, compressed: a small part of the memory of the parsed object."""
    # The quickest level: Kubernetes objects repeat themselves, and a pass reads some twenty of them.
    return zlib.compress(json.dumps(obj, separators=(",", ":")).encode(), 1)


def unpacked(body: bytes) -> Manifest:
    """What was packed, as an object of the caller's own."""
    obj: Manifest = json.loads(zlib.decompress(body))
    return obj
