"""Going back: an ordered list of idempotent tasks (DESIGN.md 4).

Traffic to stable -> seen in the endpoints -> ledger entry stored -> the candidate's pods go. Traffic before scale, memory
before scale: whoever dies in between finds, in the status and in the Service, where to go on.
"""

from __future__ import annotations

from maraudersmap_operator.resource.status import (
    MAX_REJECTED,
    CandidateRevision,
    Doom,
    Outcome,
    RejectedRevision,
    StableRevision,
)

from .plan import NoteType, Retire, ScaleTo, StoreStatus
from .turn import SOON, Turn, seconds
from .verdict import Doomed


def condemn(turn: Turn, candidate: CandidateRevision, verdict: Doomed) -> None:
    """Remember the verdict, then start to carry it out."""
    doom = Doom(reason=verdict.reason, message=verdict.message, detected_at=turn.now)
    turn.update_candidate(doomed=doom)
    detect = seconds(turn.now - candidate.started_at)
    turn.note(
        NoteType.WARNING,
        verdict.reason,
        f"Revision {candidate.revision} ({candidate.image}) is bad, seen after {detect} s: {verdict.message}",
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
    turn.update(rejected=(entry, *others)[:MAX_REJECTED])
    turn.close(candidate, Outcome.ROLLED_BACK, doom.reason)
    turn.act(StoreStatus())
    turn.act(Retire(candidate.revision))
    turn.note(
        NoteType.WARNING,
        "RolledBack",
        f"Rolled back from {candidate.revision} ({candidate.image}) to {stable.revision} ({stable.image}) "
        f"after {entry.restore_seconds} s: {doom.reason}. It is not tried again until the spec changes "
        f"or hogwarts.edu/retry gets a new value",
    )


def abandon(turn: Turn, outcome: Outcome) -> None:
    """The spec has moved on from the candidate: leave it, without a word in the ledger."""
    candidate, stable = turn.status.candidate, turn.status.stable
    assert candidate is not None
    if stable is not None and not _traffic_is_on(turn, stable, candidate):
        return
    turn.close(candidate, outcome)
    turn.act(StoreStatus())
    if candidate.revision != turn.serving:
        turn.act(Retire(candidate.revision))
    turn.note(
        NoteType.NORMAL,
        str(outcome),
        f"Left revision {candidate.revision} ({candidate.image}): the spec changed",
    )
    turn.wake(SOON)


def _traffic_is_on(turn: Turn, stable: StableRevision, candidate: CandidateRevision) -> bool:
    """Send traffic to stable; True once the endpoints agree. Never takes it from ready pods to give it to none."""
    if turn.serving != stable.revision:
        facts, serving = turn.stable_facts, turn.facts(turn.serving)
        if facts.ready == 0 and serving.ready > 0:
            turn.block(
                "StableNotReady", f"the stable revision {stable.revision} has no ready pod to go back to"
            )
            turn.wake(SOON)
            return False
        if facts.size < serving.size:
            # The autoscaler may have grown the candidate since the switch; stable must carry the same load.
            turn.act(ScaleTo(stable.revision, serving.size))
        turn.route(stable.revision)
    if not turn.endpoints_left(candidate.revision):
        turn.wake(SOON)
        return False
    return True
