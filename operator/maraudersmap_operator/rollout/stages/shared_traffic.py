"""Traffic on both revisions: a canary's growing shares, or an exchange under way.

The Service selects the pods of both, so each gets as much as it has pods, and the kubelet's readiness decides who answers.
"""

from __future__ import annotations

from datetime import timedelta

from maraudersmap_operator.resource.names import SHARED
from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status import CandidateRevision
from maraudersmap_operator.resource.status_control import StableRevision

from ..actions import Retire
from ..context import SOON, Turn
from ..stable import clear_others, hold_stable
from ..strategy import Stage
from ..verdict.case import Environment
from .act_on_verdict import judge_under_traffic, sentence
from .candidate_pods import staff
from .rolling import exchange


def share(turn: Turn, stage: Stage, candidate: CandidateRevision, stable: StableRevision) -> int | None:
    """Have the stage's pods in traffic beside stable's; how many, or None when the stage has to wait or went wrong."""
    turn.weigh(0)
    _only(turn, stable.revision, candidate.revision)
    if stage.exchange:
        wanted = exchange(turn, candidate, stable)
    else:
        hold_stable(turn, stable)
        wanted = staff(turn, candidate, stage)
    facts = turn.facts(candidate.revision)
    if turn.serving != SHARED:
        strays = turn.others(stable.revision, candidate.revision)
        # Not before the share is what was asked for: two witnesses may be more than a canary's one pod.
        if strays or facts.ready < wanted or facts.room(turn.now) > wanted:
            return _waited(turn, candidate, wanted, [f.revision for f in strays])
        turn.route(SHARED)
    if verdict := judge_under_traffic(turn):
        sentence(turn, verdict)
        return None
    return wanted


def _waited(turn: Turn, candidate: CandidateRevision, wanted: int, strays: list[str]) -> int | None:
    """Say what is waited for before traffic can be shared. Pods that do not go are nothing against the revision."""
    turn.wake(SOON)
    if strays:
        names, patience = ", ".join(strays), turn.spec.rollout.progress_deadline_seconds
        message = f"pods of {names} are still there, and sharing traffic would send requests to them"
        turn.block(Reason.LEFTOVERS_REMAIN, message)
        since = candidate.waiting_since
        if since and turn.now >= since + timedelta(seconds=patience):
            sentence(turn, Environment(Reason.LEFTOVERS_REMAIN, message))
            return None
    return wanted


def _only(turn: Turn, *kept: str) -> None:
    """While the Service selects every revision's pods, one that is neither cannot be taken out of traffic first."""
    if turn.observed.serving != SHARED:
        clear_others(turn, keep=set(kept))
        return
    for facts in turn.others(*kept):
        if not facts.deleting:
            turn.act(Retire(facts.revision))
