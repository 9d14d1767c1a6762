"""The phase, and with it the reason of Ready and the message: all three from the first situation in a list that holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from maraudersmap_operator import analysis
from maraudersmap_operator.resource.names import ANNOTATION_RETRY, ANNOTATION_ROLLBACK_TO
from maraudersmap_operator.resource.policy import Strategy
from maraudersmap_operator.resource.reason_texts import NEEDS_A_PERSON
from maraudersmap_operator.resource.reasons import AnyReason, Reason
from maraudersmap_operator.resource.status import MaraudersMapStatus, Phase
from maraudersmap_operator.resource.status_candidate import CandidateRevision, Step
from maraudersmap_operator.resource.status_outcomes import RejectedRevision

from .context import Context
from .serving import describe_serving, find_weakness, serving_pods


@dataclass(frozen=True, slots=True)
class Situation:
    """`message` asks only, and gives "" while the situation does not hold. `reason`: of Ready; None: what blocks the engine,
    or else the phase's own word."""

    phase: Phase
    message: Callable[[Context], str]
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    phase: Phase
    reason: AnyReason  # of the condition Ready
    message: str


def summarize(context: Context) -> Summary:
    """The whole of it as one situation: the first of PRECEDENCE that holds. The last always does."""
    return next(
        Summary(s.phase, s.reason or context.blocked_reason or Reason(s.phase), message)
        for s in PRECEDENCE
        if (message := s.message(context))
    )


def find_rejection(context: Context) -> RejectedRevision | None:
    """The ledger's entry for what the spec asks for."""
    target = context.observed.target
    return context.status.rejection(target.revision) if target else None


def without_route(context: Context) -> str:
    """Why the Gateway leads no request here; empty when it does, or none is asked for."""
    route = context.observed.route
    if route is None or (route.accepted and (route.up_to_date or context.status.candidate)):
        # While a candidate is there, weights change, and a Gateway takes its moment each time.
        return ""
    return route.message or "the Gateway has yet to take up the newest version of the route"


def _suspended(context: Context) -> str:
    return "spec.suspend is true: no pods run" if context.spec.suspend else ""


def _paused(context: Context) -> str:
    return context.blocked if context.blocked_reason == Reason.PAUSED else ""


def _held(context: Context, *, stuck: bool) -> str:
    hold = context.status.hold
    waits = hold is not None and hold.stuck is stuck and context.blocked_reason == hold.reason
    return context.blocked if waits and context.status.candidate is None else ""


def _held_for_good(context: Context) -> str:
    return _held(context, stuck=True)


def _held_until_next_try(context: Context) -> str:
    """Its reason may be one that needs a person elsewhere: this time the operator tries again by itself."""
    return _held(context, stuck=False)


def _needs_a_person(context: Context) -> str:
    return context.blocked if context.blocked_reason in NEEDS_A_PERSON else ""


def _first_rollout(context: Context) -> str:
    return _rolling_out(context) if context.status.stable is None else ""


def _baking(context: Context) -> str:
    candidate = context.status.candidate
    return _rolling_out(context) if candidate and candidate.step is Step.BAKING else ""


def _rolling_out(context: Context) -> str:
    candidate = context.status.candidate
    if candidate is None or context.blocked:
        return context.blocked if candidate else ""
    if candidate.step not in (Step.BAKING, Step.SHARING):
        return f"{candidate.image} is on trial: {candidate.step}"
    compared = f"; {words}" if (words := _comparison(context)) else ""
    return f"{candidate.image} {_traffic(context, candidate)}{compared}"


def _comparison(context: Context) -> str:
    """The comparison so far, in a sentence; empty while there is none."""
    candidate = context.status.candidate
    if candidate is None or not context.in_traffic(candidate.revision):
        return ""
    comparison = candidate.memory.analysis
    return "" if comparison is None else analysis.evaluate(comparison, context.spec.rollout.analysis).message


def _traffic(context: Context, candidate: CandidateRevision) -> str:
    """How far the candidate has come among users."""
    if candidate.step is Step.BAKING:
        return f"has all traffic and is watched before {_stable_image(context.status)} is retired"
    new, old = context.facts(candidate.revision), context.stable_facts
    if context.weight:
        return f"gets {context.weight} % of what comes through the Gateway, with {new.ready} ready pods"
    if not context.shares:
        return "is about to get a part of the traffic"
    if candidate.strategy is Strategy.ROLLING:
        full = candidate.memory.progress.full_size
        return f"replaces {_stable_image(context.status)} in batches: {new.ready} of {full} pods are ready"
    return f"gets {100 * new.ready // max(new.ready + old.ready, 1)} % of the traffic, with {new.ready} ready pods"


def _stable_image(status: MaraudersMapStatus) -> str:
    return status.stable.image if status.stable else "nothing"


def _blocked(context: Context) -> str:
    return context.blocked


def _pinned(context: Context) -> str:
    pin, stable = context.status.pin, context.status.stable
    if pin is None or stable is None or stable.revision != pin.revision:
        return ""
    return f"{stable.image} serves, asked for by {ANNOTATION_ROLLBACK_TO}, until the spec's pods change"


def _rejected(context: Context) -> str:
    rejected, stable = find_rejection(context), context.status.stable
    if rejected is None or stable is None or stable.revision == rejected.revision:
        return ""
    return (
        f"{rejected.image} was rolled back ({rejected.reason}: {rejected.message}); "
        f"{stable.image} serves. Change the spec, or give {ANNOTATION_RETRY} a new value"
    )


def _about_to_start(context: Context) -> str:
    target, stable = context.observed.target, context.status.stable
    return "" if target and stable and stable.revision == target.revision else describe_serving(context)


def _without_database(context: Context) -> str:
    database = context.observed.database
    return "" if database.ready else database.message


def _weak(context: Context) -> str:
    weakness = find_weakness(context)
    return f"{describe_serving(context)}; {weakness}" if weakness else ""


def _incomplete(context: Context) -> str:
    stable, pods = context.status.stable, serving_pods(context)
    complete = stable and context.serves(stable.revision) and pods.ready >= pods.wanted
    return "" if complete else describe_serving(context)


PRECEDENCE: tuple[Situation, ...] = (
    Situation(Phase.SUSPENDED, _suspended),
    Situation(Phase.PAUSED, _paused),
    Situation(Phase.STALLED, _held_for_good),
    Situation(Phase.PENDING, _held_until_next_try),
    Situation(Phase.STALLED, _needs_a_person),
    # A rollout is on.
    Situation(Phase.DEPLOYING, _first_rollout),
    Situation(Phase.BAKING, _baking),
    Situation(Phase.ROLLING_OUT, _rolling_out),
    # None is.
    Situation(Phase.PENDING, _blocked),
    Situation(Phase.ROLLED_BACK, _pinned, Reason.ROLLED_BACK),
    Situation(Phase.ROLLED_BACK, _rejected, Reason.ROLLED_BACK),
    Situation(Phase.PENDING, _about_to_start),
    # What is asked for serves.
    Situation(Phase.DEGRADED, _without_database),
    Situation(Phase.DEGRADED, without_route),
    Situation(Phase.DEGRADED, _weak),
    Situation(Phase.DEGRADED, _incomplete),
    Situation(Phase.READY, describe_serving, Reason.STABLE_SERVING),
)
