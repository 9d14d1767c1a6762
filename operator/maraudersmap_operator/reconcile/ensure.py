"""Make one object be as wanted, or leave it alone: the comparison that keeps a quiet pass free of writes.

An object is applied when it is absent, when what we want has changed (its digest is kept in an annotation) or when
somebody changed a field of ours (drift). Fields that others add are theirs: server-side apply never touches them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from maraudersmap_operator.children import Owner
from maraudersmap_operator.cluster import Cluster, Key, Manifest, Store, kind_of
from maraudersmap_operator.resource.names import KIND, LABEL_INSTANCE, LABEL_MANAGED_BY, MANAGER
from maraudersmap_operator.resource.quantity import amount

ANNOTATION_DIGEST = "hogwarts.edu/applied-digest"


class OwnedByAnother(Exception):
    """An object of our name belongs to somebody else; it is never taken over."""


class StillLeaving(Exception):
    """An object of our name belongs to an earlier resource of the same name, and is being deleted."""


class Ensurer:
    """Applies children of one resource. `drifted` is told the kind of each object put right."""

    def __init__(
        self, cluster: Cluster, store: Store, owner: Owner, drifted: Callable[[str], None] = lambda kind: None
    ) -> None:
        self._cluster = cluster
        self._store = store
        self._owner = owner
        self._key = Key(owner.namespace, owner.name)
        self._drifted = drifted
        self.wanted: set[tuple[str, str]] = set()  # (kind, name) of everything asked for in this pass

    async def ensure(self, manifest: Manifest) -> Manifest:
        """The object as it is afterwards. Raises OwnedByAnother, StillLeaving or a ClusterError."""
        kind, name = kind_of(manifest), manifest["metadata"]["name"]
        self.wanted.add((kind.kind, name))
        live = self._store.find(self._key, kind, name)
        if live is None:
            # Not ours by its labels, or too new for the watch.
            live = await self._cluster.get(kind, self._owner.namespace, name)
        digest = digest_of(manifest)
        if live is not None:
            check_owner(live, self._owner, kept="ownerReferences" not in manifest["metadata"])
            same = live["metadata"].get("annotations", {}).get(ANNOTATION_DIGEST) == digest
            if same and covers(live, manifest):
                return live
            if same:
                self._drifted(kind.kind)
        metadata = manifest["metadata"]
        annotations = {**metadata.get("annotations", {}), ANNOTATION_DIGEST: digest}
        applied = await self._cluster.apply(
            {**manifest, "metadata": {**metadata, "annotations": annotations}}
        )
        self._store.put(kind, applied)
        return applied


def digest_of(manifest: Manifest) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()[:16]


def check_owner(live: Manifest, owner: Owner, kept: bool) -> None:
    """Raise unless the object is ours to write. `kept`: one that outlives its resource and so has no controller."""
    meta = live["metadata"]
    controller = next((r for r in meta.get("ownerReferences") or () if r.get("controller")), None)
    what = f"{live['kind']} {meta['name']!r}"
    if controller is None:
        labels = meta.get("labels") or {}
        # One that outlives its resource, or an orphan (`kubectl delete --cascade=orphan`): both are still ours.
        if kept or (labels.get(LABEL_MANAGED_BY), labels.get(LABEL_INSTANCE)) == (MANAGER, owner.name):
            return
        raise OwnedByAnother(
            f"{what} exists already and is not this resource's: rename or delete one of the two"
        )
    if controller["uid"] == owner.uid:
        if "deletionTimestamp" in meta:
            raise StillLeaving(f"{what} is being deleted")
        return
    if controller["kind"] == KIND and controller["name"] == owner.name:
        raise StillLeaving(f"{what} belongs to an earlier resource of this name and is being deleted")
    raise OwnedByAnother(
        f"{what} is controlled by {controller['kind']} {controller['name']!r}: rename one of the two"
    )


def covers(live: Any, wanted: Any) -> bool:
    """True when every field wanted has that value in the live object, whatever else is there."""
    if live is None and wanted in ("", 0, False, [], {}):
        # The API server drops empty values.
        return True
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(
            covers(live.get(k), v) for k, v in wanted.items() if k != "stringData"
        )
    if isinstance(wanted, list):
        return (
            isinstance(live, list)
            and len(live) == len(wanted)
            and all(covers(a, b) for a, b in zip(live, wanted, strict=True))
        )
    return bool(live == wanted) or _same_quantity(live, wanted)


def _same_quantity(live: Any, wanted: Any) -> bool:
    """The API server rewrites quantities to its own form: 1024Mi becomes 1Gi."""
    if not isinstance(live, str) or not isinstance(wanted, str):
        return False
    try:
        return amount(live) == amount(wanted)
    except ValueError:
        return False
