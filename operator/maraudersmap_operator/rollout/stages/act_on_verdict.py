"""The verdict on the candidate in the present stage, and the first thing done about it.

Time in which the candidate was well and had to wait is noted with it: no deadline counts that.
"""

from __future__ import annotations

from datetime import timedelta
from typing import assert_never

from maraudersmap_operator.resource.names import ANNOTATION_ABORT
from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status_candidate import Step

from ..context import SOON, RolloutContext, seconds
from ..facts import PodFacts
from ..rollback import start_rollback
from ..secret_rotation import unproven
from ..verdict.case import Case, Environment, Healthy, Pending, Rejected, Verdict, unless_disturbed
from ..verdict.classify import classify, keeps_ending
from .analysis_gate import find_worse

# Without anything to go back to, the same verdict is looked at again after this long.
NO_WAY_BACK = timedelta(seconds=5)
# Endpoints forget an unready pod at once: one that comes back within this has hurt no one.
HALF_DOWN_PATIENCE = timedelta(seconds=5)


def act_on_verdict(context: RolloutContext, wanted: int, arrived: bool = True) -> Verdict:
    """The verdict on the candidate, already acted on when it is not Healthy.

    `arrived`: its traffic is what the stage gives it. Until then it is on its way, however healthy.
    """
    verdict = classify(case_of(context, wanted))
    _settle(context, verdict, arrived)
    if isinstance(verdict, Healthy) and not arrived:
        verdict = Pending(context.now + SOON, "traffic is about to follow")
    match verdict:
        case Healthy():
            pass
        case Pending(until=until, message=message):
            context.wake_at(until)
            if not context.blocked:
                context.block(Reason.WAITING_FOR_PODS, message)
        case Rejected() | Environment():
            go_back(context, verdict)
        case unreachable:
            assert_never(unreachable)
    return verdict


def go_back(context: RolloutContext, verdict: Rejected | Environment) -> None:
    """Go back, or report why that cannot be."""
    if context.status.stable is None:
        context.block(verdict.reason, f"{verdict.message}; there is no earlier revision to go back to")
        context.wake(NO_WAY_BACK)
    elif not context.spec.rollout.rollback.enabled:
        context.block(
            verdict.reason, f"{verdict.message}; spec.rollout.rollback.enabled is false, so nothing is undone"
        )
    elif context.status.barrier:
        context.block(
            Reason.IRREVERSIBLE_MIGRATION,
            f"{verdict.reason}: {verdict.message}; the migrations of {context.status.barrier} changed the schema and "
            "spec.migrations.reversible is false, so nothing is rolled back by itself. Go forward with a corrected spec, "
            f"or go back all the same with a new value of {ANNOTATION_ABORT}",
        )
    else:
        start_rollback(context, context.status.stable, verdict)


def judge_under_traffic(context: RolloutContext) -> Rejected | Environment | None:
    """What users may meet already: pods that were ready and are not, or keep ending."""
    _forget_unwanted_pods(context)
    candidate, memory = context.candidate, context.candidate.memory
    facts, proven = context.candidate_facts, proven_pods(context)
    half_down = facts.ready * 2 < proven
    known = memory.failures.half_down_since
    if half_down != (known is not None):
        since_now = context.now if half_down else None
        context.learn_candidate(memory={"failures": {"half_down_since": since_now}})
    since = context.now if known is None else known
    case = case_of(context, facts.size)
    if half_down:
        # Nothing answers, and nothing else is in the endpoints: no patience.
        alone = candidate.step is Step.BAKING and facts.ready == 0
        if alone or _overtaken(context) or context.now - since >= HALF_DOWN_PATIENCE:
            return unless_disturbed(case, _fallen(context, proven))
        context.wake_at(since + HALF_DOWN_PATIENCE)
    found = keeps_ending(case) or find_worse(context)
    return unless_disturbed(case, found) if found else None


def _forget_unwanted_pods(context: RolloutContext) -> None:
    """Pods that the spec or the autoscaler has taken away were not lost: those that take their place later have to start."""
    facts, high_water = context.candidate_facts, context.candidate.memory.progress.ready_high_water
    wanted = context.spec.wanted_size(facts.size)
    if facts.size > 0 and max(facts.size, facts.ready) <= wanted < high_water:
        context.learn_candidate(memory={"progress": {"ready_high_water": wanted}})


def proven_pods(context: RolloutContext) -> int:
    """How many of the candidate's pods should be ready: those that are still starting have lost nothing."""
    size, progress = context.candidate_facts.size, context.candidate.memory.progress
    if context.candidate.step is Step.BAKING and size == 0:
        # Nothing else answers: a Deployment that someone has deleted or emptied has lost what it had.
        size = progress.full_size
    return min(size, progress.ready_high_water)


def _fallen(context: RolloutContext, proven: int) -> Rejected | Environment:
    """Traffic goes back either way; the revision is to blame only for what it has done itself."""
    facts = context.candidate_facts
    message = f"{facts.ready} of {facts.size} pods ready under traffic"
    if len(_blamed(context)) * 2 >= proven:
        return Rejected(Reason.NOT_READY_AFTER_PROMOTION, message)
    kept_out = [p for p in facts.unready if p.own_ready]
    if injected := next((f"pod {p.name}: {p.injected}" for p in kept_out if p.injected), ""):
        return Environment(Reason.INJECTED_CONTAINER_FAILING, f"{message}; {injected}")
    return Environment(
        Reason.PODS_LOST,
        f"{message}; the others were lost or reset with their nodes, evicted or deleted, or are kept out of traffic although "
        "their own container is ready",
    )


def _blamed(context: RolloutContext) -> list[PodFacts]:
    """Pods that are still there and were ready, and whose own container is not ready any more."""
    candidate = context.candidate
    # What came later takes the place of pods that went, and may have yet to start.
    since = candidate.memory.progress.proven_at or candidate.step_started_at
    were_ready = [p for p in context.candidate_facts.unready if p.created_at <= since or p.fell]
    return [p for p in were_ready if not (p.was_reset or p.own_ready)]


def _overtaken(context: RolloutContext) -> bool:
    """In the bake of an exchange: a pod of stable was made after one of the candidate's fell, and is ready before that one is
    again. What keeps it down does not keep pods in general, and users need not wait for the others to follow it."""
    fell_at = [p.unready_since for p in _blamed(context) if p.unready_since]
    if not context.candidate.serves_alone or not fell_at:
        return False
    return any(p.ready and p.created_at >= min(fell_at) for p in context.stable_facts.undisturbed)


def case_of(context: RolloutContext, wanted: int) -> Case:
    """What a verdict on the candidate rests on, for a step that wants so many pods."""
    candidate = context.candidate
    rollout = context.spec.rollout
    if candidate.step in (Step.SHARING, Step.FULL_SIZE) and context.status.stable is not None:
        # The witnesses have shown for min_ready_seconds that this code stays up; the others are the same code.
        rollout = rollout.model_copy(update={"min_ready_seconds": 0})
    return Case(
        candidate=candidate,
        facts=context.candidate_facts,
        stable=context.stable_facts,
        migration=context.observed.migration,
        admission=context.observed.admission,
        rollout=rollout,
        wanted=wanted,
        now=context.now,
        migration_limit=timedelta(seconds=context.spec.migrations.timeout_seconds),
        database=context.database_trouble,
        secrets=unproven(context),
        first=context.status.stable is None,
    )


def _settle(context: RolloutContext, verdict: Verdict, arrived: bool) -> None:
    """Note when the stage has got all that it wants, and when it loses it again: deadlines stand still in between."""
    progress = context.candidate.memory.progress
    if not isinstance(verdict, Healthy):
        if changes := _unsettled(context):
            context.learn_candidate(memory={"progress": changes | {"progressed_at": context.now}})
    elif not arrived:
        count_as_waiting(context)
    elif progress.settled_at is None:
        count_as_waiting(context)  # as long as the traffic that this pass moves has not moved
        unsettle(context)
        context.update_candidate(memory={"progress": {"settled_at": context.now}})


def count_as_waiting(context: RolloutContext) -> None:
    """The candidate is well, and what it waits for is not its doing: no deadline counts that."""
    progress = context.candidate.memory.progress
    if progress.settled_at is not None:
        unsettle(context)
    if progress.waiting_since is None:
        context.learn_candidate(memory={"progress": {"waiting_since": context.now}})


def unsettle(context: RolloutContext) -> None:
    """The candidate is not where it should be any more, or should be somewhere else now."""
    context.update_candidate(memory={"progress": _unsettled(context)})


def _unsettled(context: RolloutContext) -> dict[str, object]:
    """What changes of its progress when it waits no longer; nothing where it did not."""
    progress = context.candidate.memory.progress
    since = progress.settled_at or progress.waiting_since
    if since is None:
        return {}
    held = progress.held_seconds + seconds(context.now - since)
    return {"settled_at": None, "waiting_since": None, "held_seconds": held}
