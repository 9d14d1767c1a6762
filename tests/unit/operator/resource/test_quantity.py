"""Quantities are compared by what they stand for, and refused with a form that is right."""

from decimal import Decimal

import pytest
from pydantic import TypeAdapter, ValidationError

from maraudersmap_operator.resource.quantity import Quantity, amount


@pytest.mark.parametrize(
    ("quantity", "stands_for"),
    [
        ("0", Decimal(0)),
        ("500m", Decimal("0.5")),
        ("1.5", Decimal("1.5")),
        ("2k", Decimal(2000)),
        ("256Mi", Decimal(256 * 2**20)),
        ("1Gi", Decimal(2**30)),
        ("1G", Decimal(10**9)),
    ],
)
def test_a_quantity_stands_for_a_number(quantity: str, stands_for: Decimal) -> None:
    assert amount(quantity) == stands_for


@pytest.mark.parametrize("text", ["", "m", "-1", "1.", "1,5", "1 Gi", "1e3", "1mi", "1GiB", "٣"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write for example 500m or 256Mi"):
        amount(text)


@pytest.mark.parametrize(
    ("number", "text"),
    [(1, "1"), (0.5, "0.5"), (2.0, "2"), (1e3, "1000"), (0.001, "0.001"), (1e-05, "0.00001")],
)
def test_a_number_is_kept_as_the_text_that_it_would_have_been(number: float, text: str) -> None:
    assert TypeAdapter(Quantity).validate_python(number) == text


@pytest.mark.parametrize("number", [True, -1, -0.5, float("inf"), float("nan")])
def test_not_every_number_is_an_amount(number: float) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Quantity).validate_python(number)
