"""Schemas of what handlers answer, read off TypedDicts: they cost nothing at run time and mypy holds handlers to them.

    class PersonJson(TypedDict):
        id: Annotated[str, Format("uuid")]
        firstName: str
        house: House | None
        role: Annotated[str, OneOf(Role)]
        nickname: NotRequired[str]

The schema's name is the class's without `Json`.
"""

import types
from enum import Enum, IntEnum
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from maraudersmap_api.fields import OneOf, Schema, Whole
from maraudersmap_api.wire import Format

_SIMPLE: dict[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    Any: {},
}


def schema_of(annotation: Any, components: dict[str, Schema]) -> Schema:
    """The schema of an annotation; TypedDicts are put into `components` and referred to. Raises TypeError."""
    if annotation in _SIMPLE:
        return dict(_SIMPLE[annotation])
    origin, arguments = get_origin(annotation), get_args(annotation)
    if is_typeddict(annotation):
        return _component(annotation, components)
    if origin in (Required, NotRequired):
        return schema_of(arguments[0], components)
    if origin is Annotated:
        return _noted(arguments, components)
    if origin in (Union, types.UnionType):
        return {"anyOf": [schema_of(argument, components) for argument in arguments]}
    if origin is list:
        return {"type": "array", "items": schema_of(arguments[0], components)}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema_of(arguments[1], components)}
    if origin is Literal:
        return {"enum": list(arguments)}
    if isinstance(annotation, type) and issubclass(annotation, Enum) and not issubclass(annotation, IntEnum):
        return OneOf(annotation).schema()
    raise TypeError(f"{annotation} has no JSON schema: answers are TypedDicts of plain values")


def component_name(kind: type) -> str:
    """`IncidentJson` is published as `Incident`."""
    return kind.__name__.removesuffix("Json").lstrip("_")


def _noted(arguments: tuple[Any, ...], components: dict[str, Schema]) -> Schema:
    inner, *notes = arguments
    for note in notes:
        match note:
            case OneOf() | Whole():
                return note.schema()
            case Format(name=name):
                return {"type": "string", "format": name}
    return schema_of(inner, components)


def _component(kind: Any, components: dict[str, Schema]) -> Schema:
    name = component_name(kind)
    reference = {"$ref": f"#/components/schemas/{name}"}
    if name not in components:
        schema: Schema = {"type": "object"}
        components[name] = schema  # before its fields: a type may contain itself
        hints = get_type_hints(kind, include_extras=True)
        if required := [field for field in hints if field in kind.__required_keys__]:
            schema["required"] = required
        schema["properties"] = {field: schema_of(hint, components) for field, hint in hints.items()}
        if kind.__doc__ and not kind.__doc__.startswith("dict("):
            schema["description"] = kind.__doc__.strip().splitlines()[0]
    return reference
