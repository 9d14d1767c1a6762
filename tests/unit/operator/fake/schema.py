"""The structural schema of a custom resource: prune, fill in defaults, check."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from .patches import copied
from .problems import Problem, invalid

Manifest = dict[str, Any]
# Every object has these, whatever its schema says.
_ALWAYS = ("apiVersion", "kind", "metadata")
CRD = Path(__file__).parents[4] / "crds" / "hogwarts.edu_maraudersmaps.yaml"
FIRST_RELEASE = Path(__file__).parents[1] / "recorded" / "v0.1.0" / "crd.yaml"
"""The definition of v0.1.0 as it was released."""


def declared(definition: Path = CRD) -> Manifest:
    """The schema as crds/ has it; a copy, so that a test may make an older or a newer one of it."""
    found: Manifest = json.loads(_text(definition))
    return found


@lru_cache(maxsize=2)
def _text(definition: Path) -> str:
    document = yaml.safe_load(definition.read_text(encoding="utf-8"))
    return json.dumps(document["spec"]["versions"][0]["schema"]["openAPIV3Schema"])


def prune(schema: Manifest, value: Any, *, root: bool = True) -> None:
    """Drop what is not declared, and null where a default stands in. In place."""
    if isinstance(value, list):
        for item in value:
            prune(schema.get("items") or {}, item, root=False)
        return
    if not isinstance(value, dict) or schema.get("x-kubernetes-preserve-unknown-fields"):
        return
    properties, free = schema.get("properties"), schema.get("additionalProperties")
    for key, item in list(value.items()):
        if root and key in _ALWAYS:
            continue
        part = (properties or {}).get(key, free if isinstance(free, dict) else {} if free else None)
        if part is None:
            if properties is not None or schema.get("type") == "object":
                del value[key]
        elif item is None and not part.get("nullable") and "default" in part:
            del value[key]
        else:
            prune(part, item, root=False)


def fill_in(schema: Manifest, value: Any) -> None:
    """Defaults. In place."""
    if isinstance(value, list):
        for item in value:
            fill_in(schema.get("items") or {}, item)
    elif isinstance(value, dict):
        for key, part in (schema.get("properties") or {}).items():
            if key not in value and "default" in part:
                value[key] = copied(part["default"])
            if key in value:
                fill_in(part, value[key])
        free = schema.get("additionalProperties")
        if isinstance(free, dict):
            for item in value.values():
                fill_in(free, item)


def undeclared(schema: Manifest, value: Any, path: str) -> str | None:
    """The path of the first field that the schema does not have."""
    if isinstance(value, list):
        found = (undeclared(schema.get("items") or {}, item, f"{path}[{i}]") for i, item in enumerate(value))
        return next((f for f in found if f), None)
    if not isinstance(value, dict) or schema.get("x-kubernetes-preserve-unknown-fields"):
        return None
    properties, free = schema.get("properties") or {}, schema.get("additionalProperties")
    for key in sorted(value):
        part = properties.get(key, free if isinstance(free, dict) else None)
        if part is None:
            if free:
                continue
            return f"{path}.{key}"
        if below := undeclared(part, value[key], f"{path}.{key}"):
            return below
    return None


def check(schema: Manifest, kind: Any, obj: Manifest) -> None:
    """Raises Problem 422 for what the schema refuses. CEL rules are not evaluated."""
    found = list(_problems(schema, obj, ""))
    if found:
        raise invalid(kind, obj["metadata"]["name"], *found)


def not_declared(what: str, path: str) -> Problem:
    """A server-side apply answers so, with status 500."""
    return Problem(500, f"failed to create typed patch object ({what}): {path}: field not declared in schema")


# As k8s.io/kube-openapi's strfmt takes it, but for its look at the calendar.
_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})", re.IGNORECASE)

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def _problems(schema: Manifest, value: Any, path: str) -> list[str]:
    if value is None and schema.get("nullable"):
        return []
    kind = schema.get("type")
    if schema.get("x-kubernetes-int-or-string") and (
        not isinstance(value, int | str) or isinstance(value, bool)
    ):
        return [f'{path}: Invalid value: "{value}": {path} in body must be of type integer,string: "number"']
    wrong_bool = isinstance(value, bool) and kind in ("integer", "number")
    if kind in _TYPES and (not isinstance(value, _TYPES[kind]) or wrong_bool):
        types = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer"}
        was = types.get(type(value), "null")
        return [f'{path}: Invalid value: "{was}": {path} in body must be of type {kind}: "{was}"']
    found: list[str] = []
    if isinstance(value, dict):
        missing = [k for k in schema.get("required") or () if k not in value]
        found += [f"{path}.{key}: Required value".lstrip(".") for key in missing]
        for key, part in (schema.get("properties") or {}).items():
            if key in value and not (path == "" and key == "metadata"):
                found += _problems(part, value[key], f"{path}.{key}".lstrip("."))
        free = schema.get("additionalProperties")
        if isinstance(free, dict):
            for key, item in value.items():
                found += _problems(free, item, f"{path}.{key}")
    elif isinstance(value, list):
        if len(value) > schema.get("maxItems", len(value)):
            found.append(f"{path}: Too many: {len(value)}: must have at most {schema['maxItems']} items")
        for index, item in enumerate(value):
            found += _problems(schema.get("items") or {}, item, f"{path}[{index}]")
    else:
        found += _scalar(schema, value, path)
    return found


def _scalar(schema: Manifest, value: Any, path: str) -> list[str]:
    if "enum" in schema and value not in schema["enum"]:
        known = ", ".join(f'"{v}"' for v in schema["enum"])
        return [f'{path}: Unsupported value: "{value}": supported values: {known}']
    if isinstance(value, str):
        if len(value) > schema.get("maxLength", len(value)):
            return [f"{path}: Too long: may not be more than {schema['maxLength']} bytes"]
        if len(value) < schema.get("minLength", 0):
            return [
                f"{path}: Invalid value: {path} in body should be at least {schema['minLength']} chars long"
            ]
        if "pattern" in schema and not re.search(schema["pattern"], value):
            return [f"{path}: Invalid value: \"{value}\": {path} in body should match '{schema['pattern']}'"]
        if schema.get("format") == "date-time" and not _DATE_TIME.fullmatch(value):
            return [f'{path}: Invalid value: "{value}": {path} in body must be of type date-time: "{value}"']
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if value < schema.get("minimum", value):
            return [f"{path}: Invalid value: {value}: should be greater than or equal to {schema['minimum']}"]
        if value > schema.get("maximum", value):
            return [f"{path}: Invalid value: {value}: should be less than or equal to {schema['maximum']}"]
    return []
