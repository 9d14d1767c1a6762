"""The operator's brain: one pure function from what is seen to what is to be done.

Level-triggered: any call may be the first after a restart, so a situation is recognised from the spec, the observed
facts and the status alone. Below `decide` nothing awaits, reads a clock or meets a client.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from maraudersmap_operator.resource import MaraudersMap
from maraudersmap_operator.resource.names import SHARED
from maraudersmap_operator.resource.policy import Strategy
from maraudersmap_operator.resource.reasons import PassedOn, Reason
from maraudersmap_operator.resource.status import (
    CandidateRevision,
    Hold,
    MaraudersMapStatus,
    Outcome,
    Phase,
    Step,
)

from .actions import Autoscaled, Decision, ScaleTo
from .commands import take_abort, take_verbs
from .conditions import report
from .context import Turn
from .facts import Observed, Target
from .rollback import abandon, condemn, roll_back
from .secret_rotation import follow_secrets
from .stable import keep_stable
from .stages.advance import advance, start
from .verdict.case import Doomed
from .watched_time import credit


def decide(resource: MaraudersMap, observed: Observed, now: datetime) -> Decision:
    """Choose the next actions, in the order they must run. `now` is aware UTC."""
    status = resource.status or MaraudersMapStatus()
    turn = Turn(
        spec=resource.spec,
        generation=resource.generation,
        observed=observed,
        now=now,
        status=status,
        learned=status,
        serving=observed.serving,
        weight=observed.route.weight if observed.route else 0,
    )
    if status.candidate and observed.unwatched:
        turn.update(candidate=credit(status.candidate, observed.unwatched, now))
    take_verbs(turn, resource.annotations)
    follow_secrets(turn)
    turn.all_learned()
    if observed.conflict:
        turn.block(Reason.CONFLICT, observed.conflict)
    elif turn.spec.suspend:
        _suspend(turn)
    else:
        if status.phase is Phase.SUSPENDED and turn.status.candidate is not None:
            turn.learn(candidate=anew(turn.status.candidate, now))
        if turn.observed.target is None:
            _hold_on(turn)
        else:
            _roll(turn, turn.observed.target)
    autoscaled, previewed = _autoscaled(turn), _previewed(turn)
    withheld = _withheld(turn, before=status) if turn.moves_traffic else None
    report(turn, before=status)
    return turn.decision(withheld or turn.status, autoscaled, previewed)


def _withheld(turn: Turn, before: MaraudersMapStatus) -> MaraudersMapStatus:
    """The status if traffic stays where it is."""
    weight = turn.observed.route.weight if turn.observed.route else 0
    stayed = replace(turn, status=turn.learned, serving=turn.observed.serving, weight=weight)
    report(stayed, before)
    return stayed.status


def _hold_on(turn: Turn) -> None:
    """Nobody knows what is asked for: keep everything as it is, judge what is on trial, and start nothing."""
    candidate, stable = turn.status.candidate, turn.status.stable
    turn.block_still("")
    if candidate and candidate.doomed:
        roll_back(turn)
    elif candidate and stable and take_abort(turn):
        condemn(turn, candidate, Doomed(Reason.ABORTED, "given up by hogwarts.edu/abort"))
    elif candidate:
        advance(turn)
    else:
        keep_stable(turn)
    if not turn.blocked:
        turn.block_still("")


def _roll(turn: Turn, target: Target) -> None:
    if turn.status.hold and turn.status.hold.revision != target.revision:
        turn.learn(hold=None)
    status = turn.status
    candidate, stable = status.candidate, status.stable
    if candidate and candidate.doomed:
        roll_back(turn)
    elif candidate and candidate.revision != target.revision:
        back = stable is not None and stable.revision == target.revision
        abandon(turn, Outcome.CANCELLED if back else Outcome.SUPERSEDED)
    elif candidate and stable and take_abort(turn):
        condemn(turn, candidate, Doomed(Reason.ABORTED, "given up by hogwarts.edu/abort"))
    elif candidate:
        advance(turn)
    elif stable and stable.revision == target.revision:
        keep_stable(turn)
        if not turn.observed.references.ready:
            turn.block(turn.observed.references.reason, turn.observed.references.message)
    elif _rejected(turn, target) or (status.hold and _held(turn, status.hold)):
        keep_stable(turn)
    else:
        # The target may be what has just been replaced: a pass must not send pods away and count on them.
        keep_stable(turn, target.revision)
        if turn.still:
            turn.block_still("the new revision waits")
        else:
            start(turn, target)


def _rejected(turn: Turn, target: Target) -> bool:
    return any(r.revision == target.revision for r in turn.status.rejected)


def _held(turn: Turn, hold: Hold) -> bool:
    """Whether the target's next try is yet to come, by itself or by somebody."""
    if hold.stuck:
        turn.block(
            PassedOn(hold.reason),
            f"{hold.message}; it had traffic in {hold.traffic_attempts} tries and is not tried again by itself: "
            "change the spec, or give hogwarts.edu/retry a new value",
        )
    elif turn.now < hold.retry_at:
        turn.block(
            PassedOn(hold.reason), f"{hold.message}; tried {hold.attempts} times, the next try follows"
        )
        turn.wake_at(hold.retry_at)
    else:
        return False
    return True


def _autoscaled(turn: Turn) -> Autoscaled:
    """The autoscaler follows traffic. On shared traffic it stays with stable, and never below what served before."""
    if turn.serving != SHARED and not turn.weight:
        return Autoscaled(turn.serving)
    stable, candidate = turn.status.stable, turn.status.candidate
    return Autoscaled(
        stable.revision if stable else "",
        least=candidate.full_size if candidate else 0,
        held=candidate is not None and candidate.strategy is Strategy.ROLLING,
    )


def _previewed(turn: Turn) -> str:
    """The candidate, until it serves. What a Gateway may still send requests to keeps them."""
    if turn.observed.previewed and not turn.route_left():
        return turn.observed.previewed
    candidate = turn.status.candidate
    return candidate.revision if candidate and candidate.revision != turn.serving else ""


def _suspend(turn: Turn) -> None:
    """No pods at all; everything else stays, so that resuming is quick."""
    for name, facts in sorted(turn.observed.revisions.items()):
        if facts.size:
            turn.act(ScaleTo(name, 0))


def anew(candidate: CandidateRevision, now: datetime) -> CandidateRevision:
    """The candidate with its clocks and counts started over: suspended time is not held against it.

    Once it has had traffic it goes back: nobody has been ready meanwhile, and traffic belongs to whoever is first.
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
        progressed_at=now,
        migration_attempt=candidate.migration_attempt,
        doomed=candidate.doomed,
        controls=candidate.controls,
        baseline=candidate.baseline,
        undisturbed=candidate.undisturbed,
        had_traffic=candidate.had_traffic,
        migration_ran_at=candidate.migration_ran_at,
    )
