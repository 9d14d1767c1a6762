"""Going back: an ordered list of idempotent tasks.

Traffic to stable -> seen in the endpoints -> ledger entry stored -> the candidate's pods go. Traffic before scale, memory
before scale: an operator that dies in between finds, in the status and in the Service, where to go on.
"""

from __future__ import annotations

from datetime import timedelta

from maraudersmap_operator.resource.names import ANNOTATION_ABORT, ANNOTATION_RETRY
from maraudersmap_operator.resource.policy import Strategy
from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status_candidate import CandidateVerdict
from maraudersmap_operator.resource.status_control import StableRevision
from maraudersmap_operator.resource.status_model import shorten
from maraudersmap_operator.resource.status_outcomes import MAX_REJECTED, Hold, Outcome, RejectedRevision

from .actions import KeepEvidence, StoreStatus
from .context import SOON, RolloutContext, seconds
from .stable import hold_stable, may_take_traffic
from .strategy import batch_size
from .verdict.case import Environment, Rejected
from .verdict.control_group import disturbance, has_control_group

# Verdicts from lost readiness under traffic: the only ones that a shared cause, a moment later, can overturn.
UNDER_TRAFFIC = frozenset({Reason.NOT_READY_AFTER_PROMOTION})
SECOND_THOUGHT_MOST = timedelta(seconds=15)
HOLD_FIRST = timedelta(seconds=30)
HOLD_MOST = timedelta(minutes=30)
# What users have met and lost again is tried by itself only so often.
TRAFFIC_RETRIES = 2


def start_rollback(context: RolloutContext, stable: StableRevision, verdict: Rejected | Environment) -> None:
    """Remember the verdict, then start to carry it out."""
    candidate, environment = context.candidate, isinstance(verdict, Environment)
    context.unblock()  # what it was waiting for is of no interest any more
    stored = CandidateVerdict(
        reason=verdict.reason, message=verdict.message, detected_at=context.now, environment=environment
    )
    context.learn_candidate(verdict=stored)
    found = "cannot be tried here and now" if environment else "is bad"
    context.warn(
        verdict.reason,
        f"Revision {candidate.revision} ({candidate.image}) {found}, seen after "
        f"{seconds(context.now - candidate.started_at)} s: {verdict.message}",
    )
    roll_back(context, stable, stored)


def give_up(context: RolloutContext, stable: StableRevision) -> None:
    """Someone has asked for the end of the rollout: it goes back as if it had been found bad. What they go back to works with
    the schema as it is now, so the way back to it is open again for what is tried next."""
    context.learn(barrier="")
    start_rollback(context, stable, Rejected(Reason.ABORTED, f"given up by {ANNOTATION_ABORT}"))


def roll_back(context: RolloutContext, stable: StableRevision, verdict: CandidateVerdict) -> None:
    """Carry a verdict out, as far as it can go in this pass."""
    if not _return_traffic(context, stable):
        return
    if not verdict.environment and verdict.reason in UNDER_TRAFFIC:
        confirmed = _confirm(context, verdict)
        if confirmed is None:
            return
        verdict = confirmed
    if verdict.environment:
        _withdraw(context, verdict)
    else:
        _reject(context, stable, verdict)


def _confirm(context: RolloutContext, verdict: CandidateVerdict) -> CandidateVerdict | None:
    """Users are safe by now. Has stable lost readiness too, only a probe later? Then it was not the candidate.

    The verdict that is final; None while none is.
    """
    if cause := _shared_cause(context, verdict.message):
        changes = {"environment": True, "reason": cause.reason, "message": shorten(cause.message)}
        verdict = verdict.model_copy(update=changes)
        context.learn_candidate(verdict=verdict)
        return verdict
    period = context.spec.probes.readiness.period_seconds * context.spec.probes.readiness.failure_threshold
    final = verdict.detected_at + min(timedelta(seconds=period), SECOND_THOUGHT_MOST)
    if context.now < final:
        context.wake_at(final)
        return None
    return verdict


def _shared_cause(context: RolloutContext, found: str) -> Environment | None:
    """What else may have done it: then what was found is no evidence against the revision."""
    candidate, stable = context.candidate, context.stable_facts
    if trouble := context.database_trouble:
        return Environment(Reason.DATABASE_DISTURBED, f"{found}; {trouble}")
    if suffering := disturbance(candidate, stable, context.now):
        return Environment(Reason.STABLE_DISTURBED, suffering)
    if not has_control_group(candidate, stable) and _recovered(context):
        # It fell with nothing beside it, and is well beside stable: whatever ailed it may have ailed both.
        alone = "no pod of the stable revision was there to compare with, and it is ready again"
        return Environment(Reason.NO_CONTROL_GROUP, f"{found}; {alone}")
    return None


def _recovered(context: RolloutContext) -> bool:
    facts = context.candidate_facts
    return 0 < facts.size <= facts.ready


def _reject(context: RolloutContext, stable: StableRevision, verdict: CandidateVerdict) -> None:
    candidate = context.candidate
    entry = RejectedRevision(
        revision=candidate.revision,
        image=candidate.image,
        reason=verdict.reason,
        message=verdict.message,
        rejected_at=context.now,
        detect_seconds=seconds(verdict.detected_at - candidate.started_at),
        restore_seconds=seconds(context.now - candidate.started_at),
    )
    others = tuple(r for r in context.status.rejected if r.revision != candidate.revision)
    context.update(rejected=(entry, *others)[:MAX_REJECTED], hold=None)
    context.close(Outcome.ROLLED_BACK, verdict.reason)
    context.act(KeepEvidence(candidate.revision), StoreStatus())
    _retire(context)
    context.warn(
        Reason.ROLLED_BACK,
        f"Rolled back from {candidate.revision} ({candidate.image}) to {stable.revision} ({stable.image}) "
        f"after {entry.restore_seconds} s: {verdict.reason}. It is not tried again until the spec changes "
        f"or {ANNOTATION_RETRY} gets a new value",
    )


def _withdraw(context: RolloutContext, verdict: CandidateVerdict) -> None:
    """Take it away without an entry in the ledger, and try again later, less and less often."""
    candidate = context.candidate
    before = context.status.hold
    attempts = before.attempts + 1 if before and before.revision == candidate.revision else 1
    pause = min(HOLD_FIRST * 2 ** min(attempts - 1, 10), HOLD_MOST)
    in_traffic = (before.traffic_attempts if before and attempts > 1 else 0) + candidate.had_traffic
    stuck = in_traffic > TRAFFIC_RETRIES
    hold = Hold(
        revision=candidate.revision,
        reason=verdict.reason,
        message=verdict.message,
        attempts=attempts,
        retry_at=context.now + pause,
        traffic_attempts=in_traffic,
        stuck=stuck,
    )
    context.update(hold=hold)
    context.close(Outcome.WITHDRAWN, verdict.reason)
    context.act(StoreStatus())
    _retire(context)
    context.warn(
        Reason.WITHDRAWN,
        f"Withdrew {candidate.revision} ({candidate.image}): {verdict.reason}. "
        + (
            f"It had traffic in {in_traffic} tries and waits for a new value of {ANNOTATION_RETRY}, or another spec"
            if stuck
            else f"It is tried again in {pause.total_seconds():.0f} s"
        ),
    )
    context.wake_at(hold.retry_at)


def _retire(context: RolloutContext) -> None:
    """Its pods go; those that a Gateway may still send requests to when it has followed (stable.py)."""
    revision = context.candidate.revision
    if revision not in context.observed.revisions or not context.why_previewed(revision):
        context.retire(revision)


def abandon(context: RolloutContext, outcome: Outcome) -> None:
    """The spec has moved on from the candidate: leave it, without an entry in the ledger."""
    candidate, stable = context.candidate, context.status.stable
    if context.serves(candidate.revision) and (context.status.barrier or _answers_alone(context)):
        # There is no way back, past its schema or at all: what serves is what the next revision is measured against.
        context.close(outcome)
        context.make_stable()
        context.act(StoreStatus())
        context.wake(SOON)
        return
    if stable is not None and not _return_traffic(context, stable):
        return
    context.close(outcome)
    context.act(StoreStatus())
    if not context.serves(candidate.revision):
        _retire(context)
    context.note(
        Reason(outcome),
        f"Left revision {candidate.revision} ({candidate.image}): the spec changed",
    )
    context.wake(SOON)


def _answers_alone(context: RolloutContext) -> bool:
    """Stable has had the time of a bake and of its deadline to get ready: to wait for it any longer would keep what the spec
    asks for out for ever."""
    candidate, rollout = context.candidate, context.spec.rollout
    patience = timedelta(seconds=rollout.bake_seconds + rollout.progress_deadline_seconds)
    alone = context.status.stable is not None and context.stable_facts.ready == 0
    return alone and context.candidate_facts.ready > 0 and context.now >= candidate.step_started_at + patience


def _return_traffic(context: RolloutContext, stable: StableRevision) -> bool:
    """Send traffic to stable; True once the endpoints agree. Never takes it from ready pods to give it to none."""
    candidate = context.candidate
    if candidate.strategy is Strategy.ROLLING and context.reaches(candidate.revision):
        if not _exchange_back(context, stable):
            return False
    else:
        # The autoscaler may have grown the candidate since the switch; stable must carry the same load. Asked for until
        # it is seen: the pass that moves traffic may be overtaken.
        hold_stable(context, stable, context.candidate_facts.size if candidate.had_traffic else 0)
    if not context.serves(stable.revision) or context.weight:
        if not may_take_traffic(context, stable.revision):
            context.block(
                Reason.STABLE_NOT_READY,
                f"the stable revision {stable.revision} has no ready pod to go back to",
            )
            context.wake(SOON)
            return False
        context.set_weight(0)
        context.route_to(stable.revision)
    since = candidate.verdict.detected_at if candidate.verdict else candidate.step_started_at
    if why := context.why_led_to(candidate.revision) or context.why_gateway_holds(since):
        context.block(Reason.GOING_BACK, f"traffic is on its way to {stable.revision}: {why}")
        context.wake(SOON)
        return False
    return True


def _exchange_back(context: RolloutContext, stable: StableRevision) -> bool:
    """The same the other way round; True when stable is whole again and may have all traffic."""
    candidate = context.candidate
    context.deploy(stable.revision)
    new, old = context.candidate_facts, context.stable_facts
    full = context.full_size
    if context.serves(candidate.revision) and new.size > full:
        # The autoscaler has grown the candidate since it got all traffic; stable must carry the same load.
        full = new.size
        context.update_candidate(memory={"progress": {"full_size": full}})
    if old.ready >= full:
        return True
    context.route_to_both()
    if (wanted := min(full, old.ready + batch_size(full))) > old.size:
        context.scale(stable.revision, wanted)
    # Pods that are not ready answer no one: they make room first.
    keep = min(new.size, max(full - old.ready, 0), max(new.ready, 1))
    if keep < new.size:
        context.scale(candidate.revision, keep)
    context.block(
        Reason.GOING_BACK,
        f"{old.ready} of {full} pods of {stable.revision} are ready again; the exchange is undone in batches",
    )
    context.wake(SOON)
    return False
