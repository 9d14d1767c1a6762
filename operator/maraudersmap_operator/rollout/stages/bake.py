"""All traffic is on the candidate; it is watched for a while before stable is retired."""

from __future__ import annotations

from datetime import timedelta

from maraudersmap_operator.resource.policy import Strategy
from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status import CandidateRevision, Outcome
from maraudersmap_operator.resource.status_control import StableRevision

from ..actions import Deploy, NoteType, ScaleTo
from ..commands import take_promote
from ..context import SOON, Turn
from ..facts import RevisionFacts
from ..stable import clear_others, resize, restore_traffic
from ..verdict.case import Doomed
from ..verdict.deadline import late, why_not_ready
from .act_on_verdict import case_of, judge_under_traffic, sentence
from .analysis_gate import enough


def bake(turn: Turn, candidate: CandidateRevision, stable: StableRevision) -> None:
    """Hold both revisions, judge, and promote when the time is over."""
    restore_traffic(turn, candidate.revision)
    _keep_both(turn, candidate, stable)
    clear_others(turn, keep={stable.revision, candidate.revision})
    verdict = judge_under_traffic(turn)
    # After an exchange stable has no pods; it gets them back one batch at a time.
    way_back = turn.stable_facts.ready > 0 or candidate.strategy is Strategy.ROLLING
    if verdict and way_back:
        sentence(turn, verdict)
        return
    if not way_back:
        seen = f"{verdict.reason}: {verdict.message}" if verdict else f"{candidate.image} has all traffic"
        why = why_not_ready(turn.stable_facts, max(turn.stable_facts.size, 1))
        turn.block(Reason.NO_WAY_BACK, f"{seen}; there is no way back to {stable.image} now: {why}")
        turn.wake(SOON)
    if verdict:
        return
    end = candidate.step_started_at + timedelta(seconds=turn.spec.rollout.bake_seconds)
    if turn.observed.unremembered or (turn.spec.rollout.paused and not turn.emergency):
        turn.block_still(f"the rollout stays at {candidate.step}")
    elif turn.now < end and not turn.promote:
        turn.wake_at(end)
    elif _whole(turn, candidate, way_back):
        _end(turn, candidate, way_back)


def _keep_both(turn: Turn, candidate: CandidateRevision, stable: StableRevision) -> None:
    """Deployed and sized: the one that serves, and the one that traffic may go back to."""
    if candidate.revision not in turn.observed.revisions:
        turn.act(Deploy(candidate.revision))
    resize(turn, candidate.revision)
    if candidate.strategy is Strategy.ROLLING:
        return
    if stable.revision not in turn.observed.revisions:
        turn.act(Deploy(stable.revision))
    spec = turn.spec
    least = spec.autoscaling.min_replicas if spec.autoscaling.enabled else spec.replicas
    if turn.stable_facts.size < least:
        turn.act(ScaleTo(stable.revision, least))


def _whole(turn: Turn, candidate: CandidateRevision, way_back: bool) -> bool:
    """True when all that the bake may end with is there; a deadline ends the wait for pods."""
    facts = turn.facts(candidate.revision)
    wanted = _wanted(turn, candidate, facts)
    if facts.ready >= wanted:
        if turn.route_left():
            return True
        turn.block(
            Reason.WAITING_FOR_ROUTE, "the Gateway has yet to stop sending requests to the preview Service"
        )
        turn.wake(SOON)
        return False
    bake, patience = turn.spec.rollout.bake_seconds, turn.spec.rollout.progress_deadline_seconds
    deadline = candidate.step_started_at + timedelta(seconds=bake + patience)
    message = f"{why_not_ready(facts, wanted)}; the bake ends once {wanted} pods are ready"
    if turn.now < deadline:
        turn.wake_at(deadline)
    elif not way_back and facts.ready:
        # What has proven itself serves, and nothing else could.
        return True
    elif way_back and (found := late(case_of(turn, wanted), Reason.PROGRESS_DEADLINE_EXCEEDED, message)):
        sentence(turn, found)
        return False
    if not turn.blocked:
        turn.block(Reason.WAITING_FOR_PODS, message)
    turn.wake(SOON)
    return False


def _wanted(turn: Turn, candidate: CandidateRevision, facts: RevisionFacts) -> int:
    """What an autoscaler wants beyond what served before is between it and the nodes."""
    size = max(facts.size, 1)
    return min(size, candidate.full_size) if turn.spec.autoscaling.enabled and candidate.full_size else size


def _end(turn: Turn, candidate: CandidateRevision, way_back: bool) -> None:
    if take_promote(turn) or turn.emergency:
        promote(turn, candidate)
        return
    known = enough(turn) if turn.spec.rollout.bake_seconds else True
    if isinstance(known, Doomed) and way_back:
        sentence(turn, known)
    elif known is True:
        promote(turn, candidate)


def promote(turn: Turn, candidate: CandidateRevision) -> None:
    """The candidate is the stable revision from now on."""
    turn.close(candidate, Outcome.PROMOTED)
    turn.settle_on(candidate)
    turn.note(
        NoteType.NORMAL, Reason.PROMOTED, f"Revision {candidate.revision} ({candidate.image}) is stable"
    )
    turn.unblock()
    turn.wake(SOON)
