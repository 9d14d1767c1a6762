"""How often a child may be put right, and what counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from maraudersmap_operator.reconcile.status.fates import Fates

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


def test_attempts_that_failed_are_no_contest() -> None:
    """An API server that refused a few writes must not make the next repair wait, the selector's least of all."""
    fates = Fates()
    fates.begin()
    for second in range(10):
        assert fates.may_repair("Selector", "map-api", NOON + timedelta(seconds=second))


def test_repairs_that_were_made_again_and_again_become_rarer() -> None:
    fates = Fates()
    fates.begin()
    made = 0
    for second in range(60):
        moment = NOON + timedelta(seconds=second)
        if fates.may_repair("Selector", "map-api", moment):
            fates.repaired("Selector", "map-api", moment)
            made += 1
    assert 3 <= made < 10
