"""The candidate's answers beside those of the stable revision: when to look, and what follows (docs/analysis.md)."""

from __future__ import annotations

from maraudersmap_operator import analysis
from maraudersmap_operator.analysis import Failed, Inconclusive, Passed
from maraudersmap_operator.resource.analysis import OnInconclusive
from maraudersmap_operator.resource.reasons import Reason

from ..actions import NoteType
from ..commands import take_promote
from ..context import Turn
from ..verdict.case import Doomed


def follow(turn: Turn) -> None:
    """Take over what the pods have answered, and ask for the next look. Starts with the rollout: a control group that
    loses its traffic in one go has to have been looked at before."""
    candidate, policy = turn.status.candidate, turn.spec.rollout.analysis
    assert candidate is not None
    if not policy.enabled or turn.status.stable is None:
        if candidate.analysis is not None:
            turn.update_candidate(analysis=None)
        return
    comparison = turn.observed.comparison or candidate.analysis or analysis.begin(turn.now)
    if comparison != candidate.analysis:
        turn.update_candidate(analysis=comparison)
    turn.wake(analysis.wait(comparison, policy, turn.now))


def start_anew(turn: Turn) -> None:
    """Traffic moves: what the candidate answered before says little about what comes."""
    candidate = turn.status.candidate
    if candidate and candidate.analysis:
        turn.update_candidate(analysis=analysis.anew(candidate.analysis, turn.now))


def worse(turn: Turn) -> Doomed | None:
    """The candidate has been found worse than the stable revision."""
    candidate = turn.status.candidate
    if candidate is None or candidate.analysis is None:
        return None
    match analysis.judge(candidate.analysis, turn.spec.rollout.analysis):
        case Failed(reason=reason, message=message):
            return Doomed(reason, message)
        case Passed() | Inconclusive():
            return None


def enough(turn: Turn) -> bool | Doomed:
    """Whether a step that had traffic may end with what is known of its answers."""
    candidate = turn.status.candidate
    if candidate is None or candidate.analysis is None:
        return True
    judgement = analysis.judge(candidate.analysis, turn.spec.rollout.analysis)
    if not isinstance(judgement, Inconclusive):
        return True
    match turn.spec.rollout.analysis.on_inconclusive:
        case OnInconclusive.PASS:
            turn.note(
                NoteType.NORMAL,
                Reason.ANALYSIS_INCONCLUSIVE,
                f"{candidate.image} goes on unjudged: {judgement.message}",
            )
            return True
        case OnInconclusive.FAIL:
            return Doomed(Reason.ANALYSIS_INCONCLUSIVE, judgement.message)
        case OnInconclusive.PAUSE:
            if take_promote(turn):
                return True
            turn.block(
                Reason.WAITING_FOR_PROMOTION,
                f"not enough is known of its answers ({judgement.message}): a new value of hogwarts.edu/promote goes on",
            )
            return False


def told(turn: Turn) -> str:
    """The comparison so far, in a sentence; empty while there is none."""
    candidate = turn.status.candidate
    if candidate is None or candidate.analysis is None or not turn.in_traffic(candidate.revision):
        return ""
    return analysis.judge(candidate.analysis, turn.spec.rollout.analysis).message
