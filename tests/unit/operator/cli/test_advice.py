"""Advice fits the case: nobody is asked to mend what is not broken."""

from __future__ import annotations

from maraudersmap_operator.cli.explain import explain

from . import given
from .given import BAD, Object


def steps(status: Object) -> str:
    return "\n".join(explain(given.snapshot(given.resource(status, image=BAD)), given.NOW).next_steps)


def test_a_registry_that_was_down_asks_for_no_new_image() -> None:
    """Its migrations never ran, so there is nothing in them to correct."""
    advice = steps(given.held("MigrationInterrupted"))
    assert "new image" not in advice
    assert "the registry" in advice
    assert "tried again by itself" in advice


def test_what_is_stuck_is_not_promised_another_try() -> None:
    """It had traffic too often."""
    explanation = explain(
        given.snapshot(given.resource(given.held("PodsLost", stuck=True, trafficAttempts=3), image=BAD)),
        given.NOW,
    )
    assert "not tried again by itself" in explanation.verdict
    assert not [s for s in explanation.next_steps if "tried again by itself" in s]
    assert any("retry map" in s for s in explanation.next_steps)
