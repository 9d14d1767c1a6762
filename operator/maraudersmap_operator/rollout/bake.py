"""All traffic is on the candidate; it is watched for a while before stable is retired."""

from __future__ import annotations

from datetime import timedelta

from maraudersmap_operator.resource.policy import Strategy
from maraudersmap_operator.resource.status import CandidateRevision, Outcome, StableRevision

from .compare import enough
from .judge import judge_under_traffic, sentence
from .plan import NoteType
from .steady import clear_others, resize, restore_traffic
from .turn import SOON, Turn
from .verbs import take_promote
from .verdict import Doomed


def bake(turn: Turn, candidate: CandidateRevision, stable: StableRevision) -> None:
    facts = turn.facts(candidate.revision)
    restore_traffic(turn, candidate.revision)
    resize(turn, candidate.revision)
    clear_others(turn, keep={stable.revision, candidate.revision})
    verdict = judge_under_traffic(turn)
    # After an exchange stable has no pods; it gets them back one batch at a time.
    way_back = turn.stable_facts.ready > 0 or candidate.strategy is Strategy.ROLLING
    end = candidate.step_started_at + timedelta(seconds=turn.spec.rollout.bake_seconds)
    if verdict and way_back:
        sentence(turn, verdict)
    elif turn.now < end and not (turn.promote and not turn.spec.rollout.paused):
        turn.wake_at(end)
    elif facts.ready < max(facts.size, 1) or not turn.route_left():
        turn.wake(SOON)
    elif take_promote(turn):
        promote(turn, candidate)
    else:
        known = enough(turn) if turn.spec.rollout.bake_seconds else True
        if isinstance(known, Doomed) and way_back:
            sentence(turn, known)
        elif known is True:
            promote(turn, candidate)


def promote(turn: Turn, candidate: CandidateRevision) -> None:
    """The candidate is the stable revision from now on."""
    turn.close(candidate, Outcome.PROMOTED)
    turn.settle_on(candidate)
    turn.note(NoteType.NORMAL, "Promoted", f"Revision {candidate.revision} ({candidate.image}) is stable")
    turn.wake(SOON)
