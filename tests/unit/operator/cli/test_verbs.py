"""Each request is one small patch, and is refused with a way out where it makes no sense."""

from __future__ import annotations

from dataclasses import replace

import pytest

from maraudersmap_operator.cli.snapshot import Snapshot
from maraudersmap_operator.cli.verbs import CannotAct, Verb, acted_upon, pending, request

from . import given
from .given import BAD, NEXT, STABLE, TOKEN, Object

OLDER = "kkkkkk22"
VERDICT = {"reason": "CrashLoop", "message": "it ends", "detectedAt": given.before_micro(1)}

READY = given.resource(given.healthy())
TRIAL = given.resource(given.on_trial(), image=BAD)
BAKING = given.resource(given.on_trial("Baking"), image=BAD)
JUDGED = given.resource(given.on_trial(verdict=VERDICT), image=BAD)
REJECTED = given.resource(given.rolled_back(), image=BAD)
HELD = given.resource(given.held(), image=BAD)
DISTURBED = given.resource(given.held("StableDisturbed"), image=BAD)
SENT_BACK = given.resource(given.sent_back(), image=BAD)
FIRST = given.resource(
    {"phase": "Deploying", "message": "it starts", "candidate": given.candidate("FullSize")}
)
SECOND = given.resource(
    given.healthy(history=[given.ended("Promoted", STABLE, BAD, 10), given.ended("Promoted", OLDER, BAD, 99)])
)


def annotation(verb: str, value: str = TOKEN) -> Object:
    return {"metadata": {"annotations": {f"hogwarts.edu/{verb}": value}}}


@pytest.mark.parametrize(
    ("verb", "resource", "to", "patch"),
    [
        (Verb.PROMOTE, BAKING, None, annotation("promote", f"{NEXT}/Baking/{TOKEN}")),
        (Verb.PROMOTE, TRIAL, None, annotation("promote", f"{NEXT}/Witnesses/{TOKEN}")),
        (Verb.PROMOTE, DISTURBED, None, annotation("promote", f"{NEXT}/Held/{TOKEN}")),
        (Verb.ABORT, TRIAL, None, annotation("abort")),
        (Verb.RETRY, REJECTED, None, annotation("retry")),
        (Verb.RETRY, HELD, None, annotation("retry")),
        (Verb.RETRY, SENT_BACK, None, annotation("retry")),
        (Verb.UNDO, SECOND, None, annotation("rollback-to", f"{OLDER}/{TOKEN}")),
        (Verb.UNDO, SECOND, "3", annotation("rollback-to", f"{OLDER}/{TOKEN}")),
        (Verb.UNDO, SECOND, "zx", annotation("rollback-to", f"{NEXT}/{TOKEN}")),
        (Verb.UNDO, TRIAL, STABLE, annotation("rollback-to", f"{STABLE}/{TOKEN}")),
        (Verb.UNDO, REJECTED, NEXT, annotation("rollback-to", f"{NEXT}/{TOKEN}")),
        (Verb.PAUSE, READY, None, {"spec": {"rollout": {"paused": True}}}),
        (Verb.RESUME, READY, None, {}),
        (Verb.RESTART, READY, None, annotation("restart")),
    ],
)
def test_a_request_is_one_small_patch(verb: Verb, resource: Object, to: str | None, patch: Object) -> None:
    assert request(verb, _snapshot(resource), TOKEN, to).patch == patch


@pytest.mark.parametrize(
    ("verb", "resource", "to", "words"),
    [
        (Verb.PROMOTE, READY, None, ("nothing is on trial", given.PODS_READY)),
        (Verb.PROMOTE, REJECTED, None, ("was rejected for CrashLoop", "`retry`")),
        (Verb.PROMOTE, JUDGED, None, ("is being taken back for CrashLoop", "it ends")),
        (
            Verb.PROMOTE,
            given.resource(given.on_trial(), rollout={"paused": True}),
            None,
            ("`resume` it first",),
        ),
        (Verb.ABORT, READY, None, ("nothing is on trial",)),
        (Verb.ABORT, FIRST, None, ("is the first revision", "spec.suspend")),
        (Verb.ABORT, JUDGED, None, ("is being taken back already",)),
        (Verb.RETRY, READY, None, ("nothing is rejected or held",)),
        (
            Verb.RETRY,
            given.resource(given.healthy(rejected=[given.rejected()])),
            None,
            ("Rejected earlier", NEXT),
        ),
        (Verb.UNDO, READY, None, ("no revision before bcdfgh24", "history map")),
        (Verb.UNDO, TRIAL, None, ("still on trial", "`abort`")),
        (Verb.UNDO, TRIAL, NEXT, ("is on trial already",)),
        (Verb.UNDO, READY, STABLE, ("is the stable revision already",)),
        (Verb.UNDO, READY, "nope", ("'nope' is not a recorded revision", "kkkkkk22 (number 3)")),
        (Verb.UNDO, FIRST, None, ("no stable revision yet", "it starts")),
        (Verb.RESTART, FIRST | {"status": {}}, None, ("has no pods yet", "has not seen it yet")),
        (Verb.RESTART, given.resource(given.healthy(), suspend=True), None, ("is suspended",)),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_with_a_way_out(
    verb: Verb, resource: Object, to: str | None, words: tuple[str, ...]
) -> None:
    with pytest.raises(CannotAct) as refusal:
        request(verb, _snapshot(resource), TOKEN, to)
    assert [w for w in words if w not in str(refusal.value)] == [], str(refusal.value)


@pytest.mark.parametrize("verb", Verb)
def test_nothing_is_asked_of_a_resource_that_is_being_deleted(verb: Verb) -> None:
    with pytest.raises(CannotAct, match="is being deleted"):
        request(verb, replace(_snapshot(TRIAL), deleting=True), TOKEN, STABLE)


def test_undo_says_when_the_revisions_may_not_be_read() -> None:
    with pytest.raises(CannotAct, match="controllerrevisions"):
        request(Verb.UNDO, given.snapshot(SECOND, records=None), TOKEN)


def test_a_promotion_before_its_time_is_not_waited_for() -> None:
    """The operator keeps it until the full set has proven itself."""
    assert request(Verb.PROMOTE, _snapshot(BAKING), TOKEN).at_once
    early = request(Verb.PROMOTE, _snapshot(TRIAL), TOKEN)
    assert not early.at_once
    assert "it counts once" in early.message


def test_a_request_is_taken_up_when_its_token_is_in_the_status() -> None:
    asked = request(Verb.UNDO, _snapshot(SECOND), TOKEN)
    stored = given.resource(given.healthy(tokens={"rollbackTo": f"{OLDER}/{TOKEN}"}))
    assert not acted_upon(asked, _snapshot(SECOND))
    assert acted_upon(asked, _snapshot(stored))


def test_a_change_of_the_spec_is_taken_up_when_the_status_speaks_of_it() -> None:
    asked = request(Verb.PAUSE, _snapshot(READY), TOKEN)
    stale = given.resource(given.healthy(observedGeneration=1), generation=2)
    assert acted_upon(asked, _snapshot(READY))
    assert not acted_upon(asked, _snapshot(stale))


def test_what_was_asked_for_and_not_taken_up_is_pending() -> None:
    asked = {**READY, "metadata": {**READY["metadata"], "annotations": {"hogwarts.edu/retry": TOKEN}}}
    taken = {**asked, "status": {**READY["status"], "tokens": {"retry": TOKEN}}}
    assert pending(_snapshot(asked))
    assert not pending(_snapshot(taken))
    assert not pending(_snapshot(READY))


def _snapshot(resource: Object) -> Snapshot:
    return given.snapshot(resource, records=(*given.RECORDS, given.record(OLDER, 3, given.GOOD)))


NEWER = given.resource(given.from_a_newer_operator())


@pytest.mark.parametrize("verb", sorted(set(Verb) - {Verb.PAUSE, Verb.RESUME}))
def test_nothing_is_asked_for_on_a_status_that_is_understood_in_part(verb: Verb) -> None:
    """What it would be refused for may be in the other part."""
    with pytest.raises(CannotAct, match=r"of another release.*status\.candidate.*upgrade this plugin"):
        request(verb, _snapshot(NEWER), TOKEN)


def test_pausing_needs_nothing_of_the_status() -> None:
    assert request(Verb.PAUSE, _snapshot(NEWER), TOKEN).patch == {"spec": {"rollout": {"paused": True}}}
