"""The base of what a user writes: frozen, camelCase outside, unknown fields refused, rules stated once.

A cross-field rule is one `Rule`: the Python predicate guards `parse`, the CEL expression guards `kubectl
apply`, and both give the same sentence. A rule without predicate compares with the old object, which only the
API server has.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema


@dataclass(frozen=True, slots=True)
class Rule:
    """What must hold between fields; `message` is what to write instead."""

    cel: str
    message: str
    holds: Callable[[Any], bool] | None = None
    field_path: str | None = None


class Model(BaseModel):
    """One object of the resource's schema."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
    )
    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _rules_hold(self) -> Self:
        for rule in self.rules:
            if rule.holds is not None and not rule.holds(self):
                raise ValueError(rule.message)
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /
    ) -> dict[str, Any]:
        schema = handler.resolve_ref_schema(handler(core_schema))
        if cls.rules:
            schema["x-kubernetes-validations"] = [
                {"rule": rule.cel, "message": rule.message}
                | ({"fieldPath": rule.field_path} if rule.field_path else {})
                for rule in cls.rules
            ]
        return schema

    def sparse(self) -> dict[str, Any]:
        """The fields that differ from their defaults, as a user would write them (camelCase, JSON types)."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)


DNS_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
DNS_NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"

ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=DNS_NAME)]
"""Name of an object in the same namespace."""
DataKey = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
"""Key inside a Secret or ConfigMap."""
StringMap = Annotated[
    dict[str, Annotated[str, Field(max_length=4096)]],
    Field(max_length=64),
]


LabelMap = Annotated[
    dict[
        str,
        Annotated[str, Field(max_length=63, pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$")],
    ],
    Field(max_length=64),
]

_QUALIFIED_KEY = r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"


def qualified_keys(field: str, attribute: str) -> Rule:
    """Keys of labels and annotations, which a schema cannot bound; else the API server refuses the child."""
    return Rule(
        cel=f"!has(self.{field}) || self.{field}.all(k, k.matches(r'{_QUALIFIED_KEY}'))",
        message=f"{field} has a key that Kubernetes does not take; write it as name or prefix.example.com/name, "
        "with letters, digits, '-', '_' and '.'",
        holds=lambda model: all(re.fullmatch(_QUALIFIED_KEY, key) for key in getattr(model, attribute)),
    )


class LocalRef(Model):
    """An object of this namespace, by name."""

    name: ObjectName = Field(description="Name of the object, in the namespace of this resource.")


class SecretKeySelector(Model):
    """One key of a Secret in the resource's namespace; read live, never copied."""

    name: ObjectName = Field(description="Name of the Secret, in the namespace of this resource.")
    key: DataKey = Field(description="Key in the Secret whose value is used.")


class SecretSource(Model):
    """A value that comes from a Secret the user provides."""

    secret_ref: SecretKeySelector = Field(description="Secret and key that hold the value.")


def not_filled_in(schema: dict[str, Any]) -> None:
    """`json_schema_extra` of a field that is newer than a release: the API server does not fill it in.

    v0.1.0 refuses every resource with a field that it does not know. While the definition is newer than the operator (each
    upgrade, and each way back), a default that no one has asked for would stall a whole fleet.
    """
    schema.pop("default", None)
