"""All traffic is on the candidate; it is watched for a while before stable is retired."""

from __future__ import annotations

from datetime import timedelta

from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status_control import StableRevision
from maraudersmap_operator.resource.status_outcomes import Outcome

from ..commands import take_promote
from ..context import SOON, RolloutContext
from ..stable import clear_others, resize, restore_traffic
from ..strategy import batch_size
from ..verdict.case import Rejected
from ..verdict.deadline import missed_deadline, why_not_ready
from .act_on_verdict import case_of, go_back, judge_under_traffic, proven_pods
from .analysis_gate import GoOn, Wait, pass_gate


def bake(context: RolloutContext, stable: StableRevision) -> None:
    """Hold both revisions, judge, and promote when the time is over."""
    candidate = context.candidate
    restore_traffic(context, candidate.revision)
    _keep_both(context, stable)
    clear_others(context, keep={stable.revision, candidate.revision})
    verdict = judge_under_traffic(context)
    # After an exchange stable has no pods; it gets them back one batch at a time.
    way_back = context.stable_facts.ready > 0 or candidate.serves_alone
    if verdict and way_back:
        go_back(context, verdict)
        return
    if not way_back:
        seen = f"{verdict.reason}: {verdict.message}" if verdict else f"{candidate.image} has all traffic"
        why = why_not_ready(context.stable_facts, max(context.stable_facts.size, 1))
        context.block(Reason.NO_WAY_BACK, f"{seen}; there is no way back to {stable.image} now: {why}")
        context.wake(SOON)
    if verdict:
        return
    end = candidate.step_started_at + timedelta(seconds=context.spec.rollout.bake_seconds)
    if context.observed.unremembered or (context.spec.rollout.paused and not context.emergency):
        context.block_still(f"the rollout stays at {candidate.step}")
    elif context.now < end and not context.promote:
        context.wake_at(end)
    elif _wait_for_whole(context, way_back):
        _end(context, way_back)


def _keep_both(context: RolloutContext, stable: StableRevision) -> None:
    """Deployed and sized: the one that serves, and the one that traffic may go back to."""
    candidate = context.candidate
    context.deploy(candidate.revision)
    resize(context, candidate.revision)
    if candidate.serves_alone:
        _prepare_way_back(context, stable)
        return
    context.deploy(stable.revision)
    least = context.spec.wanted_size(0)
    if context.stable_facts.size < least:
        context.scale(stable.revision, least)


def _prepare_way_back(context: RolloutContext, stable: StableRevision) -> None:
    """After an exchange stable has no pods. Once a pod of the candidate has lost its readiness, a batch of stable's starts in
    the room that the exchange had: a verdict, seconds later, finds it ready. It stays until the bake has ended, unless a pod
    of the candidate needs its room: what users need comes first."""
    facts, size = context.candidate_facts, context.stable_facts.size
    if facts.create_error or any(p.unschedulable for p in facts.active):
        if size > 0:
            context.scale(stable.revision, 0)
        return
    allowed = context.spec.rollout.rollback.enabled and not context.status.barrier
    batch = batch_size(context.full_size)
    if allowed and facts.ready < proven_pods(context) and size < batch:
        context.deploy(stable.revision)
        context.scale(stable.revision, batch)


def _wait_for_whole(context: RolloutContext, way_back: bool) -> bool:
    """True when all that the bake may end with is there; a deadline ends the wait for pods."""
    candidate = context.candidate
    facts = context.candidate_facts
    wanted = _wanted(context)
    if facts.ready >= wanted:
        if not context.why_gateway_holds(candidate.step_started_at):
            return True
        context.block(
            Reason.WAITING_FOR_ROUTE, "the Gateway has yet to stop sending requests to the preview Service"
        )
        context.wake(SOON)
        return False
    bake, patience = context.spec.rollout.bake_seconds, context.spec.rollout.progress_deadline_seconds
    deadline = candidate.step_started_at + timedelta(seconds=bake + patience)
    message = f"{why_not_ready(facts, wanted)}; the bake ends once {wanted} pods are ready"
    if context.now < deadline:
        context.wake_at(deadline)
    elif not way_back and facts.ready:
        # What has proven itself serves, and nothing else could.
        return True
    elif way_back and (
        found := missed_deadline(case_of(context, wanted), Reason.PROGRESS_DEADLINE_EXCEEDED, message)
    ):
        go_back(context, found)
        return False
    if not context.blocked:
        context.block(Reason.WAITING_FOR_PODS, message)
    context.wake(SOON)
    return False


def _wanted(context: RolloutContext) -> int:
    """What an autoscaler wants beyond what served before is between it and the nodes."""
    served = context.candidate.memory.progress.full_size
    size = max(context.candidate_facts.size, 1)
    return min(size, served) if context.spec.autoscaling.enabled and served else size


def _end(context: RolloutContext, way_back: bool) -> None:
    if take_promote(context) or context.emergency:
        promote(context)
        return
    match pass_gate(context) if context.spec.rollout.bake_seconds else GoOn():
        case GoOn():
            promote(context)
        case Rejected() as rejected if way_back:
            go_back(context, rejected)
        case Rejected() | Wait():
            pass


def promote(context: RolloutContext) -> None:
    """The candidate is the stable revision from now on."""
    candidate = context.candidate
    context.close(Outcome.PROMOTED)
    context.make_stable()
    context.note(Reason.PROMOTED, f"Revision {candidate.revision} ({candidate.image}) is stable")
    context.unblock()
    context.wake(SOON)
