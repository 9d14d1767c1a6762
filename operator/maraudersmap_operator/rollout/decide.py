"""The operator's brain: one pure function from what is seen to what is to be done.

Level-triggered: any call may be the first after a restart, so a situation is recognised from the spec, the observed
facts and the status alone. Below `decide` nothing awaits, reads a clock or meets a client.
"""

from __future__ import annotations

from datetime import datetime

from maraudersmap_operator.resource import MaraudersMap
from maraudersmap_operator.resource.names import ANNOTATION_RETRY
from maraudersmap_operator.resource.policy import Strategy
from maraudersmap_operator.resource.reasons import PassedOn
from maraudersmap_operator.resource.status import MaraudersMapStatus, Phase
from maraudersmap_operator.resource.status_candidate import CandidateRevision, Step
from maraudersmap_operator.resource.status_memory import CandidateMemory, Progress
from maraudersmap_operator.resource.status_outcomes import Hold, Outcome

from .actions import Autoscaled, Decision
from .as_it_is import as_it_is
from .commands import take_abort, take_commands
from .conditions import report
from .context import Context, RolloutContext
from .facts import Observed, TargetRevision
from .lost_status import take_up_what_serves
from .rollback import HOLD_MOST, abandon, give_up, roll_back
from .secret_rotation import follow_secrets
from .stable import keep_stable
from .stages.advance import advance, start
from .watched_time import credit, not_ahead


def decide(resource: MaraudersMap, observed: Observed, now: datetime) -> Decision:
    """Choose the next actions, in the order they must run. `now` is aware UTC."""
    status = resource.status or MaraudersMapStatus()
    context = Context.begin(as_it_is(resource, observed), resource.generation, observed, now, status)
    if status.candidate:
        candidate = not_ahead(status.candidate, now)
        context.update(
            candidate=credit(candidate, observed.unwatched, now) if observed.unwatched else candidate
        )
    take_commands(context, resource.annotations)
    follow_secrets(context)
    context.all_learned()
    if context.spec.suspend:
        _suspend(context)
    else:
        known = context.status.candidate
        # One with a verdict goes back from where it was: nothing more is held against it, and nothing is forgotten.
        if status.phase is Phase.SUSPENDED and known is not None and known.verdict is None:
            context.learn(candidate=start_over(known, now))
        context = _act(context)
    withheld = _withheld(context, before=status) if context.moves_traffic else None
    report(context, before=status)
    return Decision(
        status=context.status,
        withheld=withheld or context.status,
        actions=tuple(context.actions),
        notes=tuple(context.notes),
        wake_after=min(context.wakes, default=None),
        autoscaled=_autoscaler_target(context),
        previewed=_preview_target(context),
        ask_admission=context.ask_admission,
    )


def _withheld(context: Context, before: MaraudersMapStatus) -> MaraudersMapStatus:
    """The status if traffic stays where it is."""
    stayed = context.with_traffic_as_it_was()
    report(stayed, before)
    return stayed.status


def _act(context: Context) -> Context:
    """Do what the situation asks for. The context to go on with: that of a rollout while one is on."""
    target, hold = context.observed.target, context.status.hold
    if target is None:
        # It is not known what is asked for: keep all as it is, judge what is on trial, start nothing.
        context.block_still("")
    elif hold and hold.revision != target.revision:
        context.learn(hold=None)
    take_up_what_serves(context, target)
    if context.status.candidate is None:
        context = _stay_or_start(context, target)
    else:
        context = rollout = RolloutContext.of(context, context.status.candidate)
        _go_on(rollout)
    if target is None and not context.blocked:
        context.block_still("")
    return context


def _go_on(context: RolloutContext) -> None:
    """A rollout is on: it goes back, makes room for what the spec asks for now, or goes forward."""
    candidate, stable, target = context.candidate, context.status.stable, context.observed.target
    if stable and candidate.verdict:
        roll_back(context, stable, candidate.verdict)
    elif target and candidate.revision != target.revision:
        back = stable is not None and stable.revision == target.revision
        abandon(context, Outcome.CANCELLED if back else Outcome.SUPERSEDED)
    elif stable and take_abort(context):
        give_up(context, stable)
    else:
        advance(context)


def _stay_or_start(context: Context, target: TargetRevision | None) -> Context:
    """No rollout is on: keep stable as it is, or start one. The context to go on with."""
    status, stable = context.status, context.status.stable
    serves = target is not None and stable is not None and stable.revision == target.revision
    if (
        target is None
        or serves
        or status.rejection(target.revision)
        or (status.hold and _wait_with_hold(context, status.hold))
    ):
        keep_stable(context)
        if serves and not context.observed.references.ready:
            context.block(context.observed.references.reason, context.observed.references.message)
        return context
    # The target may be what has just been replaced: a pass must not send pods away and count on them.
    keep_stable(context, target.revision)
    if context.still:
        context.block_still("the new revision waits")
        return context
    return start(context, target)


def _wait_with_hold(context: Context, hold: Hold) -> bool:
    """Whether the target's next try is yet to come, by itself or by a command."""
    if hold.stuck:
        context.block(
            PassedOn(hold.reason),
            f"{hold.message}; it had traffic in {hold.traffic_attempts} tries and is not tried again by itself: "
            f"change the spec, or give {ANNOTATION_RETRY} a new value",
        )
    elif context.now < hold.retry_at <= context.now + HOLD_MOST:  # further ahead: the clock was put back
        context.block(
            PassedOn(hold.reason), f"{hold.message}; tried {hold.attempts} times, the next try follows"
        )
        context.wake_at(hold.retry_at)
    else:
        return False
    return True


def _autoscaler_target(context: Context) -> Autoscaled:
    """The autoscaler follows traffic. On shared traffic it stays with stable, and never below what served before."""
    if not context.shares and not context.weight:
        return Autoscaled(context.serving.word)
    stable, candidate = context.status.stable, context.status.candidate
    return Autoscaled(
        stable.revision if stable else "",
        least=candidate.memory.progress.full_size if candidate else 0,
        held=candidate is not None and candidate.strategy is Strategy.ROLLING,
    )


def _preview_target(context: Context) -> str:
    """The candidate, until it serves. What a Gateway may still send requests to keeps them."""
    if context.observed.previewed and not context.route_left():
        return context.observed.previewed
    candidate = context.status.candidate
    return candidate.revision if candidate and not context.serves(candidate.revision) else ""


def _suspend(context: Context) -> None:
    """No pods at all; everything else stays, so that resuming is quick."""
    for name, facts in sorted(context.observed.revisions.items()):
        if facts.size:
            context.scale(name, 0)


def start_over(candidate: CandidateRevision, now: datetime) -> CandidateRevision:
    """The candidate with its clocks and counts started over: suspended time is not held against it.

    Once it has had traffic it goes back: no pod has been ready meanwhile, and traffic belongs to the revision that is first.
    """
    step = candidate.step
    if candidate.strategy is Strategy.BLUE_GREEN:
        step = Step.FULL_SIZE if step is Step.BAKING else step
    elif step is not Step.MIGRATING:
        step = Step.WITNESSES
    return CandidateRevision(
        revision=candidate.revision,
        image=candidate.image,
        step=step,
        strategy=candidate.strategy,
        started_at=now,
        step_started_at=now,
        had_traffic=candidate.had_traffic,
        memory=CandidateMemory(
            progress=Progress(progressed_at=now),
            control_group=candidate.memory.control_group.but(hurt_since=None),
            migrations=candidate.memory.migrations.but(waited=""),
        ),
    )
