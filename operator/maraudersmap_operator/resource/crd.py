"""The CustomResourceDefinition, rendered from the models: `python -m maraudersmap_operator.resource.crd`.

The API server wants a *structural* schema: no `$ref`, no `anyOf` with null, a type everywhere. Pydantic's JSON
schema is turned into one here; whatever has no structural form raises Unrenderable at generation.
"""

import json
import sys
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from maraudersmap_operator.resource.maraudersmap import NAME_MESSAGE
from maraudersmap_operator.resource.moved import declared_in_both_places
from maraudersmap_operator.resource.names import (
    CATEGORY,
    GROUP,
    KIND,
    NAME_MAX,
    NAME_PATTERN,
    PLURAL,
    SHORT_NAME,
    SINGULAR,
    VERSION,
)
from maraudersmap_operator.resource.spec import MaraudersMapSpec
from maraudersmap_operator.resource.status import MaraudersMapStatus

Schema = dict[str, Any]

_DESCRIPTION: Final = (
    "A MaraudersMap is one running Marauder's Map incident service: its API, scaling, Services, Secrets, "
    "migrations and rollouts. See docs/resource.md."
)

# Keywords of JSON schema that a structural schema has too, as they are.
_KEPT: Final = (
    "description",
    "type",
    "format",
    "enum",
    "default",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "required",
)
# Keywords that are rendered below, or that mean nothing to the API server.
_HANDLED: Final = frozenset(
    {"$ref", "$defs", "title", "properties", "additionalProperties", "items", "anyOf", "allOf", "const"}
    | {"minItems", "maxItems", "minProperties", "maxProperties", "exclusiveMinimum", "exclusiveMaximum"}
)


class Unrenderable(ValueError):
    """A model has something that a structural schema cannot express."""


def custom_resource_definition() -> Schema:
    """The whole CRD as a plain object."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": SINGULAR,
                "shortNames": [SHORT_NAME],
                "categories": [CATEGORY],
            },
            "scope": "Namespaced",
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "additionalPrinterColumns": _columns(),
                    "schema": {"openAPIV3Schema": _root()},
                    "subresources": {"status": {}, "scale": _scale()},
                }
            ],
        },
    }


def _root() -> Schema:
    return {
        "description": _DESCRIPTION,
        "type": "object",
        "required": ["spec"],
        "x-kubernetes-validations": [
            {
                "rule": f"self.metadata.name.size() <= {NAME_MAX} && "
                f"self.metadata.name.matches('{NAME_PATTERN}')",
                "message": NAME_MESSAGE,
            }
        ],
        "properties": {
            "apiVersion": {"type": "string", "description": f"Always {GROUP}/{VERSION}."},
            "kind": {"type": "string", "description": f"Always {KIND}."},
            "metadata": {"type": "object"},
            "spec": structural(MaraudersMapSpec),
            "status": {
                "description": "The service as it is.",
                # Before the first pass: a resource without a status is ready in the eyes of kstatus, and so of Flux and Helm.
                "default": {"observedGeneration": 0},
                **status_schema(),
            },
        },
    }


def status_schema() -> Schema:
    """That of `.status`, fields that have moved in both places."""
    return declared_in_both_places(structural(MaraudersMapStatus))


def _scale() -> Schema:
    """What `kubectl scale` and other autoscalers see: pods as the spec asks for them, and those of the serving revision."""
    return {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas.desired",
        "labelSelectorPath": ".status.selector",
    }


def _columns() -> list[Schema]:
    def ready(field: str) -> str:
        return f".status.conditions[?(@.type=='Ready')].{field}"

    def column(name: str, path: str, kind: str = "string", **extra: Any) -> Schema:
        return {"name": name, "type": kind, "jsonPath": path} | extra

    return [
        column("READY", ready("status")),
        column("PHASE", ".status.phase"),
        column("IMAGE", ".spec.image"),
        column("STABLE", ".status.stable.revision"),
        column("REPLICAS", ".status.replicas.ready", "integer"),
        column("REASON", ready("reason")),
        column("CANDIDATE", ".status.candidate.revision", priority=1),
        column("STEP", ".status.candidate.step", priority=1),
        column("URL", ".status.url", priority=1),
        column("AGE", ".metadata.creationTimestamp", "date"),
    ]


def structural(model: type[BaseModel]) -> Schema:
    """The structural schema of a model. Raises Unrenderable for what has no structural form."""
    schema = model.model_json_schema(by_alias=True, mode="validation")
    return _structural(schema, schema.get("$defs", {}), model.__name__)


def _structural(schema: Mapping[str, Any], defs: Mapping[str, Schema], path: str) -> Schema:
    merged = _resolved(schema, defs)
    unknown = [key for key in merged if key not in _KEPT and key not in _HANDLED and not _is_extension(key)]
    if unknown:
        raise Unrenderable(f"{path}: {', '.join(unknown)} has no structural form")

    out: Schema = {key: merged[key] for key in _KEPT if key in merged}
    out |= {key: value for key, value in merged.items() if _is_extension(key)}
    if "const" in merged:
        out["enum"] = [merged["const"]]
    for keyword, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if keyword in merged:  # a number in JSON schema, a flag beside the bound in OpenAPI 3.0
            out |= {bound: merged[keyword], keyword: True}
    if out.get("x-kubernetes-int-or-string"):
        out["anyOf"] = merged["anyOf"]
    elif "anyOf" in merged:
        raise Unrenderable(f"{path}: a choice of types has no structural form")

    match out.get("type"):
        case "object":
            out |= _object(merged, defs, path)
        case "array":
            out |= {key: merged[key] for key in ("minItems", "maxItems") if key in merged}
            out["items"] = _structural(merged["items"], defs, f"{path}[]")
        case None if not out.get("x-kubernetes-int-or-string"):
            raise Unrenderable(f"{path}: has no type")
        case "integer":
            out.setdefault("format", "int64")
    return _with_plain_default(out)


def _object(merged: Mapping[str, Any], defs: Mapping[str, Schema], path: str) -> Schema:
    out: Schema = {key: merged[key] for key in ("minProperties", "maxProperties") if key in merged}
    if "properties" in merged:
        out["properties"] = {
            name: _structural(value, defs, f"{path}.{name}") for name, value in merged["properties"].items()
        }
    elif not merged.get("x-kubernetes-preserve-unknown-fields"):
        values = merged.get("additionalProperties")
        if isinstance(values, dict) and values:
            out["additionalProperties"] = _structural(values, defs, f"{path}{{}}")
        elif values is not False:
            raise Unrenderable(f"{path}: a map needs a type for its values")
    return out


def _resolved(schema: Mapping[str, Any], defs: Mapping[str, Schema]) -> Schema:
    """`schema` with its reference followed and an optional's null dropped; what stands beside them wins."""
    beside = {key: value for key, value in schema.items() if key not in ("$ref", "allOf", "anyOf")}
    if "$ref" in schema:
        return _resolved(defs[schema["$ref"].removeprefix("#/$defs/")], defs) | beside
    if "x-kubernetes-int-or-string" in schema:
        return dict(schema)
    if "anyOf" in schema:
        options = [option for option in schema["anyOf"] if option.get("type") != "null"]
        if len(options) == 1:
            # Absent is how null is written here.
            default = beside.pop("default", None)
            kept = beside | ({} if default is None else {"default": default})
            return _resolved(options[0], defs) | kept
    return dict(schema)


def _with_plain_default(schema: Schema) -> Schema:
    """Defaults that only repeat those of the parts become {}: the API server then fills the parts in.

    Not beside a rule: when the definition is installed, rules are tried on the default as it stands here.
    """
    if schema.get("type") == "object" and "properties" in schema and "default" in schema:
        schema["default"] = _present(schema["default"]) if "x-kubernetes-validations" in schema else {}
    elif schema.get("default") in ([], {}, "", None) and schema.get("type") != "string":
        schema.pop("default", None)
    return schema


def _present(default: Any) -> Any:
    """A default without nulls and without empty parts: absent is how those are written here."""
    if not isinstance(default, dict):
        return default
    parts = {key: _present(value) for key, value in default.items()}
    return {key: value for key, value in parts.items() if value not in (None, [], {})}


def _is_extension(key: str) -> bool:
    return key.startswith("x-kubernetes-")


def render() -> str:
    """The CRD as YAML, always the same text for the same models."""
    header = "# Generated from operator/maraudersmap_operator/resource by `make crds`; do not edit.\n"
    return header + "\n".join(_yaml(custom_resource_definition(), 0)) + "\n"


def _yaml(value: Any, indent: int) -> list[str]:
    """Block YAML of plain data; every string is quoted as JSON, which is YAML too, so nothing is ambiguous."""
    pad = "  " * indent
    lines: list[str] = []
    if isinstance(value, dict):
        for key, item in value.items():
            name = key if key.replace("-", "").replace("$", "").isalnum() else json.dumps(key)
            lines += _entry(f"{pad}{name}:", item, indent)
    else:
        for item in value:
            if isinstance(item, dict) and item:
                inner = _yaml(item, indent + 1)
                lines += [f"{pad}- {inner[0].lstrip()}", *inner[1:]]
            else:
                lines += _entry(f"{pad}-", item, indent)
    return lines


def _entry(head: str, item: Any, indent: int) -> list[str]:
    if isinstance(item, dict | list) and item:
        return [head, *_yaml(item, indent + 1)]
    return [f"{head} {json.dumps(item, ensure_ascii=False)}"]


if __name__ == "__main__":
    sys.stdout.write(render())
