"""What of an object may leave in a support bundle: everything but the values of Secrets and what looks like one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from maraudersmap_operator.cluster.mask import MASK, Mask
from maraudersmap_operator.resource.names import LAST_APPLIED

# Below these stands what people or containers wrote, where `password=...` is a pair and not a name.
FREE_TEXT = frozenset({"message", "note", "logs", "events", "command", "args", "data", "binaryData"})
SECRET_NAME = re.compile(r"(?i)password|passwd|secret|token|api[_-]?key")


def hidden(value: Any, mask: Mask, free: bool = False) -> Any:
    """A copy of a manifest with every text masked. `free`: it is below a part that people or containers wrote."""
    match value:
        case str():
            return mask.container(value) if free else mask.cluster(value)
        case list():
            return [hidden(v, mask, free) for v in value]
        case {"name": str(name), "value": str(text)} if SECRET_NAME.search(name) and text:
            return {**value, "value": MASK}
        case dict():
            return {
                key: MASK
                if free and isinstance(v, str) and SECRET_NAME.search(str(key))
                else hidden(v, mask, free or key in FREE_TEXT)
                for key, v in value.items()
                if key not in (LAST_APPLIED, "managedFields")
            }
        case _:
            return value


def secret_names(value: Any) -> Iterator[str]:
    """Names of the Secrets that a manifest refers to, as pods and their templates do."""
    match value:
        case list():
            for item in value:
                yield from secret_names(item)
        case dict():
            for key, found in value.items():
                match key, found:
                    case (("secretKeyRef" | "secretRef"), {"name": str(name)}):
                        yield name
                    case "secret", {"secretName": str(name)} | {"name": str(name)}:
                        yield name
                    case "imagePullSecrets", list():
                        yield from (str(ref["name"]) for ref in found if "name" in ref)
                    case _:
                        yield from secret_names(found)


def without_values(secret: dict[str, Any]) -> dict[str, Any]:
    """A Secret by its name, type and keys."""
    return {
        "name": secret["metadata"]["name"],
        "type": secret.get("type", ""),
        "keys": sorted(secret.get("data") or {}),
    }
