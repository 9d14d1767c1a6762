"""Quantities as the API server writes them back: `0.5` becomes `500m`, `1024Mi` becomes `1Gi`.

What is no quantity cannot be read: the API server answers 400, and 422 to a patch.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from .problems import bad_request

_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_RULE = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_FORM = re.compile(r"^([+-]?[0-9.]+)(?:([eE][+-]?[0-9]+)|(Ki|Mi|Gi|Ti|Pi|Ei)|([numkMGTPE]))?$")


def amount(text: Any) -> Decimal:
    """Raises Problem 400 for what is no quantity."""
    match = _FORM.match(str(text))
    if match is None:
        raise bad_request(_RULE)
    try:
        return _amount(match)
    except InvalidOperation:  # more than one dot
        raise bad_request(_RULE) from None


def _amount(match: re.Match[str]) -> Decimal:
    number, exponent, binary, decimal = match.groups()
    if exponent:
        return Decimal(number + exponent)
    if binary:
        return Decimal(number) * Decimal(1024 ** _BINARY[binary])
    return Decimal(number).scaleb(_DECIMAL[decimal or ""])


def canonical(text: Any) -> str:
    """Raises Problem 400 for what is no quantity."""
    value = amount(text)
    match = _FORM.match(str(text))
    if match is not None and match.group(3) and value == value.to_integral():
        number = int(value)
        for suffix, power in reversed(_BINARY.items()):
            if number and number % 1024**power == 0:
                return f"{number // 1024**power}{suffix}"
        return str(number)
    if value == 0:
        return "0"
    best = "n"
    for suffix, power in _DECIMAL.items():
        scaled = value.scaleb(-power)
        if scaled == scaled.to_integral():
            best = suffix
    scaled = value.scaleb(-_DECIMAL[best])
    return f"{int(scaled)}{best}"
