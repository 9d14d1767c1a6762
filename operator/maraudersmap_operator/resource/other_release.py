"""A status that another release of the operator has written: what of it is understood, and what is carried along.

A server-side apply removes what its field manager owned and no longer gives, and every release is the same manager. So what
a newer release has stored, and this one does not know, is a part of what this one writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from pydantic import ValidationError

from .moved import from_old_places, in_both_places
from .status import MaraudersMapStatus

Json = dict[str, Any]

# What distinguishes one thing from the next of its kind: parts of another candidate, pod or entry are not carried over.
_IDENTITY = ("type", "revision", "pod", "since", "startedAt")
# Derived in each pass from everything else. A condition that no one renews would speak of a time that is over.
_DERIVED = frozenset({"conditions"})


def read_status(stored: Mapping[str, Any]) -> tuple[MaraudersMapStatus, tuple[str, ...]]:
    """The status as far as this release understands it, and the paths of what had to be left out for that."""
    given: Any = from_old_places(stored)
    left_out: list[str] = []
    while True:
        try:
            return MaraudersMapStatus.model_validate(given), tuple(left_out)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            if not left_out:
                given = deepcopy(given)
            path = [p for p in first["loc"] if not str(p).startswith("function-")]
            # Without a part that this release needs, the whole is not understood.
            left_out.append(_cut(given, path[:-1] if first["type"] == "missing" else path))


def _cut(given: Json, path: Sequence[str | int]) -> str:
    parent: Any = given
    for part in path[:-1]:
        parent = parent[part]
    del parent[path[-1]]
    return ".".join(("status", *map(str, path)))


def dump(status: MaraudersMapStatus) -> Json:
    """As it is stored."""
    return in_both_places(status.model_dump(mode="json", by_alias=True, exclude_none=True))


def carried(stored: Json, wanted: Json) -> Json:
    """`wanted` with what is stored and not understood here. Both are left as they are."""
    understood = dump(read_status(stored)[0])
    return _with_rest({k: v for k, v in stored.items() if k not in _DERIVED}, understood, wanted)


def _with_rest(stored: Json, understood: Json, wanted: Json) -> Json:
    found = dict(wanted)
    for key, value in stored.items():
        if key not in wanted:
            if key not in understood:
                found[key] = value
        elif key in understood:
            found[key] = _merged(value, understood[key], wanted[key])
    return found


def _merged(stored: Any, understood: Any, wanted: Any) -> Any:
    if isinstance(stored, dict) and isinstance(understood, dict) and isinstance(wanted, dict):
        return _with_rest(stored, understood, wanted) if _identity(stored) == _identity(wanted) else wanted
    if isinstance(stored, list) and isinstance(wanted, list) and all(isinstance(i, dict) for i in stored):
        return _items(stored, understood, wanted)
    return wanted


def _items(stored: list[Json], understood: list[Json], wanted: list[Json]) -> list[Json]:
    known = {_identity(item): item for item in understood}
    old = {_identity(item): item for item in stored}
    found = [
        _with_rest(old[i], known[i], item) if (i := _identity(item)) in old and i in known else item
        for item in wanted
    ]
    # Entries that are not understood at all stay where they are.
    for place, item in enumerate(stored):
        if _identity(item) not in known:
            found.insert(min(place, len(found)), item)
    return found


def _identity(item: Json) -> tuple[str, ...]:
    return tuple(str(item.get(key, "")) for key in _IDENTITY)
