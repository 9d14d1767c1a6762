"""The slim observed state: what the watches have shown, corrected by audits and by live reads.

Objects are known by UID, because a name is no identity, and belong to a resource by their chain of controller
references, because labels are anyone's to edit. An object never goes back to an older version: our own writes are put here as
well, so a pass never acts on a state from before its own last write. (resourceVersions are compared as numbers, which
Kubernetes guarantees for objects of one kind since 1.35 and has always been true of etcd.)

A watch with a selector reports DELETED as well for an object that only lost a label. So that report makes an object
*doubtful*: it counts as before until a live read (`confirm`, `remove`) has settled what became of it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeVar

from .client import Listing, Manifest
from .identity import CONTROLLERS, Key, Reference, controller_of, owner_key, version
from .kinds import MARAUDERSMAP, Kind
from .slim import packed, slim, unpacked

K = TypeVar("K")
Labels = Mapping[str, str]

# Removed UIDs remembered; a late event comes within seconds.
MAX_TOMBSTONES = 10_000


class _Entry(NamedTuple):
    kind: Kind
    namespace: str
    name: str
    version: int
    controller: str  # UID, empty for none
    key: Key | None  # by its labels
    body: bytes  # packed


class Store:
    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._by_controller: dict[str, dict[str, None]] = {}
        self._by_label: dict[Key, dict[str, None]] = {}
        self._resources: dict[Key, str] = {}
        self._doubtful: set[str] = set()
        self._leaving: set[str] = set()
        self._tombstones: OrderedDict[str, int] = OrderedDict()
        self._strangers: dict[Key, Mapping[str, Labels]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    # --- what is reported -------------------------------------------------------------------------------------------

    def put(self, kind: Kind, obj: Manifest) -> bool:
        """Remember the object as it is now; False when something as new is known already."""
        uid = str(obj["metadata"]["uid"])
        if version(obj) <= self._tombstones.get(uid, -1):
            return False  # from before its removal
        known = self._entries.get(uid)
        if known is not None and known.version >= version(obj):
            return False
        self._tombstones.pop(uid, None)
        self._doubtful.discard(uid)
        self._write(kind, obj)
        return True

    def confirm(self, kind: Kind, obj: Manifest) -> None:
        """A live read has returned the object: it is there, whatever a watch has reported."""
        uid = str(obj["metadata"]["uid"])
        known = self._entries.get(uid)
        self._tombstones.pop(uid, None)
        self._doubtful.discard(uid)
        if known is None or known.version <= version(obj):
            self._write(kind, obj)

    def vanish(self, kind: Kind, obj: Manifest) -> None:
        """A watch has reported the object DELETED: it is gone, or it has lost the label that the watch selects by."""
        uid = str(obj["metadata"]["uid"])
        known = self._entries.get(uid)
        if known is not None and known.version > version(obj):
            return  # someone has changed it since, so it is there
        if kind is MARAUDERSMAP or "deletionTimestamp" in obj["metadata"] or known is None:
            self._bury(uid, version(obj))
        else:
            self._doubtful.add(uid)

    def remove(self, uid: str) -> None:
        """A live read has shown that this object is gone; late events do not bring it back."""
        known = self._entries.get(uid)
        self._bury(uid, known.version if known else 0)

    def leave(self, uid: str) -> None:
        """The API server has accepted our deletion of the object: it counts as being deleted from now on. What no watch has
        shown is nothing to be mistaken about."""
        if uid in self._entries:
            self._leaving.add(uid)

    def audit(self, kind: Kind, listing: Listing, seen: set[str]) -> set[str]:
        """Take over one page of a fresh LIST; the UIDs that no watch had reported as they are. `seen` collects the UIDs."""
        wrong: set[str] = set()
        for obj in listing.items:
            uid = str(obj["metadata"]["uid"])
            seen.add(uid)
            if self.put(kind, obj):
                wrong.add(uid)
        return wrong

    def missing(self, kind: Kind, namespace: str | None, seen: set[str], listed_at: int) -> list[Manifest]:
        """After the last page: what the store has and the LIST of version `listed_at` had not."""
        return [
            self._read(uid)
            for uid, entry in self._entries.items()
            if entry.kind is kind and namespace in (None, entry.namespace) and uid not in seen
            # Newer than the LIST: created while it ran. Without our labels: no list with a selector shows it.
            and entry.version <= listed_at and uid not in self._doubtful and self._selected(entry)
        ]  # fmt: skip

    def ahead(self, kind: Kind, namespace: str | None, at: int) -> set[str]:
        """The UIDs of what is known as newer than version `at`."""
        return {
            uid
            for uid, entry in self._entries.items()
            if entry.kind is kind and namespace in (None, entry.namespace) and entry.version > at
        }

    def newest(self, kind: Kind, namespace: str | None) -> int:
        """The highest version that is known; 0 for none."""
        return max((self._entries[uid].version for uid in self.ahead(kind, namespace, 0)), default=0)

    def doubt(self, kind: Kind, uid: str) -> None:
        """A LIST does not have the object: it is gone, or it has lost its label unseen."""
        if kind is MARAUDERSMAP:
            self.remove(uid)
        else:
            self._doubtful.add(uid)

    # --- what is asked ----------------------------------------------------------------------------------------------

    def resource(self, key: Key) -> Manifest | None:
        uid = self._resources.get(key)
        return self._read(uid) if uid else None

    def resources(self) -> list[Key]:
        return list(self._resources)

    def children(self, key: Key, kind: Kind) -> list[Manifest]:
        """Objects of that kind that belong to the resource, by name: those that it controls, directly or through others, and
        orphans with our labels."""
        found = [(self._entries[uid].name, uid) for uid in self._tree(key) if self._entries[uid].kind is kind]
        return [self._read(uid) for _, uid in sorted(found)]

    def find(self, key: Key, kind: Kind, name: str) -> Manifest | None:
        for uid in self._tree(key):
            entry = self._entries[uid]
            if entry.kind is kind and entry.name == name:
                return self._read(uid)
        return None

    def versions(self, key: Key) -> list[tuple[str, int]]:
        """UID and version of the resource and of everything that belongs to it. Nothing is unpacked: a quiet fleet is asked
        for little else."""
        root = self._resources.get(key)
        uids = (*((root,) if root else ()), *self._tree(key))
        return sorted((uid, self._entries[uid].version) for uid in uids)

    def belongs(self, key: Key, uid: str) -> bool:
        """The resource itself, or an object that belongs to it."""
        return uid == self._resources.get(key) or uid in set(self._tree(key))

    def strangers(self, key: Key) -> Mapping[str, Labels]:
        """Pods that the resource's Services lead to although they do not belong to it, or not any more: their labels by
        name."""
        return self._strangers.get(key, {})

    def note_strangers(self, key: Key, found: Mapping[str, Labels]) -> None:
        """What live reads have shown of them, of a resource that is there."""
        self._strangers.pop(key, None)
        if key in self._resources and found:
            self._strangers[key] = dict(found)

    def doubtful(self, key: Key) -> list[Reference]:
        """Objects of the resource that only a live read can settle: reported deleted, or out of the watch's sight."""
        found = []
        for uid in self._tree(key):
            entry = self._entries[uid]
            if uid in self._doubtful or not self._selected(entry):
                found.append(Reference(entry.kind, entry.namespace, entry.name, uid))
        return found

    def unresolved(self, key: Key) -> list[Reference]:
        """Controllers that objects with the resource's labels name and that have not been seen yet."""
        found: dict[str, Reference] = {}
        for uid in self._by_label.get(key, ()):
            entry = self._entries[uid]
            if (
                not entry.controller
                or entry.controller in self._entries
                or entry.controller in self._tombstones
            ):
                continue
            reference = controller_of(unpacked(entry.body))
            kind = CONTROLLERS.get(str((reference or {}).get("kind")))
            if reference is not None and kind is not None:
                found[entry.controller] = Reference(
                    kind, entry.namespace, reference["name"], entry.controller
                )
        return list(found.values())

    def keys_of(self, obj: Manifest) -> set[Key]:
        """The resources that a change of the object may concern: by its labels, and by its controllers."""
        keys = set()
        if (labelled := owner_key(obj)) is not None:
            keys.add(labelled)
        reference = controller_of(obj)
        while reference is not None:
            uid = str(reference["uid"])
            entry = self._entries.get(uid)
            if reference["kind"] == MARAUDERSMAP.kind:
                keys.add(Key(str(obj["metadata"]["namespace"]), str(reference["name"])))
                break
            reference = controller_of(unpacked(entry.body)) if entry is not None else None
        return keys

    # --- how it is kept ---------------------------------------------------------------------------------------------

    def _tree(self, key: Key) -> Iterator[str]:
        """UIDs of what belongs to the resource."""
        root = self._resources.get(key, "")
        frontier = [root] if root else []
        while frontier:
            for uid in self._by_controller.get(frontier.pop(), ()):
                yield uid
                frontier.append(uid)
        orphans = [u for u in self._by_label.get(key, ()) if not self._entries[u].controller]
        while orphans:
            uid = orphans.pop()
            yield uid
            orphans.extend(self._by_controller.get(uid, ()))

    def _selected(self, entry: _Entry) -> bool:
        """A watch with our selector shows it."""
        return entry.key is not None or entry.kind is MARAUDERSMAP

    def _read(self, uid: str) -> Manifest:
        obj: Manifest = unpacked(self._entries[uid].body)
        if uid in self._leaving:
            obj["metadata"].setdefault("deletionTimestamp", obj["metadata"]["creationTimestamp"])
        return obj

    def _write(self, kind: Kind, obj: Manifest) -> None:
        meta = obj["metadata"]
        uid = str(meta["uid"])
        is_new = uid not in self._entries
        self._unlink(uid)
        controller = controller_of(obj)
        entry = _Entry(
            kind=kind,
            namespace=meta["namespace"],
            name=meta["name"],
            version=version(obj),
            controller=str(controller["uid"]) if controller else "",
            key=None if kind is MARAUDERSMAP else owner_key(obj),
            body=packed(slim(kind, obj)),
        )
        if is_new:
            self._bury_namesakes(entry)
        self._entries[uid] = entry
        if kind is MARAUDERSMAP:
            self._resources[Key(entry.namespace, entry.name)] = uid
        if entry.controller:
            self._by_controller.setdefault(entry.controller, {})[uid] = None
        if entry.key is not None:
            self._by_label.setdefault(entry.key, {})[uid] = None

    def _bury_namesakes(self, entry: _Entry) -> None:
        """A name is given once at a time: what had it before is gone, though a silent watch has yet to report that."""
        beside = {*self._by_controller.get(entry.controller, ())}
        if entry.key is not None:
            beside |= self._by_label.get(entry.key, {}).keys()
        for uid in beside:
            other = self._entries[uid]
            same = (other.kind, other.namespace, other.name) == (entry.kind, entry.namespace, entry.name)
            if same and other.version < entry.version:
                self._bury(uid, entry.version)

    def _bury(self, uid: str, at: int) -> None:
        entry = self._entries.get(uid)
        if entry is not None and entry.kind is MARAUDERSMAP:
            self._strangers.pop(Key(entry.namespace, entry.name), None)
        self._unlink(uid)
        self._doubtful.discard(uid)
        self._leaving.discard(uid)
        self._tombstones[uid] = max(at, self._tombstones.get(uid, 0))
        if len(self._tombstones) > MAX_TOMBSTONES:
            self._tombstones.popitem(last=False)

    def _unlink(self, uid: str) -> None:
        entry = self._entries.pop(uid, None)
        if entry is None:
            return
        if entry.kind is MARAUDERSMAP:
            key = Key(entry.namespace, entry.name)
            if self._resources.get(key) == uid:
                del self._resources[key]
        _drop(self._by_controller, entry.controller, uid)
        if entry.key is not None:
            _drop(self._by_label, entry.key, uid)


def _drop(index: dict[K, dict[str, None]], key: K, uid: str) -> None:
    members = index.get(key)
    if members is not None:
        members.pop(uid, None)
        if not members:
            del index[key]
