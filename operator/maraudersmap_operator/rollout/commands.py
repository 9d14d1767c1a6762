"""Commands: annotations that ask for something once. Any new value acts; the value is stored with its effect.

One that cannot act yet waits, and is void once the spec asks for something else.

hogwarts.edu/retry        forget the rejection, or the wait, of what the spec asks for
hogwarts.edu/rollback-to  `<revision>/<token>`: go to an earlier revision until the spec asks for something else
hogwarts.edu/abort        give the rollout up, as if it had been found bad
hogwarts.edu/promote      go on from where the rollout waits, or end the bake now: `<revision>/<step>/<token>`, or any token
hogwarts.edu/restart      exchange the pods of every revision in place, one at a time
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from maraudersmap_operator.resource.names import (
    ANNOTATION_ABORT,
    ANNOTATION_PROMOTE,
    ANNOTATION_RESTART,
    ANNOTATION_RETRY,
    ANNOTATION_ROLLBACK_TO,
    GROUP,
)
from maraudersmap_operator.resource.place import HELD, order_of
from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status_candidate import CandidateRevision
from maraudersmap_operator.resource.status_verbs import Pin, WaitingVerb

from .context import Context
from .facts import TargetRevision
from .revision import revision_hash, revision_inputs
from .strategy import stages, waiting_places

# Two bare tokens this close to each other are one person pressing twice.
PRESS_PAUSE = timedelta(seconds=10)
# A longer value is stored by its beginning, which may name a revision and a place, and a digest of it all.
LONGEST_TOKEN = 256
DIGEST = 16


def take_commands(context: Context, annotations: Mapping[str, str]) -> None:
    """Act on what is new, apart from `promote` and `abort`, which wait in the turn for the rollout to take them."""
    target = context.observed.target
    if token := _new(annotations, ANNOTATION_RETRY, context.status.tokens.retry):
        # Asked for in the middle of going back: what is to be tried again has to be over first.
        over = not (context.status.candidate and context.status.candidate.verdict)
        if _is_void(context, "retry", token):
            _give_up(context, "retry", token)
        elif target and over:
            _retry(context, target)
            _stored(context, retry=token)
        else:
            _wait_with(context, "retry", token)
    if token := _new(annotations, ANNOTATION_ROLLBACK_TO, context.status.tokens.rollback_to):
        if _is_void(context, "rollback-to", token):
            _give_up(context, "rollback-to", token)
        elif target:
            revision = token.split("/", 1)[0]
            if not _was_over(context, revision):
                _rollback_to(context, target, revision)
            _stored(context, rollback_to=token)
        else:
            _wait_with(context, "rollback-to", token)
    _forget_waiting(context, annotations)
    if token := _new(annotations, ANNOTATION_RESTART, context.status.tokens.restart):
        context.note(Reason.RESTARTING, f"The pods are exchanged one at a time: {ANNOTATION_RESTART}")
        _stored(context, restart=token)
    context.abort = _new(annotations, ANNOTATION_ABORT, context.status.tokens.abort)
    context.promote = _new(annotations, ANNOTATION_PROMOTE, context.status.tokens.promote)
    if (context.status.candidate is None or context.status.stable is None) and take_abort(context):
        context.note(
            Reason.NOTHING_TO_ABORT,
            "No rollout is on, or there is no revision to go back to",
        )
    if context.observed.target:
        _follow_pin(context, context.observed.target)
    if context.promote:
        _look_at_promote(context)


def _wait_with(context: Context, verb: str, token: str) -> None:
    """It cannot act now: note what it was asked of."""
    if any((w.verb, w.token) == (verb, token) for w in context.status.tokens.waiting):
        return
    others = tuple(w for w in context.status.tokens.waiting if w.verb != verb)
    _stored(context, waiting=(*others, WaitingVerb(verb=verb, token=token, asked_of=_asked_of(context))))


def _is_void(context: Context, verb: str, token: str) -> bool:
    """It waited, and what it was asked of is not what the spec asks for any more: its editor has decided since."""
    waited = [w for w in context.status.tokens.waiting if (w.verb, w.token) == (verb, token)]
    return bool(waited) and waited[0].asked_of != _asked_of(context)


def _give_up(context: Context, verb: str, token: str) -> None:
    _stored(context, **{verb.replace("-", "_"): token})
    context.warn(
        Reason.VERB_SUPERSEDED,
        f"{GROUP}/{verb} {token!r} could not act before the spec was changed, and is not acted upon any more",
    )


def _forget_waiting(context: Context, annotations: Mapping[str, str]) -> None:
    """Those that have acted, are void, or have been taken back."""
    tokens = context.status.tokens
    asked = {
        ("retry", _new(annotations, ANNOTATION_RETRY, tokens.retry)),
        ("rollback-to", _new(annotations, ANNOTATION_ROLLBACK_TO, tokens.rollback_to)),
    }
    waiting = tuple(w for w in tokens.waiting if (w.verb, w.token) in asked)
    if waiting != tokens.waiting:
        _stored(context, waiting=waiting)


def _asked_of(context: Context) -> str:
    return revision_hash(revision_inputs(context.spec))


def take_abort(context: Context) -> bool:
    """True once for a new value of the abort annotation."""
    token, context.abort = context.abort, ""
    if token:
        context.learn(tokens=context.status.tokens.model_copy(update={"abort": token}))
    return bool(token)


def take_promote(context: Context) -> bool:
    """True once for a new value of the promote annotation."""
    token, context.promote = context.promote, ""
    if token:
        _stored(context, promote=token, promoted_at=context.now)
    return bool(token)


def _look_at_promote(context: Context) -> None:
    """What cannot act, now or where the rollout next waits, is spent: an old token must not hit a later step."""
    candidate, hold = context.status.candidate, context.status.hold
    if context.now - (
        context.status.tokens.promoted_at or context.now - PRESS_PAUSE
    ) < PRESS_PAUSE and not _named(context):
        moot = "the last one was acted upon a moment ago"
    elif candidate is not None:
        moot = _moot(context, candidate)
    elif hold and hold.reason == Reason.STABLE_DISTURBED and _is_for(context, hold.revision):
        take_promote(context)
        context.override = True
        context.update(hold=None)
        context.warn(Reason.OVERRIDDEN, f"Promote overrides StableDisturbed: {hold.message}")
        return
    else:
        moot = "no rollout is on"
    if moot:
        _stored(context, promote=context.promote)
        context.promote = ""
        context.note(Reason.NOTHING_TO_PROMOTE, f"{ANNOTATION_PROMOTE} changes nothing: {moot}")


def _named(context: Context) -> tuple[str, str] | None:
    """Revision and place that the promote annotation names; None for a bare token."""
    revision, _, rest = context.promote.partition("/")
    place, slash, _ = rest.partition("/")
    return (revision, place) if slash and (place == HELD or order_of(place)) else None


def _is_for(context: Context, held: str) -> bool:
    target, named = context.observed.target, _named(context)
    return target is not None and held == target.revision and named in (None, (held, HELD))


def _moot(context: Context, candidate: CandidateRevision) -> str:
    """Why the token has nothing to act on any more; empty when it does."""
    if (named := _named(context)) is None:
        return ""
    revision, place = named
    if revision != candidate.revision:
        return f"it names {revision}, and {candidate.revision} is on trial"
    meant, here = order_of(place), order_of(candidate.place)
    if meant is None or here is None:
        return f"{revision} is held no longer"
    plan = stages(context.spec, candidate.strategy)
    waits = [order_of(p) for p in waiting_places(plan, candidate.strategy)]
    acts = min((w for w in waits if w and w >= meant), default=here)
    return f"{revision} is past {place}" if here > acts else ""


def _new(annotations: Mapping[str, str], name: str, known: str) -> str:
    token = _bounded(annotations.get(name, ""))
    # A release before this one has stored long values as they were.
    return token if token != _bounded(known) else ""


def _bounded(token: str) -> str:
    """What stands for the value: itself, unless it is too long for a status."""
    if len(token) <= LONGEST_TOKEN:
        return token
    digest = hashlib.sha256(token.encode()).hexdigest()[:DIGEST]
    return f"{token[: LONGEST_TOKEN - DIGEST - 1]}~{digest}"


def _stored(context: Context, **tokens: str | datetime | tuple[WaitingVerb, ...]) -> None:
    context.update(tokens=context.status.tokens.model_copy(update=tokens))


def _retry(context: Context, target: TargetRevision) -> None:
    kept = tuple(r for r in context.status.rejected if r.revision != target.revision)
    if len(kept) != len(context.status.rejected) or context.status.hold or context.status.pin:
        context.note(Reason.RETRY, f"Revision {target.revision} gets another try")
    context.retry = True
    context.update(rejected=kept, hold=None, pin=None)


def _was_over(context: Context, revision: str) -> bool:
    """The status is lost, and traffic is elsewhere: it was acted upon once, and the spec has moved on since."""
    return context.status_lost and not (context.serves_nowhere or context.reaches(revision))


def _rollback_to(context: Context, target: TargetRevision, revision: str) -> None:
    known = context.observed.recorded
    if revision not in known:
        names = ", ".join(sorted(known)) or "none"
        context.warn(
            Reason.UNKNOWN_REVISION,
            f"Revision {revision!r} is not recorded; recorded are {names}",
        )
        return
    asked = f"Going to revision {revision} ({known[revision].image}){_overridden(context, revision)}"
    kept = tuple(r for r in context.status.rejected if r.revision != revision)
    pin = Pin(revision=revision, against=target.revision)
    context.update(pin=pin, rejected=kept, hold=None)
    context.note(Reason.ROLLING_BACK_TO, asked)


def _overridden(context: Context, revision: str) -> str:
    """What would hold another rollout and does not hold this one, as the end of a sentence."""
    found = [f"its rejection for {r.reason}" for r in context.status.rejected if r.revision == revision]
    if context.spec.rollout.paused:
        found.append("spec.rollout.paused")
    if not context.spec.rollout.auto_promote:
        found.append("spec.rollout.autoPromote: false")
    if context.stable_facts.unready:
        found.append("that pods of the stable revision are not ready")
    return f", overriding {', '.join(found)}" if found else ""


def _follow_pin(context: Context, target: TargetRevision) -> None:
    """Let a pinned revision stand for the target, for as long as the spec asks for what it was pinned against."""
    pin = context.status.pin
    if pin is None:
        return
    image = _image_of(context, pin.revision)
    if pin.against != target.revision or pin.revision == target.revision or image is None:
        context.update(pin=None)
        return
    known = context.observed.migration
    context.observed = replace(
        context.observed,
        target=TargetRevision(pin.revision, image),
        migration=known if known is not None and known.revision == pin.revision else None,
    )


def _image_of(context: Context, revision: str) -> str | None:
    """Its image; None when nothing is left of it. While it is deployed, a record that is gone comes back from what runs."""
    status, observed = context.status, context.observed
    if (recorded := observed.recorded.get(revision)) is not None:
        return recorded.image
    known = (r.image for r in (status.stable, status.candidate) if r is not None and r.revision == revision)
    return next(known, "") if revision in observed.revisions else None
