"""managedFields: who wrote what.

Paths are tuples of `f:name`, `k:{keys}` (items of keyed lists) and `v:value` (items of sets), as in FieldsV1. Fields of which
the API server takes a whole value as one (Service selector, HPA metrics) end a path.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from maraudersmap_operator.cluster.kinds import (
    CONTROLLER_REVISION,
    HTTP_ROUTE,
    MARAUDERSMAP,
    MONITORING,
    Kind,
)

Manifest = dict[str, Any]
Path = tuple[str, ...]
Fields = Mapping[Path, Any]

_KEYS: dict[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "imagePullSecrets": ("name",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "conditions": ("type",),
    "ownerReferences": ("uid",),
}
_SELECTORS = ("selector", "nodeSelector", "podSelector", "labelSelector", "namespaceSelector")
_ATOMIC = frozenset((*_SELECTORS, "fieldRef", "secretKeyRef", "configMapKeyRef"))
# Of metadata, only these are anyone's to own.
_METADATA = ("labels", "annotations", "ownerReferences", "finalizers")


@dataclass(frozen=True, slots=True)
class Entry:
    """What one manager wrote in one way."""

    manager: str
    operation: str  # Apply or Update
    subresource: str
    time: str
    paths: frozenset[Path]

    @property
    def who(self) -> tuple[str, str, str]:
        return self.manager, self.operation, self.subresource

    def rendered(self, api_version: str) -> Manifest:
        tree: Manifest = {}
        for path in sorted(self.paths):
            node = tree
            for part in path:
                node = node.setdefault(part, {})
        found = {
            "manager": self.manager,
            "operation": self.operation,
            "apiVersion": api_version,
            "time": self.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": tree,
        }
        return found | ({"subresource": self.subresource} if self.subresource else {})


def fields_of(kind: Kind, obj: Manifest) -> dict[Path, Any]:
    """Every owned path of an object with its value."""
    found: dict[Path, Any] = {}
    custom = kind in (MARAUDERSMAP, HTTP_ROUTE, *MONITORING)
    for key, value in obj.items():
        if key == "metadata":
            for part in _METADATA:
                if part in value:
                    _walk(value[part], part, ("f:metadata", f"f:{part}"), found, False)
        elif key == "data" and kind is CONTROLLER_REVISION:
            found[("f:data",)] = value
        elif key not in ("apiVersion", "kind"):
            _walk(value, key, (f"f:{key}",), found, custom)
    return found


def _walk(value: Any, name: str, path: Path, found: dict[Path, Any], custom: bool) -> None:
    if isinstance(value, dict) and value and (custom or name not in _ATOMIC):
        for key, item in value.items():
            _walk(item, key, (*path, f"f:{key}"), found, custom)
    elif name == "finalizers" and isinstance(value, list):
        for item in value:
            found[*path, f"v:{json.dumps(item)}"] = True
    elif isinstance(value, list) and value and not custom and (keys := _keys_of(name, value)):
        for item in value:
            keys_as_json = json.dumps({k: item.get(k) for k in sorted(keys)}, separators=(",", ":"))
            here = (*path, f"k:{keys_as_json}")
            found[*here, "."] = True
            for key, part in item.items():
                _walk(part, key, (*here, f"f:{key}"), found, custom)
    else:
        found[path] = value


def _keys_of(name: str, items: list[Any]) -> tuple[str, ...]:
    if name == "ports" and all(isinstance(i, dict) for i in items):
        if all("containerPort" in i for i in items):
            return ("containerPort", "protocol")
        if all("port" in i and "targetPort" in i for i in items):
            return ("port", "protocol")
    return _KEYS.get(name, ())


def updated(
    entries: Iterable[Entry], before: Fields, after: Fields, who: tuple[str, str, str], time: str
) -> tuple[Entry, ...]:
    """After an Update: what it changed is its manager's, and nobody else's any more."""
    changed = {p for p, v in after.items() if p not in before or before[p] != v}
    own: frozenset[Path] = frozenset()
    kept = []
    for entry in entries:
        if entry.who == who:
            own = entry.paths
        else:
            paths = frozenset(p for p in entry.paths if p in after and p not in changed)
            if paths:
                kept.append(Entry(entry.manager, entry.operation, entry.subresource, entry.time, paths))
    paths = frozenset(p for p in own if p in after) | changed
    if paths:
        kept.append(Entry(*who, time=time, paths=paths))
    return tuple(kept)


def applied(
    entries: Iterable[Entry],
    before: Fields,
    after: Fields,
    given: Fields,
    who: tuple[str, str, str],
    time: str,
) -> tuple[Entry, ...]:
    """After a forced Apply of `given`: it owns just that; others lose what it changed."""
    changed = {p for p, v in after.items() if p not in before or before[p] != v}
    kept = []
    for entry in entries:
        if entry.who == who:
            continue
        paths = frozenset(p for p in entry.paths if p in after and p not in changed)
        if paths:
            kept.append(Entry(entry.manager, entry.operation, entry.subresource, entry.time, paths))
    kept.append(Entry(*who, time=time, paths=frozenset(given)))
    return tuple(kept)
