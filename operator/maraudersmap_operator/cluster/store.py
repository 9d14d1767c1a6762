"""The slim observed state: what the watches have shown, corrected by audits.

Keyed by UID, because a name says nothing about identity: a deleted and recreated object is another one. An object never
goes back to an older version: our own writes are put here as well, so a pass never acts on a state from before its own
last write. (resourceVersions are compared as numbers, which Kubernetes guarantees for objects of one kind since 1.35 and
has always been true of etcd.)
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from .client import Listing, Manifest
from .kinds import MARAUDERSMAP, Kind

LABEL_INSTANCE = "app.kubernetes.io/instance"
# Deleted UIDs remembered; a late event comes within seconds.
MAX_GONE = 10_000
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


class Key(NamedTuple):
    """Names one MaraudersMap."""

    namespace: str
    name: str


class Store:
    def __init__(self) -> None:
        self._objects: dict[str, Manifest] = {}
        self._kind: dict[str, Kind] = {}
        self._by_owner: defaultdict[Key, dict[str, None]] = defaultdict(dict)
        self._resources: dict[Key, str] = {}
        self._gone: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._objects)

    def put(self, kind: Kind, obj: Manifest) -> bool:
        """Remember the object as it is now; False when something as new is known already."""
        meta = obj["metadata"]
        uid: str = meta["uid"]
        if uid in self._gone:
            return False  # an event from before its deletion
        known = self._objects.get(uid)
        if known is not None and version(known) >= version(obj):
            return False
        self._objects[uid] = _slim(kind, obj)
        self._kind[uid] = kind
        if kind is MARAUDERSMAP:
            self._resources[Key(meta["namespace"], meta["name"])] = uid
        elif (owner := owner_key(obj)) is not None:
            self._by_owner[owner][uid] = None
        return True

    def remove(self, obj_uid: str) -> None:
        """Forget an object that was deleted, by us or by others; late events do not bring it back."""
        self._gone[obj_uid] = None
        if len(self._gone) > MAX_GONE:
            self._gone.popitem(last=False)
        obj = self._objects.pop(obj_uid, None)
        kind = self._kind.pop(obj_uid, None)
        if obj is None:
            return
        meta = obj["metadata"]
        if kind is MARAUDERSMAP:
            key = Key(meta["namespace"], meta["name"])
            if self._resources.get(key) == obj_uid:
                del self._resources[key]
        elif (owner := owner_key(obj)) is not None:
            self._by_owner[owner].pop(obj_uid, None)
            if not self._by_owner[owner]:
                del self._by_owner[owner]

    def resource(self, key: Key) -> Manifest | None:
        uid = self._resources.get(key)
        return self._objects.get(uid) if uid else None

    def resources(self) -> list[Key]:
        return list(self._resources)

    def children(self, key: Key, kind: Kind) -> list[Manifest]:
        """Objects of that kind labelled with the resource's name, by name."""
        uids = self._by_owner.get(key, {})
        found = [self._objects[u] for u in uids if self._kind[u] is kind]
        return sorted(found, key=lambda o: str(o["metadata"]["name"]))

    def find(self, key: Key, kind: Kind, name: str) -> Manifest | None:
        return next((o for o in self.children(key, kind) if o["metadata"]["name"] == name), None)

    def objects(self, kind: Kind, namespace: str | None = None) -> list[Manifest]:
        """All objects of a kind, of one namespace or of all."""
        return [
            o
            for uid, o in self._objects.items()
            if self._kind[uid] is kind and namespace in (None, o["metadata"]["namespace"])
        ]

    def audit(self, kind: Kind, listing: Listing, namespace: str | None = None) -> set[str]:
        """Make the store agree with a fresh LIST; the UIDs that it had wrong, added or dropped unheard."""
        wrong: set[str] = set()
        seen = set()
        for obj in listing.items:
            seen.add(obj["metadata"]["uid"])
            if self.put(kind, obj):
                wrong.add(obj["metadata"]["uid"])
        for uid in {o["metadata"]["uid"] for o in self.objects(kind, namespace)} - seen:
            # Newer than the LIST: created while it ran.
            if version(self._objects[uid]) <= listing.resource_version:
                wrong.add(uid)
                self.remove(uid)
        return wrong


def version(obj: Manifest) -> int:
    return int(obj["metadata"].get("resourceVersion") or 0)


def owner_key(obj: Manifest) -> Key | None:
    """The MaraudersMap a child belongs to, by its labels."""
    meta = obj["metadata"]
    instance = (meta.get("labels") or {}).get(LABEL_INSTANCE)
    return Key(meta["namespace"], instance) if instance else None


def _slim(kind: Kind, obj: Manifest) -> Manifest:
    """Without what nobody here reads: managedFields, and most of a pod's spec."""
    meta = {k: v for k, v in obj["metadata"].items() if k != "managedFields"}
    if LAST_APPLIED in (meta.get("annotations") or {}):
        meta["annotations"] = {k: v for k, v in meta["annotations"].items() if k != LAST_APPLIED}
    slim = {**obj, "metadata": meta}
    if kind.kind == "Pod":
        spec = obj.get("spec", {})
        # Slimmed before: an object put back keeps what was read then.
        names = spec["secretNames"] if "secretNames" in spec else sorted(set(_secret_names(spec)))
        slim["spec"] = {"nodeName": spec.get("nodeName"), "secretNames": names}
    return slim


def _secret_names(pod_spec: Manifest) -> Iterator[str]:
    """The Secrets that feed a pod's environment."""
    for container in pod_spec.get("containers") or ():
        for variable in container.get("env") or ():
            if ref := (variable.get("valueFrom") or {}).get("secretKeyRef"):
                yield ref["name"]
        for source in container.get("envFrom") or ():
            if ref := source.get("secretRef"):
                yield ref["name"]
