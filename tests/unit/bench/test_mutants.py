"""The ways in which the product is broken on purpose must still fit it: `make mutants` takes too long to be run each time."""

from __future__ import annotations

from bench.mutants import MUTANTS, PACKAGE


def test_every_mutant_applies_to_the_product_as_it_is() -> None:
    assert [m.what for m in MUTANTS if (PACKAGE / m.file).read_text().count(m.old) != 1] == []
