"""Quantities are compared by what they stand for, and refused with a form that is right."""

from decimal import Decimal

import pytest

from maraudersmap_operator.resource.quantity import amount


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
