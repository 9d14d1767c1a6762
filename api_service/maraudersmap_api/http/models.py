"""Dataclasses compiled once into readers of JSON objects and query strings, and into their schemas.

    model = Model(NewIncident)
    new = model.from_object({"title": "Polyjuice", "location": "HOGWARTS"})    # ValidationError names every problem

Unknown names are refused, so a misspelt optional field is never silently ignored.
"""

import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from enum import Enum
from functools import cache
from itertools import islice
from typing import Annotated, Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from multidict import MultiMapping

from maraudersmap_api.errors import Detail, ValidationError
from maraudersmap_api.fields import Flag, Items, Kind, Moment, OneOf, Schema, Unset, Uuid, Wrong, wire_name

T = TypeVar("T")

_MOST_CHOICES = 20  # entries of a comma list of choices
MOST_NAMED = 20
"""Unknown names that a refusal has: a body has room for 30,000, and the answer would be eight times as long."""


@dataclass(frozen=True, slots=True)
class Member:
    """One field. `label` begins sentences about it in a body; queries use the bare name."""

    attribute: str
    wire: str
    label: str
    kind: Kind
    required: bool
    nullable: bool
    default: Any  # None when required

    def schema(self) -> Schema:
        """Its schema, null and default included."""
        schema = self.kind.schema()
        if self.nullable:
            schema = {"anyOf": [schema, {"type": "null"}]}
        if not self.required and _as_json(self.default) is not None:
            schema = {**schema, "default": _as_json(self.default)}
        return schema


class Model(Generic[T]):
    """A compiled dataclass. Raises TypeError when a field has no kind: at start, not at the first request."""

    def __init__(self, kind: type[T]) -> None:
        self.kind = kind
        self.members = _members(kind)
        self._names = frozenset(member.wire for member in self.members)

    @property
    def name(self) -> str:
        """The class's name: that of the schema too."""
        return self.kind.__name__

    def from_object(self, values: Mapping[str, Any]) -> T:
        """A JSON object as an instance. Raises ValidationError with the problems of all fields, in their order, and with
        MOST_NAMED names at most that are unknown."""
        found: dict[str, Any] = {}
        details: list[Detail] = []
        for member in self.members:
            wire = member.wire
            if wire not in values:
                if member.required:
                    details.append(Detail(wire, f"{member.label} is required"))
                continue
            value = values[wire]
            if value is None and (member.nullable or member.required):
                if member.nullable:
                    found[member.attribute] = None
                else:
                    details.append(Detail(wire, f"{member.label} is required"))
                continue
            try:
                found[member.attribute] = member.kind.from_json(value)
            except Wrong as wrong:
                details += _details(member, wrong)
        unknown = (name for name in values if name not in self._names)
        for name in islice(unknown, MOST_NAMED):
            shown = _harmless(name)
            details.append(Detail(shown, f"Field {shown} is unknown or cannot be set"))
        return self._made(found, details)

    def from_query(self, values: MultiMapping[str]) -> T:
        """A query string as an instance. Raises ValidationError; a name given twice is refused too."""
        found: dict[str, Any] = {}
        details: list[Detail] = []
        if values or any(member.required for member in self.members):
            for member in self.members:
                text = values.get(member.wire)
                if text is None:
                    if member.required:
                        details.append(Detail(member.wire, f"{member.wire} is required"))
                    continue
                try:
                    found[member.attribute] = member.kind.from_text(text)
                except Wrong as wrong:
                    details.append(Detail(member.wire, f"{member.wire} {wrong.tail}"))
            details += query_problems(values, self._names)
        return self._made(found, details)

    def schema(self) -> Schema:
        """Of the JSON object."""
        schema: Schema = {"type": "object", "additionalProperties": False}
        if required := [member.wire for member in self.members if member.required]:
            schema["required"] = required
        schema["properties"] = {member.wire: member.schema() for member in self.members}
        return schema

    def _made(self, found: dict[str, Any], details: list[Detail]) -> T:
        if details:
            raise ValidationError(details)
        made = self.kind(**found)
        judge = getattr(made, "problems", None)
        if judge is not None and (more := list(judge())):
            raise ValidationError(more)
        return made


@cache
def model(kind: type[T]) -> Model[T]:
    """The compiled form of `kind`, compiled once."""
    return Model(kind)


def query_problems(values: MultiMapping[str], known: frozenset[str]) -> list[Detail]:
    """Names that are unknown or repeated, MOST_NAMED at most."""
    return list(islice(_query_problems(values, known), MOST_NAMED))


def _query_problems(values: MultiMapping[str], known: frozenset[str]) -> Iterator[Detail]:
    for name in dict.fromkeys(values):
        shown = _harmless(name)
        if name not in known:
            yield Detail(shown, f"Query parameter {shown} is unknown")
        elif len(values.getall(name)) > 1:
            yield Detail(shown, f"Query parameter {shown} is given more than once")


def camel(name: str) -> str:
    """`witness_count` as `witnessCount`."""
    return re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), name)


def kind_of(annotation: Any) -> tuple[Kind, bool]:
    """The kind of an annotation, and whether it takes null. Raises TypeError."""
    if get_origin(annotation) in (Union, types.UnionType):
        parts = [part for part in get_args(annotation) if part not in (Unset, type(None))]
        if len(parts) != 1:
            raise TypeError(f"{annotation}: give one type, with None or Unset beside it")
        return kind_of(parts[0])[0], type(None) in get_args(annotation)
    if get_origin(annotation) is Annotated:
        inner, *notes = get_args(annotation)
        kinds = [note for note in notes if hasattr(note, "from_json")]
        return (kinds[0], False) if kinds else kind_of(inner)
    if get_origin(annotation) is tuple:
        return Items(_MOST_CHOICES, kind_of(get_args(annotation)[0])[0], distinct=True), False
    if isinstance(annotation, type):
        if issubclass(annotation, Enum):
            return OneOf(annotation), False
        simple: dict[type, Kind] = {bool: Flag(), UUID: Uuid(), datetime: Moment()}
        if annotation in simple:
            return simple[annotation], False
    raise TypeError(f"{annotation} needs a constraint: Annotated[..., Text(most=...)] or the like")


def _members(kind: type) -> tuple[Member, ...]:
    hints = get_type_hints(kind, include_extras=True)
    members = []
    for item in fields(kind):
        try:
            value_kind, nullable = kind_of(hints[item.name])
        except TypeError as error:
            raise TypeError(f"{kind.__name__}.{item.name}: {error}") from None
        wire = camel(item.name)
        required = item.default is MISSING and item.default_factory is MISSING
        default = None if required or item.default is MISSING else item.default
        members.append(Member(item.name, wire, _label(wire), value_kind, required, nullable, default))
    return tuple(members)


def _details(member: Member, wrong: Wrong) -> list[Detail]:
    if wrong.entries:
        return [
            Detail(f"{member.wire}[{index}]", f"{member.label}: entry {index + 1} {tail}")
            for index, tail in wrong.entries
        ]
    # The canonical case: a required text that is blank counts as not given.
    tail = "is required" if member.required and wrong.tail == "must not be blank" else wrong.tail
    return [Detail(member.wire, f"{member.label} {tail}")]


def _label(name: str) -> str:
    """`firstName` as `First name`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
    return words[:1].upper() + words[1:]


def _harmless(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name) else "?"


def _as_json(value: Any) -> Any:
    """A default as the document shows it; None where there is nothing worth showing."""
    match value:
        case Unset() | None | "" | ():
            return None
        case Enum():
            return wire_name(value)
        case bool() | int() | str():
            return value
        case _:
            return None
