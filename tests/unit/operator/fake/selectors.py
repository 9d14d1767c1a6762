"""Label and field selectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Manifest = dict[str, Any]
Test = Callable[[Mapping[str, str]], bool]


def by_labels(text: str) -> Test:
    """`a=b,c!=d,e,!f`; everything for an empty one."""
    tests = [_requirement(part.strip()) for part in text.split(",") if part.strip()]
    return lambda labels: all(test(labels) for test in tests)


def _requirement(part: str) -> Test:
    if "!=" in part:
        key, value = part.split("!=", 1)
        return lambda labels: labels.get(key) != value
    if "=" in part:
        key, value = part.replace("==", "=").split("=", 1)
        return lambda labels: labels.get(key) == value
    if part.startswith("!"):
        return lambda labels: part[1:] not in labels
    return lambda labels: part in labels


def by_fields(text: str) -> Callable[[Manifest], bool]:
    """`a.b=c,d!=e`."""
    tests = []
    for part in filter(None, text.split(",")):
        path, wanted = part.split("=", 1)
        tests.append((path.rstrip("!").split("."), wanted.lstrip("="), path.endswith("!")))
    return lambda obj: all((_at(obj, path) == wanted) is not negated for path, wanted, negated in tests)


def _at(obj: Any, path: list[str]) -> str:
    for part in path:
        obj = obj.get(part, "") if isinstance(obj, dict) else ""
    return str(obj)


def selects(selector: Mapping[str, str] | None, labels: Mapping[str, str] | None) -> bool:
    """An equality selector; an empty one selects nothing, as for a Service."""
    return bool(selector) and all((labels or {}).get(k) == v for k, v in (selector or {}).items())


def labels_of(obj: Manifest) -> dict[str, str]:
    found: dict[str, str] = obj["metadata"].get("labels") or {}
    return found
