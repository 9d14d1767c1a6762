"""The verbs that ask for something: whether it makes sense now, and the one patch that asks for it.

Pure. What is not desired state is asked for by an annotation with a token that no earlier request had, so each request acts
once. Pausing is desired state and lives in the spec: who keeps the spec in Git sets it there.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, assert_never

from maraudersmap_operator.resource.names import (
    ANNOTATION_ABORT,
    ANNOTATION_PROMOTE,
    ANNOTATION_RESTART,
    ANNOTATION_RETRY,
    ANNOTATION_ROLLBACK_TO,
)
from maraudersmap_operator.resource.place import HELD
from maraudersmap_operator.resource.status import ConditionType
from maraudersmap_operator.resource.status_candidate import Step
from maraudersmap_operator.resource.status_outcomes import Outcome

from .snapshot import Record, Snapshot


class Verb(StrEnum):
    PROMOTE = "promote"
    ABORT = "abort"
    RETRY = "retry"
    UNDO = "undo"
    PAUSE = "pause"
    RESUME = "resume"
    RESTART = "restart"


# Annotation -> the field of status.tokens with the last value acted upon.
TOKENS = {
    ANNOTATION_PROMOTE: "promote",
    ANNOTATION_ABORT: "abort",
    ANNOTATION_RETRY: "retry",
    ANNOTATION_ROLLBACK_TO: "rollback_to",
    ANNOTATION_RESTART: "restart",
}


class CannotAct(Exception):
    """The request makes no sense now; the message has the reason and a way out."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to write. An empty patch: it is as asked already."""

    patch: dict[str, Any]
    message: str
    token_name: str = (
        ""  # field of status.tokens that shows that the operator acted; empty for a change of the spec
    )
    token: str = ""
    at_once: bool = True  # False: the operator takes it up only when the rollout has come to it


def request(verb: Verb, snapshot: Snapshot, token: str, to: str | None = None) -> Request:
    """The patch for a verb. `token` is fresh; `to` is undo's revision or number. Raises CannotAct."""
    if snapshot.deleting:
        raise CannotAct(f"{snapshot.full_name} is being deleted")
    if snapshot.newer and verb not in (Verb.PAUSE, Verb.RESUME):
        raise CannotAct(f"whether this can be asked for now is not known: {snapshot.newer}")
    match verb:
        case Verb.PROMOTE:
            return _promote(snapshot, token)
        case Verb.ABORT:
            return _abort(snapshot, token)
        case Verb.RETRY:
            return _retry(snapshot, token)
        case Verb.UNDO:
            return _undo(snapshot, token, to)
        case Verb.PAUSE:
            return _pause(snapshot, paused=True)
        case Verb.RESUME:
            return _pause(snapshot, paused=False)
        case Verb.RESTART:
            return _restart(snapshot, token)
        case unreachable:
            assert_never(unreachable)


def acted_upon(asked: Request, snapshot: Snapshot) -> bool:
    """True when the operator has taken the request up, as its status shows."""
    if not asked.token_name:
        return snapshot.observed
    return _last(snapshot, asked.token_name).endswith(asked.token)


def pending(snapshot: Snapshot) -> bool:
    """True while a request by annotation waits for the operator, or the spec is newer than the status."""
    asked = {field: snapshot.annotations.get(annotation, "") for annotation, field in TOKENS.items()}
    return not snapshot.observed or any(v and v != _last(snapshot, f) for f, v in asked.items())


def _last(snapshot: Snapshot, token_name: str) -> str:
    return str(getattr(snapshot.status.tokens, token_name))


def _ask(annotation: str, value: str, message: str, token: str, *, at_once: bool = True) -> Request:
    patch = {"metadata": {"annotations": {annotation: value}}}
    return Request(patch, message, TOKENS[annotation], token, at_once)


def _promote(snapshot: Snapshot, token: str) -> Request:
    candidate = snapshot.status.candidate
    hold = snapshot.status.hold
    if candidate is None and hold is not None and hold.reason == "StableDisturbed" and not snapshot.paused:
        message = f"asked to try {hold.revision} in spite of what held it: {hold.message}"
        return _ask(ANNOTATION_PROMOTE, f"{hold.revision}/{HELD}/{token}", message, token)
    if candidate is None:
        raise CannotAct(f"nothing is on trial in {snapshot.full_name}: {_situation(snapshot)}")
    if candidate.verdict is not None:
        raise CannotAct(
            f"{candidate.revision} ({candidate.image}) is being taken back for {candidate.verdict.reason}: "
            f"{candidate.verdict.message}"
        )
    if snapshot.paused:
        raise CannotAct(f"{snapshot.full_name} is paused, and so is every promotion: `resume` it first")
    message = f"asked to promote {candidate.revision} ({candidate.image}) from step {candidate.step}"
    ready = snapshot.status.condition(ConditionType.READY)
    at_once = candidate.step is Step.BAKING or (ready is not None and ready.reason == "WaitingForPromotion")
    if not at_once:
        message += "; it counts once all its pods have proven themselves out of traffic"
    # With the step's name, so that pressing twice is pressing once.
    value = f"{candidate.revision}/{candidate.place}/{token}"
    return _ask(ANNOTATION_PROMOTE, value, message, token, at_once=at_once)


def _abort(snapshot: Snapshot, token: str) -> Request:
    candidate, stable = snapshot.status.candidate, snapshot.status.stable
    if candidate is None:
        raise CannotAct(f"nothing is on trial in {snapshot.full_name}: {_situation(snapshot)}")
    if stable is None:
        raise CannotAct(
            f"{candidate.revision} ({candidate.image}) is the first revision: there is nothing to go back to; "
            "change the spec, or set spec.suspend"
        )
    if candidate.verdict is not None:
        raise CannotAct(f"{candidate.revision} is being taken back already, for {candidate.verdict.reason}")
    message = f"asked to take {candidate.revision} ({candidate.image}) back; {stable.image} serves"
    return _ask(ANNOTATION_ABORT, token, message, token)


def _retry(snapshot: Snapshot, token: str) -> Request:
    status = snapshot.status
    entry = snapshot.rejection
    if entry is not None:
        message = f"asked to try {entry.revision} ({entry.image}) again; it was rejected for {entry.reason}"
        return _ask(ANNOTATION_RETRY, token, message, token)
    if status.hold is not None:
        message = f"asked to try {status.hold.revision} again now; it is held for {status.hold.reason}"
        return _ask(ANNOTATION_RETRY, token, message, token)
    if (pin := status.pin) is not None:
        message = f"asked to go on with {pin.against}, which the spec asks for, instead of {pin.revision}"
        return _ask(ANNOTATION_RETRY, token, message, token)
    others = ", ".join(f"{r.revision} ({r.image})" for r in status.rejected)
    hint = f". Rejected earlier: {others}; set the spec back to one of them first" if others else ""
    raise CannotAct(
        f"nothing is rejected or held that {snapshot.full_name} asks for: {_situation(snapshot)}{hint}"
    )


def _undo(snapshot: Snapshot, token: str, to: str | None) -> Request:
    status = snapshot.status
    if snapshot.records is None:
        raise CannotAct("undo needs to list controllerrevisions, which you may not do in this namespace")
    if status.stable is None:
        raise CannotAct(f"{snapshot.full_name} has no stable revision yet: {_situation(snapshot)}")
    if to is None and status.candidate is not None:
        raise CannotAct(
            f"{status.candidate.revision} is still on trial: `abort` takes it back, `undo --to` names another goal"
        )
    record = find_record(snapshot, to) if to is not None else _previous(snapshot)
    if status.candidate is not None and status.candidate.revision == record.revision:
        raise CannotAct(f"{record.revision} ({record.image}) is on trial already")
    if status.candidate is None and record.revision == status.stable.revision == status.serving:
        raise CannotAct(f"{record.revision} ({record.image}) is the stable revision already")
    message = f"asked to go back to {record.revision} (number {record.number}, {record.image})"
    if (entry := status.rejection(record.revision)) is not None:
        message += f"; it was rejected for {entry.reason} and is tried again"
    return _ask(ANNOTATION_ROLLBACK_TO, f"{record.revision}/{token}", message, token)


def find_record(snapshot: Snapshot, wanted: str) -> Record:
    """By hash, by the unambiguous beginning of one, or by number. Raises CannotAct with those that exist."""
    records = snapshot.records or ()
    found = [r for r in records if wanted == r.revision or wanted == str(r.number)]
    found = found or [r for r in records if wanted and r.revision.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(f"{r.revision} (number {r.number})" for r in reversed(records)) or "none"
    problem = "is not a recorded revision" if not found else "is the beginning of several revisions"
    raise CannotAct(f"{wanted!r} {problem} of {snapshot.full_name}; recorded: {known}")


def _previous(snapshot: Snapshot) -> Record:
    """The one that was stable before the stable one."""
    status = snapshot.status
    stable = status.stable.revision if status.stable else ""
    promoted = [h.revision for h in status.history if h.outcome is Outcome.PROMOTED and h.revision != stable]
    for revision in promoted:
        if (record := snapshot.record(revision)) is not None:
            return record
    raise CannotAct(
        f"no revision before {stable} is recorded that was ever stable; `kubectl marauders history "
        f"{snapshot.name}` shows what there is, `undo --to` chooses"
    )


def _pause(snapshot: Snapshot, *, paused: bool) -> Request:
    if snapshot.paused == paused:
        already = "paused already" if paused else "not paused"
        return Request({}, f"{snapshot.full_name} is {already}")
    state = "paused: no new revision goes further" if paused else "resumed: rollouts go on"
    return Request({"spec": {"rollout": {"paused": paused}}}, f"{snapshot.full_name} {state}")


def _restart(snapshot: Snapshot, token: str) -> Request:
    if snapshot.suspended:
        raise CannotAct(f"{snapshot.full_name} is suspended: no pods run; set spec.suspend to false")
    if snapshot.status.stable is None and snapshot.status.candidate is None:
        raise CannotAct(f"{snapshot.full_name} has no pods yet: {_situation(snapshot)}")
    message = f"asked to replace the pods of {snapshot.full_name} one after the other"
    return _ask(ANNOTATION_RESTART, token, message, token)


def _situation(snapshot: Snapshot) -> str:
    """One sentence on where it stands."""
    status = snapshot.status
    if snapshot.rejection is not None:
        entry = snapshot.rejection
        return f"{entry.revision} ({entry.image}) was rejected for {entry.reason}; `retry` tries it again"
    if status.pin is not None:
        return f"{status.pin.revision} is wanted by an earlier `undo`; `retry` goes on with what the spec asks for"
    if status.hold is not None:
        return f"{status.hold.revision} is held for {status.hold.reason}; `retry` tries it again now"
    if status.stable is not None and status.phase is not None and not status.message:
        return f"{status.stable.revision} is stable"
    return status.message or "the operator has not seen it yet"
