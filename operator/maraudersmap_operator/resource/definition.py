"""What the custom resource definition in the cluster has a place for, which may be of an older release than the operator.

A server-side apply with a field that the definition does not declare fails as a whole, and so does one with a value that
it does not list. So a status is cut to what is declared, and what is learned that way to have no place is named.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from .crd import status_schema
from .moved import has_moved_below, without_another_place

Schema = dict[str, Any]

# Made from everything else in each pass: without a place for these nothing is forgotten.
_DERIVED: Final = (
    "status.message",
    "status.target",
    "status.conditions",
    "status.replicas",
    "status.url",
    "status.selector",
)
# Lists that have the newest first; of all others the end counts.
_NEWEST_FIRST: Final = frozenset({"history", "rejected", "conditions"})


@dataclass(frozen=True, slots=True)
class Declared:
    """`schema`: that of `.status`; None while it is not known, and then everything is taken for declared.

    `without`: paths that are known to have no place, because the API server has refused or dropped them.
    """

    schema: Schema | None = None
    without: frozenset[str] = field(default=frozenset())

    def no_place_for(self) -> tuple[str, ...]:
        """Parts of the memory that cannot be stored, as paths; empty when all can."""
        lost = set(self.without)
        if self.schema is not None:
            lost |= set(_missing(_own(), self.schema, "status"))
        return tuple(sorted(p for p in without_another_place(lost) if not p.startswith(_DERIVED)))

    def fit(self, status: dict[str, Any], stored: dict[str, Any]) -> dict[str, Any]:
        """What of the status can be stored. A part that only makes sense as a whole stays as it is stored."""
        found = {}
        for key, value in status.items():
            schema = None if self.schema is None else (self.schema.get("properties") or {}).get(key, {})
            fitted = _NOWHERE if schema == {} else self._fit(schema, value, key, f"status.{key}")
            if fitted is not _NOWHERE:
                found[key] = fitted
            elif schema and key in stored:
                found[key] = stored[key]
        return found

    def _fit(self, schema: Schema | None, value: Any, name: str, path: str) -> Any:
        if path in self.without:
            return _NOWHERE
        schema = schema or {}
        known = bool(schema)
        if isinstance(value, dict):
            return self._fit_object(schema if known else None, value, path)
        if isinstance(value, list):
            items = schema.get("items") if known else None
            fitted = (self._fit(items, item, name, f"{path}[]") for item in value)
            kept = [f for f in fitted if f is not _NOWHERE]
            most = schema.get("maxItems", len(kept))
            return kept[:most] if name in _NEWEST_FIRST else kept[len(kept) - min(most, len(kept)) :]
        if "enum" in schema and value not in schema["enum"]:
            return _NOWHERE
        if isinstance(value, str) and len(value) > schema.get("maxLength", len(value)):
            return value[: schema["maxLength"]]
        return value

    def _fit_object(self, schema: Schema | None, value: dict[str, Any], path: str) -> Any:
        if schema is not None and schema.get("x-kubernetes-preserve-unknown-fields"):
            return value
        kept = {}
        for key, item in value.items():
            part = None if schema is None else _part(schema, key)
            fitted = _NOWHERE if part == {} else self._fit(part, item, key, f"{path}.{key}")
            if fitted is not _NOWHERE:
                kept[key] = fitted
            elif schema is not None and key in (schema.get("required") or ()):
                return _NOWHERE
        return kept


_NOWHERE: Final = object()


def _part(schema: Schema, key: str) -> Schema:
    """The schema of a field; an empty one for a field that is not declared."""
    free = schema.get("additionalProperties")
    found: Schema = (schema.get("properties") or {}).get(key, free if isinstance(free, dict) else {})
    return found


@cache
def _own() -> Schema:
    return status_schema()


def _missing(own: Schema, declared: Schema, path: str) -> Iterator[str]:
    """Paths, and values written as path=value, that this release stores and the definition has no place for."""
    if declared.get("x-kubernetes-preserve-unknown-fields"):
        return
    for key, part in (own.get("properties") or {}).items():
        there, here = _part(declared, key), f"{path}.{key}"
        if there or has_moved_below(here):
            yield from _missing(part, there, here)
        else:
            yield here
    for keyword in ("items", "additionalProperties"):
        mine, theirs = own.get(keyword), declared.get(keyword)
        if isinstance(mine, dict) and isinstance(theirs, dict):
            yield from _missing(mine, theirs, f"{path}[]")
    if "enum" in declared:
        yield from (f"{path}={value}" for value in own.get("enum") or () if value not in declared["enum"])


def dropped(sent: Any, answer: Any, path: str = "status") -> Iterator[str]:
    """Paths of what was sent and is not in the answer at all, whatever its value."""
    if isinstance(sent, dict) and isinstance(answer, dict):
        for key, value in sent.items():
            if key not in answer:
                yield f"{path}.{key}"
            else:
                yield from dropped(value, answer[key], f"{path}.{key}")
    elif isinstance(sent, list) and isinstance(answer, list):
        for mine, theirs in zip(sent, answer, strict=False):
            yield from dropped(mine, theirs, f"{path}[]")
