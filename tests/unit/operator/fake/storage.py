"""etcd: objects, one counter for all their versions, and what has happened to them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

import orjson

from maraudersmap_operator.cluster.kinds import Kind

from .fields import Entry
from .patches import text_of

Manifest = dict[str, Any]


@dataclass(slots=True)
class Stored:
    """One version of an object. `body` has no managedFields and is never changed in place."""

    kind: Kind
    body: Manifest
    entries: tuple[Entry, ...] = ()
    raw: str = ""
    """The bytes of a record's `data`, which the API server compares."""
    _text: bytes = field(default=b"", repr=False)

    @property
    def uid(self) -> str:
        return str(self.body["metadata"]["uid"])

    @property
    def version(self) -> int:
        return int(self.body["metadata"]["resourceVersion"])

    def own(self, entries: tuple[Entry, ...]) -> None:
        """Other managedFields, before anyone has read them."""
        self.entries, self._text = entries, b""

    def read(self, version: int | None = None) -> Manifest:
        """A copy as a client gets it. `version`: as a watch delivers it, with the version of its deletion."""
        if not self._text:
            api_version = self.kind.api_version
            entries = [e.rendered(api_version) for e in self.entries]
            meta = self.body["metadata"] | ({"managedFields": entries} if entries else {})
            self._text = text_of({**self.body, "metadata": meta})
        found: Manifest = orjson.loads(self._text)
        if version is not None:
            found["metadata"]["resourceVersion"] = str(version)
        return found


@dataclass(frozen=True, slots=True)
class Change:
    """`before` None: created; `after` None: deleted."""

    version: int
    at: datetime
    before: Stored | None
    after: Stored | None

    @property
    def namespace(self) -> str:
        some = self.after or self.before
        assert some is not None
        return str(some.body["metadata"].get("namespace", ""))


class Storage:
    def __init__(self) -> None:
        self.version = 1000
        self._objects: dict[Kind, dict[tuple[str, str], Stored]] = {}
        self._changes: dict[Kind, list[Change]] = {}
        self._uids = count(1)
        self.listeners: list[Callable[[Change], None]] = []
        """Called with every change as it happens."""

    def new_uid(self) -> str:
        return f"00000000-0000-4000-8000-{next(self._uids):012d}"

    def get(self, kind: Kind, namespace: str | None, name: str) -> Stored | None:
        return self._objects.get(kind, {}).get((namespace or "", name))

    def all(self, kind: Kind, namespace: str | None = None) -> list[Stored]:
        """By namespace and name, as a LIST returns them."""
        found = self._objects.get(kind, {})
        return [found[k] for k in sorted(found) if namespace is None or k[0] == namespace]

    def kinds(self) -> list[Kind]:
        return list(self._objects)

    def every(self) -> Iterator[Stored]:
        for kind in self.kinds():
            yield from self.all(kind)

    def write(self, stored: Stored, at: datetime) -> Stored:
        """Keep it under the next version."""
        self.version += 1
        stored.body["metadata"]["resourceVersion"] = str(self.version)
        key = _key(stored)
        objects = self._objects.setdefault(stored.kind, {})
        change = Change(self.version, at, objects.get(key), stored)
        objects[key] = stored
        self._changes.setdefault(stored.kind, []).append(change)
        for listener in self.listeners:
            listener(change)
        return stored

    def remove(self, stored: Stored, at: datetime) -> None:
        self.version += 1
        del self._objects[stored.kind][_key(stored)]
        self._changes.setdefault(stored.kind, []).append(Change(self.version, at, stored, None))

    def changes(self, kind: Kind, after: int) -> list[Change]:
        """Those with a higher version than `after`, in order."""
        found = self._changes.get(kind, [])
        return found[bisect_right(found, after, key=lambda c: c.version) :]

    def forget(self, until: int) -> None:
        """No watch asks for changes up to that version any more."""
        for kind in self._changes:
            self._changes[kind] = self.changes(kind, until)


def _key(stored: Stored) -> tuple[str, str]:
    meta = stored.body["metadata"]
    return meta.get("namespace", ""), meta["name"]
