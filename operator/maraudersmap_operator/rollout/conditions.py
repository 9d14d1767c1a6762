"""The status as users read it, from what the engine decided: phase and message (`phase`), and each condition."""

from __future__ import annotations

from datetime import datetime

from maraudersmap_operator.resource.names import ANNOTATION_ROLLBACK_TO
from maraudersmap_operator.resource.reasons import AnyReason, PassedOn, Reason
from maraudersmap_operator.resource.status import (
    ConditionType,
    MaraudersMapStatus,
    Phase,
    Replicas,
    Stated,
)
from maraudersmap_operator.resource.status_candidate import Step
from maraudersmap_operator.resource.status_model import MAX_MESSAGE
from maraudersmap_operator.resource.status_outcomes import RejectedRevision

from .context import Context
from .phase import find_rejection, summarize, without_route
from .serving import available, describe_outlived, serving_pods, starting_until


def report(context: Context, before: MaraudersMapStatus) -> None:
    """Fill in everything of the status that is derived. Transition times move only when a condition's status does."""
    summary, rejected = summarize(context), find_rejection(context)
    phase, word = summary.phase, summary.reason
    message = "; ".join((summary.message, *dict.fromkeys(context.asides), *describe_outlived(context)))
    pods = serving_pods(context)
    target = context.observed.target
    updated = context.facts(target.revision).ready if target else before.replicas.updated
    context.update(
        observed_generation=context.generation,
        phase=phase,
        message=message[:MAX_MESSAGE],
        serving=context.serving.word,
        target=target.revision if target else before.target,
        replicas=Replicas(desired=pods.wanted, ready=pods.ready, updated=updated),
    )
    if phase in (Phase.READY, Phase.DEGRADED) and (moment := starting_until(context)):
        context.wake_at(moment)
    cause = context.blocked_reason or (
        PassedOn(rejected.reason) if rejected and phase is Phase.ROLLED_BACK else Reason(phase)
    )
    ready = phase is Phase.READY
    stalled = phase in (Phase.STALLED, Phase.ROLLED_BACK)
    candidate = context.status.candidate
    step = Reason(candidate.step) if candidate else Reason.IDLE
    conditions: list[Stated] = [
        (ConditionType.READY, ready, word, message),
        (ConditionType.RECONCILING, not ready and not stalled and phase is not Phase.SUSPENDED, cause, message),
        (ConditionType.STALLED, stalled, word if stalled else cause, message),
        (ConditionType.AVAILABLE, *available(context, pods)),
        (ConditionType.PROGRESSING, candidate is not None, step, ""),
        (ConditionType.ROLLED_BACK, *_rolled_back(context, before, rejected)),
        (ConditionType.DATABASE_READY, context.observed.database.ready, context.observed.database.reason,
         context.observed.database.message),
        (ConditionType.MIGRATIONS_READY, *_migrations(context)),
    ]  # fmt: skip
    if route := context.observed.route:
        refusal = without_route(context)
        answer = route.reason or (Reason.OUTDATED if refusal else Reason.ACCEPTED)
        conditions.append((ConditionType.ROUTE_READY, not refusal, answer, refusal))
    context.update(conditions=before.next_conditions(conditions, context.generation, context.now))
    if phase is Phase.PENDING and context.observed.unasked and before.phase and not before.candidate:
        _leave_as_it_was(context, before)


def _leave_as_it_was(context: Context, before: MaraudersMapStatus) -> None:
    """Nothing is known yet that would change what users read of the whole: each restart of the operator would else report
    every resource as not ready for a moment."""
    kept = {
        kind: old
        for kind in (ConditionType.READY, ConditionType.RECONCILING, ConditionType.STALLED)
        if (old := before.condition(kind)) is not None
    }
    context.update(
        observed_generation=before.observed_generation,
        phase=before.phase,
        message=before.message,
        conditions=tuple(kept.get(ConditionType(c.type), c) for c in context.status.conditions),
    )


def _rolled_back(
    context: Context, before: MaraudersMapStatus, rejected: RejectedRevision | None
) -> tuple[bool, AnyReason, str]:
    pin, stable = context.status.pin, context.status.stable
    if pin and stable and stable.revision == pin.revision:
        return (
            True,
            Reason.ROLLED_BACK_TO,
            f"{ANNOTATION_ROLLBACK_TO} asked for {pin.revision} instead of {pin.against}",
        )
    if rejected:
        return True, PassedOn(rejected.reason), rejected.message
    known = before.condition(ConditionType.ROLLED_BACK)
    if context.observed.target is None and known:
        return known.status == "True", PassedOn(known.reason), known.message
    return False, Reason.NOT_REJECTED, ""


def _migrations(context: Context) -> tuple[bool, AnyReason, str]:
    if not context.spec.migrations.enabled:
        return True, Reason.DISABLED, "spec.migrations.enabled is false"
    candidate = context.status.candidate
    revision = (
        candidate.revision if candidate else (context.status.stable.revision if context.status.stable else "")
    )
    recorded = context.observed.recorded.get(revision)
    if (recorded and recorded.migrated) or (candidate and candidate.step is not Step.MIGRATING):
        return True, Reason.MIGRATED, ""
    if context.blocked_reason in (
        Reason.MIGRATING,
        Reason.DATABASE_UNREACHABLE,
        Reason.MIGRATION_FAILED,
        Reason.MIGRATION_INTERRUPTED,
    ):
        return False, context.blocked_reason, context.blocked
    if candidate is None and context.status.stable is not None:
        return True, Reason.MIGRATED, ""
    return False, Reason.NOT_STARTED, "migrations run before the first pods of a revision"


def report_refusal(
    before: MaraudersMapStatus, generation: int, reason: Reason, message: str, now: datetime
) -> MaraudersMapStatus:
    """The status of a resource that cannot be understood.

    What the engine remembers is kept as it was: nothing has been decided.
    """
    refused: list[Stated] = [
        (ConditionType.READY, False, reason, message),
        (ConditionType.RECONCILING, False, reason, ""),
        (ConditionType.STALLED, True, reason, message),
    ]
    kept = [c for c in before.conditions if c.type not in {kind for kind, *_ in refused}]
    return before.model_copy(
        update={
            "observed_generation": generation,
            "phase": Phase.STALLED,
            "message": message[:MAX_MESSAGE],
            "conditions": (*before.next_conditions(refused, generation, now), *kept),
        }
    )
