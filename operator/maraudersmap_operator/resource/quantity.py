"""Kubernetes quantities ("500m", "256Mi") and int-or-string values, for pydantic and for the CRD alike."""

from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

_PATTERN: Final = r"^[0-9]+(\.[0-9]+)?(m|k|[KMGT]i|[MGT])?$"
_FACTORS: Final = {
    "m": Decimal("0.001"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
}


def amount(quantity: str) -> Decimal:
    """The number a quantity stands for, in cores or bytes. Raises ValueError, naming a form that is right."""
    digits = quantity.rstrip("mkKMGTi")
    unit = quantity[len(digits) :]
    if not digits or not all(part.isdecimal() and part.isascii() for part in digits.split(".", 1)):
        raise ValueError(f"{quantity!r} is not a quantity; write for example 500m or 256Mi")
    if unit and unit not in _FACTORS:
        raise ValueError(f"{quantity!r} has the unknown unit {unit!r}; write for example 500m or 256Mi")
    return Decimal(digits) * _FACTORS.get(unit, Decimal(1))


def _text(value: Any) -> Any:
    """A number as the text that a user would have written for it."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return format(Decimal(repr(value)).normalize(), "f") if isinstance(value, float) else str(value)


def _checked(value: str) -> str:
    amount(value)
    return value


def _percent_or_count(value: str) -> str:
    number = value.removesuffix("%")
    if not (number.isdecimal() and number.isascii()) or (value.endswith("%") and int(number) > 100):
        raise ValueError(f"{value!r} is neither a count nor a percentage; write for example 1 or 25%")
    return value


_INT_OR_STRING: Final = {
    "anyOf": [{"type": "integer"}, {"type": "string"}],
    "x-kubernetes-int-or-string": True,
}

Quantity = Annotated[
    str,
    BeforeValidator(_text),
    AfterValidator(_checked),
    WithJsonSchema({**_INT_OR_STRING, "pattern": _PATTERN, "maxLength": 32}),
]
"""An amount of CPU or memory; a whole number is accepted too and kept as text."""

IntOrPercent = Annotated[
    str,
    BeforeValidator(_text),
    AfterValidator(_percent_or_count),
    WithJsonSchema({**_INT_OR_STRING, "pattern": r"^([0-9]+|[0-9]{1,2}%|100%)$", "maxLength": 8}),
]
"""A count or a percentage, kept as text: "1" or "25%"."""
