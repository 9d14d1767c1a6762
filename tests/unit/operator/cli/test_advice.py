"""Advice fits the case: nobody is asked to mend what is not broken."""

from __future__ import annotations

import pytest

from maraudersmap_operator.cli.advice import FOREIGN, advice
from maraudersmap_operator.cli.explain import explain
from maraudersmap_operator.resource.reasons import Person, Place, Reason

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


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_its_entry(reason: Reason) -> None:
    """Advice is total, and each of its commands can be pasted: it names the resource and the namespace."""
    about = advice(reason)
    assert about is not FOREIGN
    assert about.meaning
    assert about.places
    assert bool(about.steps) or about.person is Person.NO, "who is needed reads what to do"
    for text in (about.meaning, *about.steps):
        filled = text.format(name="map", namespace="owlery")
        assert "kubectl marauders" not in filled or "map -n owlery" in filled


def test_a_reason_of_a_newer_operator_is_not_guessed_at() -> None:
    assert advice("FromTheFuture") is FOREIGN
    explanation = explain(given.snapshot(given.resource(given.held("FromTheFuture"), image=BAD)), given.NOW)
    assert explanation.reason == "FromTheFuture"
    assert "does not know the reason" in explanation.meaning


@pytest.mark.parametrize("reason", [r for r in Reason if Place.HOLD in advice(r).places])
def test_what_is_held_is_not_asked_to_be_corrected_in_a_new_image(reason: Reason) -> None:
    """Nothing is held against the revision, so nothing in it is known to be wrong."""
    assert "new image" not in steps(given.held(reason))


def test_a_rejected_change_of_settings_is_not_ended_by_the_same_image() -> None:
    """Only the settings differ from the stable revision."""
    advised = "\n".join(
        explain(given.snapshot(given.resource(given.rolled_back(image=given.GOOD))), given.NOW).next_steps
    )
    assert "set spec.image back" not in advised
    assert "set the spec back to what it was before" in advised
