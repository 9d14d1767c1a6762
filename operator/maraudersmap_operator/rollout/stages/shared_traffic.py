"""Traffic on both revisions: a canary's growing shares, or an exchange under way.

The Service selects the pods of both, so each gets as much as it has pods, and the kubelet's readiness decides who answers.
"""

from __future__ import annotations

from datetime import timedelta

from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status_control import StableRevision

from ..context import SOON, RolloutContext
from ..stable import clear_others, hold_stable
from ..strategy import Stage
from ..verdict.case import Environment
from .act_on_verdict import go_back, judge_under_traffic
from .candidate_pods import exchange_pods, size_candidate


def share_traffic(context: RolloutContext, stage: Stage, stable: StableRevision) -> int | None:
    """Have the stage's pods in traffic beside stable's; how many, or None when the stage has to wait or went wrong."""
    candidate = context.candidate
    context.set_weight(0)
    _only(context, stable.revision, candidate.revision)
    if stage.exchange:
        wanted = exchange_pods(context, stable)
    else:
        hold_stable(context, stable)
        wanted = size_candidate(context, stage)
    facts = context.candidate_facts
    if not context.shares:
        strays = context.others(stable.revision, candidate.revision)
        # Not before the share is what was asked for: two witnesses may be more than a canary's one pod.
        if strays or facts.ready < wanted or facts.room(context.now) > wanted:
            return _wait_to_share(context, wanted, [f.revision for f in strays])
        context.route_to_both()
    if verdict := judge_under_traffic(context):
        go_back(context, verdict)
        return None
    return wanted


def _wait_to_share(context: RolloutContext, wanted: int, strays: list[str]) -> int | None:
    """Report what is waited for before traffic can be shared. Pods that do not go are nothing against the revision."""
    context.wake(SOON)
    if strays:
        names, patience = ", ".join(strays), context.spec.rollout.progress_deadline_seconds
        message = f"pods of {names} are still there, and sharing traffic would send requests to them"
        context.block(Reason.LEFTOVERS_REMAIN, message)
        since = context.candidate.memory.progress.waiting_since
        if since and context.now >= since + timedelta(seconds=patience):
            go_back(context, Environment(Reason.LEFTOVERS_REMAIN, message))
            return None
    return wanted


def _only(context: RolloutContext, *kept: str) -> None:
    """While the Service selects every revision's pods, one that is neither cannot be taken out of traffic first."""
    if not context.already_shared:
        clear_others(context, keep=set(kept))
        return
    for facts in context.others(*kept):
        if not facts.deleting:
            context.retire(facts.revision)
