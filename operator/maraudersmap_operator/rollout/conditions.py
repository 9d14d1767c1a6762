"""The status in the user's words: conditions, phase and message, from what the engine decided."""

from __future__ import annotations

from datetime import datetime

from maraudersmap_operator.resource.names import SHARED
from maraudersmap_operator.resource.policy import Strategy
from maraudersmap_operator.resource.reason_texts import NEEDS_A_PERSON
from maraudersmap_operator.resource.reasons import AnyReason, PassedOn, Reason
from maraudersmap_operator.resource.status import (
    MAX_MESSAGE,
    CandidateRevision,
    Condition,
    ConditionType,
    MaraudersMapStatus,
    Phase,
    RejectedRevision,
    Replicas,
    Step,
)

from .context import Turn
from .serving import available, limping, outlived, served, serving
from .stages.analysis_gate import told


def report(turn: Turn, before: MaraudersMapStatus) -> None:
    """Fill in everything of the status that is derived. Transition times move only when a condition's status does."""
    phase = _phase(turn)
    rejected = _rejected(turn)
    message = "; ".join((_message(turn, phase, rejected), *dict.fromkeys(turn.asides), *outlived(turn)))
    pods = serving(turn)
    target = turn.observed.target
    updated = turn.facts(target.revision).ready if target else before.replicas.updated
    turn.update(
        observed_generation=turn.generation,
        phase=phase,
        message=message[:MAX_MESSAGE],
        serving=turn.serving,
        target=target.revision if target else before.target,
        replicas=Replicas(desired=pods.wanted, ready=pods.ready, updated=updated),
    )
    reason = turn.blocked_reason or (
        PassedOn(rejected.reason) if rejected and phase is Phase.ROLLED_BACK else Reason(phase)
    )
    ready = phase is Phase.READY
    stalled = phase in (Phase.STALLED, Phase.ROLLED_BACK)
    candidate = turn.status.candidate
    step = Reason(candidate.step) if candidate else Reason.IDLE
    conditions: list[tuple[ConditionType, bool, AnyReason, str]] = [
        (ConditionType.READY, ready, _ready_reason(phase, reason), message),
        (ConditionType.RECONCILING, not ready and not stalled and phase is not Phase.SUSPENDED, reason, message),
        (ConditionType.STALLED, stalled, Reason.ROLLED_BACK if phase is Phase.ROLLED_BACK else reason, message),
        (ConditionType.AVAILABLE, *available(turn, pods)),
        (ConditionType.PROGRESSING, candidate is not None, step, ""),
        (ConditionType.ROLLED_BACK, *_rolled_back(turn, before, rejected)),
        (ConditionType.DATABASE_READY, turn.observed.database.ready, turn.observed.database.reason,
         turn.observed.database.message),
        (ConditionType.MIGRATIONS_READY, *_migrations(turn)),
    ]  # fmt: skip
    if route := turn.observed.route:
        refusal = _without_route(turn)
        word = route.reason or (Reason.OUTDATED if refusal else Reason.ACCEPTED)
        conditions.append((ConditionType.ROUTE_READY, not refusal, word, refusal))
    turn.update(conditions=tuple(_condition(before, turn.generation, turn.now, *c) for c in conditions))


def _compared(turn: Turn) -> str:
    return f"; {words}" if (words := told(turn)) else ""


def _shared(turn: Turn, candidate: CandidateRevision) -> str:
    """How far the candidate has come among users."""
    new, old = turn.facts(candidate.revision), turn.stable_facts
    if turn.weight:
        return f"gets {turn.weight} % of what comes through the Gateway, with {new.ready} ready pods"
    if turn.serving != SHARED:
        return "is about to get a part of the traffic"
    if candidate.strategy is Strategy.ROLLING:
        return f"replaces {_stable_image(turn.status)} in batches: {new.ready} of {candidate.full_size} pods are ready"
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


def _phase(turn: Turn) -> Phase:
    status, target = turn.status, turn.observed.target
    if turn.blocked_reason == Reason.CONFLICT:
        return Phase.STALLED
    if turn.spec.suspend:
        return Phase.SUSPENDED
    if turn.blocked_reason == Reason.PAUSED:
        return Phase.PAUSED
    candidate = status.candidate
    if candidate:
        if status.stable is None:
            return Phase.STALLED if turn.blocked_reason in NEEDS_A_PERSON else Phase.DEPLOYING
        if turn.blocked_reason in NEEDS_A_PERSON:
            return Phase.STALLED
        return Phase.BAKING if candidate.step is Step.BAKING else Phase.ROLLING_OUT
    if turn.blocked_reason:
        if status.hold is not None and turn.blocked_reason == status.hold.reason:
            return Phase.STALLED if status.hold.stuck else Phase.PENDING
        return Phase.STALLED if turn.blocked_reason in NEEDS_A_PERSON else Phase.PENDING
    if status.stable is None:
        return Phase.PENDING
    if status.pin is not None and status.stable.revision == status.pin.revision:
        return Phase.ROLLED_BACK
    if target is None:
        return Phase.PENDING
    if status.stable.revision != target.revision:
        return Phase.ROLLED_BACK if _rejected(turn) else Phase.PENDING
    pods = serving(turn)
    if (
        turn.serving != status.stable.revision
        or pods.ready < pods.wanted
        or limping(turn)
        or not turn.observed.database.ready
        or _without_route(turn)
    ):
        return Phase.DEGRADED
    return Phase.READY


def _rejected(turn: Turn) -> RejectedRevision | None:
    target = turn.observed.target
    return next((r for r in turn.status.rejected if target and r.revision == target.revision), None)


def _rolled_back(
    turn: Turn, before: MaraudersMapStatus, rejected: RejectedRevision | None
) -> tuple[bool, AnyReason, str]:
    pin, stable = turn.status.pin, turn.status.stable
    if pin and stable and stable.revision == pin.revision:
        return (
            True,
            Reason.ROLLED_BACK_TO,
            f"hogwarts.edu/rollback-to asked for {pin.revision} instead of {pin.against}",
        )
    if rejected:
        return True, PassedOn(rejected.reason), rejected.message
    known = before.condition(ConditionType.ROLLED_BACK)
    if turn.observed.target is None and known:
        return known.status == "True", PassedOn(known.reason), known.message
    return False, Reason.NOT_REJECTED, ""


def _ready_reason(phase: Phase, reason: AnyReason) -> AnyReason:
    if phase is Phase.READY:
        return Reason.STABLE_SERVING
    return Reason.ROLLED_BACK if phase is Phase.ROLLED_BACK else reason


def _message(turn: Turn, phase: Phase, rejected: RejectedRevision | None) -> str:
    status = turn.status
    if turn.blocked:
        return turn.blocked
    if phase is Phase.ROLLED_BACK and rejected and status.stable:
        return (
            f"{rejected.image} was rolled back ({rejected.reason}: {rejected.message}); "
            f"{status.stable.image} serves. Change the spec, or give hogwarts.edu/retry a new value"
        )
    if phase is Phase.ROLLED_BACK and status.pin:
        return f"{_stable_image(status)} serves, asked for by hogwarts.edu/rollback-to, until the spec's pods change"
    candidate = status.candidate
    if candidate and candidate.step is Step.BAKING:
        return f"{candidate.image} has all traffic and is watched before {_stable_image(status)} is retired{_compared(turn)}"
    if candidate and candidate.step is Step.SHARING:
        return f"{candidate.image} {_shared(turn, candidate)}{_compared(turn)}"
    if candidate:
        return f"{candidate.image} is on trial: {candidate.step}"
    if phase is Phase.SUSPENDED:
        return "spec.suspend is true: no pods run"
    if phase is Phase.DEGRADED and not turn.observed.database.ready:
        return turn.observed.database.message
    if phase is Phase.DEGRADED and (refusal := _without_route(turn)):
        return refusal
    if phase is Phase.DEGRADED and (limp := limping(turn)):
        return f"{served(turn)}; {limp}"
    return served(turn)


def _without_route(turn: Turn) -> str:
    """Why the Gateway leads nobody here; empty when it does, or none is asked for."""
    route = turn.observed.route
    if route is None or (route.accepted and (route.obeyed or turn.status.candidate)):
        # While a candidate is there, weights change, and a Gateway takes its moment each time.
        return ""
    return route.message or "the Gateway has yet to take up the newest version of the route"


def _stable_image(status: MaraudersMapStatus) -> str:
    return status.stable.image if status.stable else "nothing"


def _migrations(turn: Turn) -> tuple[bool, AnyReason, str]:
    if not turn.spec.migrations.enabled:
        return True, Reason.DISABLED, "spec.migrations.enabled is false"
    candidate = turn.status.candidate
    revision = (
        candidate.revision if candidate else (turn.status.stable.revision if turn.status.stable else "")
    )
    recorded = turn.observed.recorded.get(revision)
    if (recorded and recorded.migrated) or (candidate and candidate.step is not Step.MIGRATING):
        return True, Reason.MIGRATED, ""
    if turn.blocked_reason in (
        Reason.MIGRATING,
        Reason.DATABASE_UNREACHABLE,
        Reason.MIGRATION_FAILED,
        Reason.MIGRATION_INTERRUPTED,
    ):
        return False, turn.blocked_reason, turn.blocked
    if candidate is None and turn.status.stable is not None:
        return True, Reason.MIGRATED, ""
    return False, Reason.NOT_STARTED, "migrations run before the first pods of a revision"


def report_refusal(
    before: MaraudersMapStatus, generation: int, message: str, now: datetime, reason: Reason = Reason.REFUSED
) -> MaraudersMapStatus:
    """The status when the API server refuses what the resource needs, or the resource cannot be understood.

    What the engine remembers is kept as it was: nothing has been decided.
    """
    told = {
        ConditionType.READY: (False, reason, message),
        ConditionType.RECONCILING: (False, reason, ""),
        ConditionType.STALLED: (True, reason, message),
    }
    kept = [c for c in before.conditions if c.type not in told]
    conditions = [_condition(before, generation, now, kind, *value) for kind, value in told.items()]
    return before.model_copy(
        update={
            "observed_generation": generation,
            "phase": Phase.STALLED,
            "message": message[:MAX_MESSAGE],
            "conditions": (*conditions, *kept),
        }
    )
