"""Going back: an ordered list of idempotent tasks.

Traffic to stable -> seen in the endpoints -> ledger entry stored -> the candidate's pods go. Traffic before scale, memory
before scale: whoever dies in between finds, in the status and in the Service, where to go on.
"""

from __future__ import annotations

from datetime import timedelta

from maraudersmap_operator.resource.names import SHARED
from maraudersmap_operator.resource.policy import Strategy
from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status import (
    MAX_REJECTED,
    CandidateRevision,
    Doom,
    Hold,
    Outcome,
    RejectedRevision,
)
from maraudersmap_operator.resource.status_control import StableRevision

from .actions import Deploy, KeepEvidence, NoteType, Retire, ScaleTo, StoreStatus
from .context import SOON, Turn, seconds
from .stable import hold_stable, may_take_traffic
from .strategy import batch_size, wanted_size
from .verdict.case import Doomed, Environment
from .verdict.control_group import controlled, disturbed
from .verdict.pod_failures import shorten

# Verdicts from lost readiness under traffic: the only ones that a shared cause, a moment later, can overturn.
UNDER_TRAFFIC = frozenset({Reason.NOT_READY_AFTER_PROMOTION})
SECOND_THOUGHT_MOST = timedelta(seconds=15)
HOLD_FIRST = timedelta(seconds=30)
HOLD_MOST = timedelta(minutes=30)
# What users have met and lost again is tried by itself only so often.
TRAFFIC_RETRIES = 2


def condemn(turn: Turn, candidate: CandidateRevision, verdict: Doomed | Environment) -> None:
    """Remember the verdict, then start to carry it out."""
    environment = isinstance(verdict, Environment)
    turn.unblock()  # what it was waiting for is of no interest any more
    turn.learn_candidate(
        doomed=Doom(
            reason=verdict.reason, message=verdict.message, detected_at=turn.now, environment=environment
        )
    )
    found = "cannot be tried here and now" if environment else "is bad"
    turn.note(
        NoteType.WARNING,
        verdict.reason,
        f"Revision {candidate.revision} ({candidate.image}) {found}, seen after "
        f"{seconds(turn.now - candidate.started_at)} s: {verdict.message}",
    )
    roll_back(turn)


def roll_back(turn: Turn) -> None:
    """Carry a verdict out, as far as it can go in this pass."""
    candidate, stable = turn.status.candidate, turn.status.stable
    assert candidate is not None
    assert candidate.doomed is not None
    assert stable is not None
    if not _traffic_is_on(turn, stable, candidate):
        return
    doom = candidate.doomed
    if not doom.environment and doom.reason in UNDER_TRAFFIC and not _second_thought(turn, candidate, doom):
        return
    doom = turn.status.candidate.doomed if turn.status.candidate and turn.status.candidate.doomed else doom
    if doom.environment:
        _withdraw(turn, candidate, doom)
    else:
        _reject(turn, candidate, stable, doom)


def _second_thought(turn: Turn, candidate: CandidateRevision, doom: Doom) -> bool:
    """Users are safe by now. Has stable lost readiness too, only a probe later? Then it was not the candidate.

    True when the verdict is final.
    """
    if suffering := disturbed(candidate, turn.stable_facts, turn.now):
        _acquit(turn, doom, Reason.STABLE_DISTURBED, suffering)
        return True
    if not controlled(candidate, turn.stable_facts) and _recovered(turn, candidate):
        # It fell with nobody beside it, and is well beside stable: whatever ailed it may have ailed both.
        _acquit(
            turn,
            doom,
            Reason.NO_CONTROL_GROUP,
            f"{doom.message}; no pod of the stable revision was there to compare with, and it is ready again",
        )
        return True
    period = turn.spec.probes.readiness.period_seconds * turn.spec.probes.readiness.failure_threshold
    final = doom.detected_at + min(timedelta(seconds=period), SECOND_THOUGHT_MOST)
    if turn.now < final:
        turn.wake_at(final)
        return False
    return True


def _acquit(turn: Turn, doom: Doom, reason: Reason, message: str) -> None:
    """What was seen is no evidence against the revision: it goes, and is tried again."""
    turn.learn_candidate(
        doomed=doom.model_copy(update={"environment": True, "reason": reason, "message": shorten(message)})
    )


def _recovered(turn: Turn, candidate: CandidateRevision) -> bool:
    facts = turn.facts(candidate.revision)
    return 0 < facts.size <= facts.ready


def _reject(turn: Turn, candidate: CandidateRevision, stable: StableRevision, doom: Doom) -> None:
    entry = RejectedRevision(
        revision=candidate.revision,
        image=candidate.image,
        reason=doom.reason,
        message=doom.message,
        rejected_at=turn.now,
        detect_seconds=seconds(doom.detected_at - candidate.started_at),
        restore_seconds=seconds(turn.now - candidate.started_at),
    )
    others = tuple(r for r in turn.status.rejected if r.revision != candidate.revision)
    turn.update(rejected=(entry, *others)[:MAX_REJECTED], hold=None)
    turn.close(candidate, Outcome.ROLLED_BACK, doom.reason)
    turn.act(KeepEvidence(candidate.revision), StoreStatus(), Retire(candidate.revision))
    turn.note(
        NoteType.WARNING,
        Reason.ROLLED_BACK,
        f"Rolled back from {candidate.revision} ({candidate.image}) to {stable.revision} ({stable.image}) "
        f"after {entry.restore_seconds} s: {doom.reason}. It is not tried again until the spec changes "
        f"or hogwarts.edu/retry gets a new value",
    )


def _withdraw(turn: Turn, candidate: CandidateRevision, doom: Doom) -> None:
    """Take it away without a word in the ledger, and try again later, less and less often."""
    before = turn.status.hold
    attempts = before.attempts + 1 if before and before.revision == candidate.revision else 1
    pause = min(HOLD_FIRST * 2 ** min(attempts - 1, 10), HOLD_MOST)
    in_traffic = (before.traffic_attempts if before and attempts > 1 else 0) + candidate.had_traffic
    stuck = in_traffic > TRAFFIC_RETRIES
    hold = Hold(
        revision=candidate.revision,
        reason=doom.reason,
        message=doom.message,
        attempts=attempts,
        retry_at=turn.now + pause,
        traffic_attempts=in_traffic,
        stuck=stuck,
    )
    turn.update(hold=hold)
    turn.close(candidate, Outcome.WITHDRAWN, doom.reason)
    turn.act(StoreStatus(), Retire(candidate.revision))
    turn.note(
        NoteType.WARNING,
        Reason.WITHDRAWN,
        f"Withdrew {candidate.revision} ({candidate.image}): {doom.reason}. "
        + (
            f"It had traffic in {in_traffic} tries and waits for a new value of hogwarts.edu/retry, or another spec"
            if stuck
            else f"It is tried again in {pause.total_seconds():.0f} s"
        ),
    )
    turn.wake_at(hold.retry_at)


def abandon(turn: Turn, outcome: Outcome) -> None:
    """The spec has moved on from the candidate: leave it, without a word in the ledger."""
    candidate, stable = turn.status.candidate, turn.status.stable
    assert candidate is not None
    if turn.status.barrier and turn.serving == candidate.revision:
        # There is no way back past its schema: what serves is what the next revision is measured against.
        turn.close(candidate, outcome)
        turn.settle_on(candidate)
        turn.act(StoreStatus())
        turn.wake(SOON)
        return
    if stable is not None and not _traffic_is_on(turn, stable, candidate):
        return
    turn.close(candidate, outcome)
    turn.act(StoreStatus())
    if candidate.revision != turn.serving:
        turn.act(Retire(candidate.revision))
    turn.note(
        NoteType.NORMAL,
        Reason(outcome),
        f"Left revision {candidate.revision} ({candidate.image}): the spec changed",
    )
    turn.wake(SOON)


def _traffic_is_on(turn: Turn, stable: StableRevision, candidate: CandidateRevision) -> bool:
    """Send traffic to stable; True once the endpoints agree. Never takes it from ready pods to give it to none."""
    if candidate.strategy is Strategy.ROLLING and turn.serving in (SHARED, candidate.revision):
        if not _exchange_back(turn, candidate, stable):
            return False
    else:
        hold_stable(turn, stable)
    if turn.serving != stable.revision or turn.weight:
        facts, serving = turn.stable_facts, turn.facts(turn.serving)
        if not may_take_traffic(turn, stable.revision):
            turn.block(
                Reason.STABLE_NOT_READY,
                f"the stable revision {stable.revision} has no ready pod to go back to",
            )
            turn.wake(SOON)
            return False
        if facts.size < serving.size:
            # The autoscaler may have grown the candidate since the switch; stable must carry the same load.
            turn.act(ScaleTo(stable.revision, serving.size))
        turn.weigh(0)
        turn.route(stable.revision)
    if not turn.endpoints_left(candidate.revision):
        turn.block(
            Reason.GOING_BACK,
            f"traffic is on its way to {stable.revision}: {turn.why_not_left(candidate.revision)}",
        )
        turn.wake(SOON)
        return False
    return True


def _exchange_back(turn: Turn, candidate: CandidateRevision, stable: StableRevision) -> bool:
    """The same the other way round; True when stable is whole again and may have all traffic."""
    if stable.revision not in turn.observed.revisions:
        turn.act(Deploy(stable.revision))
    new, old = turn.facts(candidate.revision), turn.stable_facts
    full = candidate.full_size or wanted_size(turn.spec, old.size)
    if turn.serving == candidate.revision and new.size > full:
        # The autoscaler has grown the candidate since it got all traffic; stable must carry the same load.
        full = new.size
        turn.update_candidate(full_size=full)
    if old.ready >= full:
        return True
    turn.route(SHARED)
    if (wanted := min(full, old.ready + batch_size(full))) > old.size:
        turn.act(ScaleTo(stable.revision, wanted))
    # Pods that are not ready answer nobody: they make room first.
    keep = min(new.size, max(full - old.ready, 0), max(new.ready, 1))
    if keep < new.size:
        turn.act(ScaleTo(candidate.revision, keep))
    turn.block(
        Reason.GOING_BACK,
        f"{old.ready} of {full} pods of {stable.revision} are ready again; the exchange is undone in batches",
    )
    turn.wake(SOON)
    return False
