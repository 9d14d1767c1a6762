"""The candidate's answers beside those of the stable revision: when to look, and what follows (docs/analysis.md)."""

from __future__ import annotations

from dataclasses import dataclass

from maraudersmap_operator import analysis
from maraudersmap_operator.analysis import Failed, Inconclusive, Passed
from maraudersmap_operator.resource.analysis import OnInconclusive
from maraudersmap_operator.resource.names import ANNOTATION_PROMOTE
from maraudersmap_operator.resource.reasons import Reason

from ..commands import take_promote
from ..context import RolloutContext
from ..verdict.case import Rejected


@dataclass(frozen=True, slots=True)
class GoOn:
    """Enough is known of its answers, and nothing against it."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Too little is known of its answers: someone has to ask for the next stage."""


def follow_comparison(context: RolloutContext) -> None:
    """Take over what the pods have answered, and ask for the next look. Starts with the rollout: a control group that
    loses its traffic in one go has to have been looked at before."""
    known, policy = context.candidate.memory.analysis, context.spec.rollout.analysis
    if not policy.enabled or context.status.stable is None:
        if known is not None:
            context.update_candidate(memory={"analysis": None})
        return
    comparison = context.observed.comparison or known or analysis.begin(context.now)
    if comparison != known:
        context.update_candidate(memory={"analysis": comparison})
    context.wake(analysis.until_next_look(comparison, policy, context.now))


def restart_comparison(context: RolloutContext) -> None:
    """Traffic moves: what the candidate answered before shows little about what comes."""
    if known := context.candidate.memory.analysis:
        context.update_candidate(memory={"analysis": analysis.recount(known, context.now)})


def find_worse(context: RolloutContext) -> Rejected | None:
    """The candidate has been found worse than the stable revision."""
    comparison = context.candidate.memory.analysis
    if comparison is None:
        return None
    match analysis.evaluate(comparison, context.spec.rollout.analysis):
        case Failed(reason=reason, message=message):
            return Rejected(reason, message)
        case Passed() | Inconclusive():
            return None


def pass_gate(context: RolloutContext) -> GoOn | Wait | Rejected:
    """Whether a step that had traffic may end with what is known of its answers. Takes `promote` for a yes."""
    candidate = context.candidate
    if candidate.memory.analysis is None:
        return GoOn()
    result = analysis.evaluate(candidate.memory.analysis, context.spec.rollout.analysis)
    if not isinstance(result, Inconclusive):
        return GoOn()
    match context.spec.rollout.analysis.on_inconclusive:
        case OnInconclusive.PASS:
            context.note(
                Reason.ANALYSIS_INCONCLUSIVE,
                f"{candidate.image} goes on unjudged: {result.message}",
            )
            return GoOn()
        case OnInconclusive.FAIL:
            return Rejected(Reason.ANALYSIS_INCONCLUSIVE, result.message)
        case OnInconclusive.PAUSE:
            if take_promote(context):
                return GoOn()
            context.block(
                Reason.WAITING_FOR_PROMOTION,
                f"not enough is known of its answers ({result.message}): a new value of {ANNOTATION_PROMOTE} goes on",
            )
            return Wait()
