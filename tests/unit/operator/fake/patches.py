"""JSON patch (RFC 6902) and JSON merge patch (RFC 7386)."""

from __future__ import annotations

from typing import Any

import orjson

from .problems import Problem

Manifest = dict[str, Any]


# What is no JSON is an error here, as it is on the way to an API server.
_PLAIN = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


def text_of(value: Any) -> bytes:
    """JSON. Raises TypeError for what is no plain data."""
    return orjson.dumps(value, option=_PLAIN)


def copied(value: Any) -> Any:
    """A deep copy of plain data; many times quicker than copy.deepcopy."""
    return orjson.loads(text_of(value))


def merged(target: Any, patch: Any) -> Any:
    """A new value; None removes."""
    if not isinstance(patch, dict):
        return copied(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return copied(result)


def patched(target: Manifest, operations: list[dict[str, Any]]) -> Manifest:
    """A new object. Raises Problem 422 as the API server does for a path that is not there or a failed test."""
    result = copied(target)
    for operation in operations:
        _apply(result, operation)
    found: Manifest = result
    return found


def _apply(document: Any, operation: dict[str, Any]) -> None:
    parts = [p.replace("~1", "/").replace("~0", "~") for p in operation["path"].split("/")[1:]]
    op = operation["op"]
    parent = document
    for part in parts[:-1]:
        parent = _step(parent, part, operation["path"])
    last = parts[-1]
    if op in ("replace", "remove", "test"):
        present = _step(parent, last, operation["path"])
        if op == "test":
            if present != operation["value"]:
                raise Problem(422, "the server rejected our request due to an error in our request")
            return
    if isinstance(parent, list):
        index = len(parent) if last == "-" else int(last)
        if op == "add":
            parent.insert(index, copied(operation["value"]))
        elif op == "replace":
            parent[index] = copied(operation["value"])
        else:
            del parent[index]
    elif op == "remove":
        del parent[last]
    else:
        parent[last] = copied(operation["value"])


def _step(parent: Any, part: str, path: str) -> Any:
    try:
        return parent[int(part)] if isinstance(parent, list) else parent[part]
    except (KeyError, IndexError, ValueError, TypeError):
        raise Problem(422, "the server rejected our request due to an error in our request") from None
