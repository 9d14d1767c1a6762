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


def test_pods_that_run_and_are_not_ready_lead_to_what_they_miss() -> None:
    """Their readiness asks for the database, of which the operator may know no more than an address."""
    silent = (given.pod(given.STABLE, 1, ready=False), given.pod(given.STABLE, 2))
    seen = given.snapshot(given.resource(given.without_its_database()), pods=silent)
    explanation = explain(seen, given.NOW)
    evidence, advised = "\n".join(explanation.evidence), "\n".join(explanation.next_steps)
    assert "DatabaseReady is True (External)" in evidence
    assert "Available is False" in evidence
    selector = "app.kubernetes.io/instance=map,app.kubernetes.io/component=api"
    assert (
        f"kubectl logs -n owlery -l {selector} -c api --tail=-1 --since=1h --prefix | grep dependency"
        in advised
    )
    assert f"kubectl port-forward -n owlery pod/map-api-{given.STABLE}-1 4001" in advised
    assert "http://127.0.0.1:4001/health/ready" in advised


@pytest.mark.parametrize(
    "pod",
    [
        given.pod(given.STABLE, 1),
        given.pod(given.STABLE, 1, ready=False, waiting={"reason": "CrashLoopBackOff"}),
        given.pod(given.NEXT, 1, ready=False),
    ],
    ids=["ready", "does not run", "serves nobody yet"],
)
def test_others_do_not(pod: Object) -> None:
    seen = given.snapshot(given.resource(given.without_its_database()), pods=(pod,))
    assert "dependency" not in "\n".join(explain(seen, given.NOW).next_steps)


def test_a_pod_that_has_just_been_added_does_not_either() -> None:
    seen = given.snapshot(given.resource(given.healthy()), pods=(given.pod(given.STABLE, 3, ready=False),))
    assert "dependency" not in "\n".join(explain(seen, given.NOW).next_steps)
