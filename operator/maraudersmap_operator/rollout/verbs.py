"""Verbs: annotations that ask for something once. Any new value acts; the value is stored with its effect.

hogwarts.edu/retry        forget the rejection, or the wait, of what the spec asks for
hogwarts.edu/rollback-to  `<revision>/<token>`: go to an earlier revision until the spec asks for something else
hogwarts.edu/abort        give the rollout up, as if it had been found bad
hogwarts.edu/promote      go on from where the rollout waits for a person, or end the bake now
hogwarts.edu/restart      exchange the pods of every revision in place, one at a time
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from maraudersmap_operator.resource.names import (
    ANNOTATION_ABORT,
    ANNOTATION_PROMOTE,
    ANNOTATION_RESTART,
    ANNOTATION_RETRY,
    ANNOTATION_ROLLBACK_TO,
)
from maraudersmap_operator.resource.status import Pin

from .facts import Target
from .plan import NoteType
from .turn import Turn


def take_verbs(turn: Turn, annotations: Mapping[str, str]) -> None:
    """Act on what is new, apart from `promote` and `abort`, which wait in the turn for the rollout to take them."""
    if target := turn.observed.target:
        token = _new(annotations, ANNOTATION_RETRY, turn.status.tokens.retry)
        # Asked for in the middle of going back: what is to be tried again has to be over first.
        if token and not (turn.status.candidate and turn.status.candidate.doomed):
            _retry(turn, target)
            _stored(turn, retry=token)
        if token := _new(annotations, ANNOTATION_ROLLBACK_TO, turn.status.tokens.rollback_to):
            _rollback_to(turn, target, token.split("/", 1)[0])
            _stored(turn, rollback_to=token)
    if token := _new(annotations, ANNOTATION_RESTART, turn.status.tokens.restart):
        turn.note(NoteType.NORMAL, "Restarting", "The pods are exchanged one at a time: hogwarts.edu/restart")
        _stored(turn, restart=token)
    turn.abort = _new(annotations, ANNOTATION_ABORT, turn.status.tokens.abort)
    turn.promote = _new(annotations, ANNOTATION_PROMOTE, turn.status.tokens.promote)
    # What cannot act now is spent: an old token must not hit a later rollout.
    if turn.status.candidate is None and take_promote(turn):
        turn.note(NoteType.NORMAL, "NothingToPromote", "No rollout is on")
    if (turn.status.candidate is None or turn.status.stable is None) and take_abort(turn):
        turn.note(
            NoteType.NORMAL, "NothingToAbort", "No rollout is on, or there is no revision to go back to"
        )
    if turn.observed.target:
        _follow_pin(turn, turn.observed.target)


def take_abort(turn: Turn) -> bool:
    """True once for a new value of the abort annotation."""
    token, turn.abort = turn.abort, ""
    if token:
        turn.learn(tokens=turn.status.tokens.model_copy(update={"abort": token}))
    return bool(token)


def take_promote(turn: Turn) -> bool:
    """True once for a new value of the promote annotation."""
    token, turn.promote = turn.promote, ""
    if token:
        _stored(turn, promote=token)
    return bool(token)


def _new(annotations: Mapping[str, str], name: str, known: str) -> str:
    token = annotations.get(name, "")
    return token if token != known else ""


def _stored(turn: Turn, **tokens: str) -> None:
    turn.update(tokens=turn.status.tokens.model_copy(update=tokens))


def _retry(turn: Turn, target: Target) -> None:
    kept = tuple(r for r in turn.status.rejected if r.revision != target.revision)
    if len(kept) != len(turn.status.rejected) or turn.status.hold or turn.status.pin:
        turn.note(NoteType.NORMAL, "Retry", f"Revision {target.revision} gets another try")
    turn.retry = True
    turn.update(rejected=kept, hold=None, pin=None)


def _rollback_to(turn: Turn, target: Target, revision: str) -> None:
    known = turn.observed.recorded
    if revision not in known:
        names = ", ".join(sorted(known)) or "none"
        turn.note(
            NoteType.WARNING,
            "UnknownRevision",
            f"Revision {revision!r} is not recorded; recorded are {names}",
        )
        return
    kept = tuple(r for r in turn.status.rejected if r.revision != revision)
    pin = Pin(revision=revision, against=target.revision)
    turn.update(pin=pin, rejected=kept, hold=None)
    turn.note(NoteType.NORMAL, "RollingBackTo", f"Going to revision {revision} ({known[revision].image})")


def _follow_pin(turn: Turn, target: Target) -> None:
    """Let a pinned revision stand for the target, for as long as the spec asks for what it was pinned against."""
    pin = turn.status.pin
    if pin is None:
        return
    recorded = turn.observed.recorded.get(pin.revision)
    if pin.against != target.revision or pin.revision == target.revision or recorded is None:
        turn.update(pin=None)
        return
    # Migrations never run backwards: the schema of the newer revision serves the older as well.
    turn.observed = replace(turn.observed, target=Target(pin.revision, recorded.image), migration=None)
