"""The status as users read it: conditions, phase and message, from what the engine decided."""

from __future__ import annotations

from datetime import datetime

from maraudersmap_operator.resource.policy import Strategy
from maraudersmap_operator.resource.reason_texts import NEEDS_A_PERSON
from maraudersmap_operator.resource.reasons import AnyReason, PassedOn, Reason
from maraudersmap_operator.resource.status import (
    Condition,
    ConditionType,
    MaraudersMapStatus,
    Phase,
    Replicas,
)
from maraudersmap_operator.resource.status_candidate import CandidateRevision, Step
from maraudersmap_operator.resource.status_model import MAX_MESSAGE
from maraudersmap_operator.resource.status_outcomes import RejectedRevision

from .context import Context
from .serving import available, describe_outlived, describe_serving, find_weakness, serving_pods
from .stages.analysis_gate import describe_comparison
from .traffic_target import Only, Shared


def report(context: Context, before: MaraudersMapStatus) -> None:
    """Fill in everything of the status that is derived. Transition times move only when a condition's status does."""
    phase = _phase(context)
    rejected = _rejected(context)
    message = "; ".join(
        (_message(context, phase, rejected), *dict.fromkeys(context.asides), *describe_outlived(context))
    )
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
    reason = context.blocked_reason or (
        PassedOn(rejected.reason) if rejected and phase is Phase.ROLLED_BACK else Reason(phase)
    )
    ready = phase is Phase.READY
    stalled = phase in (Phase.STALLED, Phase.ROLLED_BACK)
    candidate = context.status.candidate
    step = Reason(candidate.step) if candidate else Reason.IDLE
    conditions: list[tuple[ConditionType, bool, AnyReason, str]] = [
        (ConditionType.READY, ready, _ready_reason(phase, reason), message),
        (ConditionType.RECONCILING, not ready and not stalled and phase is not Phase.SUSPENDED, reason, message),
        (ConditionType.STALLED, stalled, Reason.ROLLED_BACK if phase is Phase.ROLLED_BACK else reason, message),
        (ConditionType.AVAILABLE, *available(context, pods)),
        (ConditionType.PROGRESSING, candidate is not None, step, ""),
        (ConditionType.ROLLED_BACK, *_rolled_back(context, before, rejected)),
        (ConditionType.DATABASE_READY, context.observed.database.ready, context.observed.database.reason,
         context.observed.database.message),
        (ConditionType.MIGRATIONS_READY, *_migrations(context)),
    ]  # fmt: skip
    if route := context.observed.route:
        refusal = _without_route(context)
        word = route.reason or (Reason.OUTDATED if refusal else Reason.ACCEPTED)
        conditions.append((ConditionType.ROUTE_READY, not refusal, word, refusal))
    context.update(
        conditions=tuple(_condition(before, context.generation, context.now, *c) for c in conditions)
    )
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


def _compared(context: Context) -> str:
    return f"; {words}" if (words := describe_comparison(context)) else ""


def _traffic(context: Context, candidate: CandidateRevision) -> str:
    """How far the candidate has come among users."""
    if candidate.step is Step.BAKING:
        return f"has all traffic and is watched before {_stable_image(context.status)} is retired"
    new, old = context.facts(candidate.revision), context.stable_facts
    if context.weight:
        return f"gets {context.weight} % of what comes through the Gateway, with {new.ready} ready pods"
    if not isinstance(context.serving, Shared):
        return "is about to get a part of the traffic"
    if candidate.strategy is Strategy.ROLLING:
        full = candidate.memory.progress.full_size
        return f"replaces {_stable_image(context.status)} in batches: {new.ready} of {full} pods are ready"
    return f"gets {100 * new.ready // max(new.ready + old.ready, 1)} % of the traffic, with {new.ready} ready pods"


def _condition(
    before: MaraudersMapStatus,
    generation: int,
    now: datetime,
    kind: ConditionType,
    holds: bool,
    reason: AnyReason,
    message: str,
) -> Condition:
    status = "True" if holds else "False"
    old = before.condition(kind)
    return Condition(
        type=kind,
        status=status,
        reason=reason,
        message=message,
        observed_generation=generation,
        last_transition_time=old.last_transition_time
        if old and old.status == status
        else now.replace(microsecond=0),
    )


def _phase(context: Context) -> Phase:
    status, target = context.status, context.observed.target
    if context.blocked_reason == Reason.CONFLICT:
        return Phase.STALLED
    if context.spec.suspend:
        return Phase.SUSPENDED
    if context.blocked_reason == Reason.PAUSED:
        return Phase.PAUSED
    candidate = status.candidate
    if candidate:
        if status.stable is None:
            return Phase.STALLED if context.blocked_reason in NEEDS_A_PERSON else Phase.DEPLOYING
        if context.blocked_reason in NEEDS_A_PERSON:
            return Phase.STALLED
        return Phase.BAKING if candidate.step is Step.BAKING else Phase.ROLLING_OUT
    if context.blocked_reason:
        if status.hold is not None and context.blocked_reason == status.hold.reason:
            return Phase.STALLED if status.hold.stuck else Phase.PENDING
        return Phase.STALLED if context.blocked_reason in NEEDS_A_PERSON else Phase.PENDING
    if status.stable is None:
        return Phase.PENDING
    if status.pin is not None and status.stable.revision == status.pin.revision:
        return Phase.ROLLED_BACK
    if target is None:
        return Phase.PENDING
    if status.stable.revision != target.revision:
        return Phase.ROLLED_BACK if _rejected(context) else Phase.PENDING
    pods = serving_pods(context)
    if (
        context.serving != Only(status.stable.revision)
        or pods.ready < pods.wanted
        or find_weakness(context)
        or not context.observed.database.ready
        or _without_route(context)
    ):
        return Phase.DEGRADED
    return Phase.READY


def _rejected(context: Context) -> RejectedRevision | None:
    target = context.observed.target
    return next((r for r in context.status.rejected if target and r.revision == target.revision), None)


def _rolled_back(
    context: Context, before: MaraudersMapStatus, rejected: RejectedRevision | None
) -> tuple[bool, AnyReason, str]:
    pin, stable = context.status.pin, context.status.stable
    if pin and stable and stable.revision == pin.revision:
        return (
            True,
            Reason.ROLLED_BACK_TO,
            f"hogwarts.edu/rollback-to asked for {pin.revision} instead of {pin.against}",
        )
    if rejected:
        return True, PassedOn(rejected.reason), rejected.message
    known = before.condition(ConditionType.ROLLED_BACK)
    if context.observed.target is None and known:
        return known.status == "True", PassedOn(known.reason), known.message
    return False, Reason.NOT_REJECTED, ""


def _ready_reason(phase: Phase, reason: AnyReason) -> AnyReason:
    if phase is Phase.READY:
        return Reason.STABLE_SERVING
    return Reason.ROLLED_BACK if phase is Phase.ROLLED_BACK else reason


def _message(context: Context, phase: Phase, rejected: RejectedRevision | None) -> str:
    status = context.status
    if context.blocked:
        return context.blocked
    if phase is Phase.ROLLED_BACK and rejected and status.stable:
        return (
            f"{rejected.image} was rolled back ({rejected.reason}: {rejected.message}); "
            f"{status.stable.image} serves. Change the spec, or give hogwarts.edu/retry a new value"
        )
    if phase is Phase.ROLLED_BACK and status.pin:
        return f"{_stable_image(status)} serves, asked for by hogwarts.edu/rollback-to, until the spec's pods change"
    candidate = status.candidate
    if candidate and candidate.step in (Step.BAKING, Step.SHARING):
        return f"{candidate.image} {_traffic(context, candidate)}{_compared(context)}"
    if candidate:
        return f"{candidate.image} is on trial: {candidate.step}"
    if phase is Phase.SUSPENDED:
        return "spec.suspend is true: no pods run"
    if phase is Phase.DEGRADED and not context.observed.database.ready:
        return context.observed.database.message
    if phase is Phase.DEGRADED and (refusal := _without_route(context)):
        return refusal
    if phase is Phase.DEGRADED and (limp := find_weakness(context)):
        return f"{describe_serving(context)}; {limp}"
    return describe_serving(context)


def _without_route(context: Context) -> str:
    """Why the Gateway leads no request here; empty when it does, or none is asked for."""
    route = context.observed.route
    if route is None or (route.accepted and (route.up_to_date or context.status.candidate)):
        # While a candidate is there, weights change, and a Gateway takes its moment each time.
        return ""
    return route.message or "the Gateway has yet to take up the newest version of the route"


def _stable_image(status: MaraudersMapStatus) -> str:
    return status.stable.image if status.stable else "nothing"


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
    before: MaraudersMapStatus, generation: int, message: str, now: datetime, reason: Reason = Reason.REFUSED
) -> MaraudersMapStatus:
    """The status when the API server refuses what the resource needs, or the resource cannot be understood.

    What the engine remembers is kept as it was: nothing has been decided.
    """
    refused = {
        ConditionType.READY: (False, reason, message),
        ConditionType.RECONCILING: (False, reason, ""),
        ConditionType.STALLED: (True, reason, message),
    }
    kept = [c for c in before.conditions if c.type not in refused]
    conditions = [_condition(before, generation, now, kind, *value) for kind, value in refused.items()]
    return before.model_copy(
        update={
            "observed_generation": generation,
            "phase": Phase.STALLED,
            "message": message[:MAX_MESSAGE],
            "conditions": (*conditions, *kept),
        }
    )
