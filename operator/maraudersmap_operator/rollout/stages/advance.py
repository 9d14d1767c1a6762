"""Going forward: walk the candidate through the stages of its strategy."""

from __future__ import annotations

from datetime import timedelta

from maraudersmap_operator.resource.names import SHARED
from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status import CandidateRevision, Step
from maraudersmap_operator.resource.status_control import StableRevision

from ..actions import NoteType, Record, ScaleTo
from ..commands import take_promote
from ..context import SOON, Turn
from ..facts import Target
from ..stable import clear_others, hold_stable, keep_stable, restore_traffic
from ..strategy import Stage, Traffic, position, stages, wanted_size
from ..verdict.case import FAIR_SHARE, Doomed, Healthy
from ..verdict.control_baseline import baseline
from ..verdict.control_group import controls, disturbed
from ..verdict.pod_history import remember
from .act_on_verdict import judge, sentence
from .admission_dry_run import follow_admission
from .analysis_gate import enough, follow, start_anew
from .bake import bake, promote
from .candidate_pods import staff
from .held_time import made_to_wait, unsettle
from .migrate import migrated
from .rolling import exchanged
from .shared_traffic import share
from .weighted_traffic import arrived, weigh

# The time that migrations with little to do take on a quiet cluster.
COUNTED_MIGRATIONS = timedelta(seconds=5)


def start(turn: Turn, target: Target) -> None:
    """Begin the rollout of the target. No candidate before everything it needs is there."""
    # What an earlier revision needs may be there although the spec's is not: its pods show.
    references = () if turn.emergency else (turn.observed.references,)
    for need in (*references, turn.observed.database):
        if not need.ready:
            turn.block(need.reason, need.message)
            return
    candidate = CandidateRevision(
        revision=target.revision,
        image=target.image,
        step=Step.MIGRATING,
        strategy=turn.spec.rollout.strategy,
        started_at=turn.now,
        step_started_at=turn.now,
        progressed_at=turn.now,
        controls=controls(turn.stable_facts),
        baseline=baseline(turn.status.stable, turn.now),
        undisturbed=turn.emergency or turn.override,
    )
    turn.update(candidate=candidate)
    turn.note(NoteType.NORMAL, Reason.ROLLOUT_STARTED, f"Revision {target.revision} ({target.image}) starts")
    advance(turn)


def advance(turn: Turn) -> None:
    """Take the candidate as far as it can go in this pass."""
    candidate = turn.status.candidate
    assert candidate is not None
    facts = turn.facts(candidate.revision)
    turn.update(candidate=remember(candidate, facts, turn.stable_facts, turn.observed.migration, turn.now))
    follow(turn)
    follow_admission(turn)
    if turn.in_traffic(candidate.revision) and not candidate.had_traffic:
        turn.update_candidate(had_traffic=True)
    if turn.promote and turn.status.candidate and turn.status.candidate.controls_hurt_since:
        _override(turn)
    turn.all_learned()
    if turn.only_back and candidate.revision not in turn.observed.recorded:
        # It has only just been asked for, and nobody knows what its pods would be.
        keep_stable(turn)
        return
    if candidate.revision not in turn.observed.recorded:
        turn.act(Record(candidate.revision))
    if candidate.step is Step.MIGRATING and not _may_have_pods(turn, candidate):
        return
    if turn.status.stable is None:
        _first_deployment(turn)
    else:
        _walk(turn, turn.status.stable)


def _override(turn: Turn) -> None:
    """Somebody goes on in spite of what the stable revision suffers."""
    candidate = turn.status.candidate
    assert candidate is not None
    hurt = disturbed(candidate, turn.stable_facts, turn.now)
    turn.update_candidate(undisturbed=True, controls_hurt_since=None)
    turn.note(NoteType.WARNING, Reason.OVERRIDDEN, f"Promote overrides StableDisturbed: {hurt}")


def _may_have_pods(turn: Turn, candidate: CandidateRevision) -> bool:
    """True when the migrations are done; until then stable is all there is."""
    done = migrated(turn)
    if turn.only_back:
        turn.block_still("")
        if done:
            made_to_wait(turn)
            keep_stable(turn, candidate.revision)
            return False
    elif done:
        began = candidate.step_started_at
        _enter(turn, Step.FULL_SIZE if turn.status.stable is None else Step.WITNESSES)
        # Short migrations are part of the deadline, as a person counts it; pods keep their share.
        deadline = timedelta(seconds=turn.spec.rollout.progress_deadline_seconds)
        counted = min(COUNTED_MIGRATIONS, deadline * (1 - FAIR_SHARE))
        turn.update_candidate(progressed_at=max(began, turn.now - counted))
        return True
    keep_stable(turn, candidate.revision)
    judge(turn, wanted=0)
    return False


def _walk(turn: Turn, stable: StableRevision) -> None:
    candidate = turn.status.candidate
    assert candidate is not None
    plan = stages(turn.spec, candidate.strategy)
    here = position(plan, candidate)
    stage = plan[here]
    match stage.traffic:
        case Traffic.CANDIDATE:
            bake(turn, candidate, stable)
            return
        case Traffic.SHARED:
            wanted = share(turn, stage, candidate, stable)
            there = turn.serving == SHARED
        case Traffic.WEIGHED:
            wanted = weigh(turn, stage, candidate, stable)
            there = arrived(turn, stage)
        case Traffic.STABLE:
            wanted = _out_of_traffic(turn, stage, candidate, stable)
            there = True
    if wanted is None or not isinstance(judge(turn, wanted, there), Healthy):
        return
    if not _may_go_on(turn, stage):
        return
    # A stable revision without one ready pod has nothing to protect: a healthy candidate goes straight through.
    following = plan[-1] if turn.stable_facts.ready == 0 else plan[here + 1]
    if following.traffic is Traffic.CANDIDATE:
        _take_all_traffic(turn, stable, wanted)
        return
    _enter(turn, following.step, plan.index(following) - _first_of(plan, following.step))
    _walk(turn, stable)


def _first_of(plan: tuple[Stage, ...], step: Step) -> int:
    return next(i for i, stage in enumerate(plan) if stage.step is step)


def _out_of_traffic(turn: Turn, stage: Stage, candidate: CandidateRevision, stable: StableRevision) -> int:
    """Until a stage gives it some, traffic belongs to stable, whoever moved the selector."""
    hold_stable(turn, stable)
    wanted = staff(turn, candidate, stage)
    restore_traffic(turn, stable.revision)
    clear_others(turn, keep={stable.revision, candidate.revision})
    return wanted


def _may_go_on(turn: Turn, stage: Stage) -> bool:
    """The stage has all it wanted: is it also over?"""
    candidate = turn.status.candidate
    assert candidate is not None
    assert candidate.settled_at is not None
    if turn.still:
        turn.block_still(f"the rollout stays at {candidate.step}")
        return False
    if stage.exchange and not exchanged(turn, candidate):
        turn.wake(SOON)
        return False
    if turn.emergency:
        return True
    if stage.gate:
        if take_promote(turn):
            return True
        # The hold of a stage that a person ends is theirs to judge.
        turn.block(
            Reason.WAITING_FOR_PROMOTION, f"{candidate.step} waits for a new value of hogwarts.edu/promote"
        )
        return False
    # Nothing is gained by watching a part of the traffic when nobody else answers the rest.
    held = turn.stable_facts.ready > 0 and turn.now < candidate.settled_at + stage.hold
    if held and not take_promote(turn):
        turn.wake_at(candidate.settled_at + stage.hold)
        return False
    known = enough(turn) if stage.hold else True
    if isinstance(known, Doomed):
        sentence(turn, known)
        return False
    return known


def _take_all_traffic(turn: Turn, stable: StableRevision, pods: int) -> None:
    candidate = turn.status.candidate
    assert candidate is not None
    full = candidate.full_size or wanted_size(turn.spec, turn.stable_facts.size)
    if full > pods:
        # Straight through, past the stage that would have grown it.
        turn.act(ScaleTo(candidate.revision, full))
    turn.route(candidate.revision)
    _enter(turn, Step.BAKING)
    turn.note(
        NoteType.NORMAL,
        Reason.TRAFFIC_SWITCHED,
        f"Traffic moved from {stable.revision} to {candidate.revision}; watching it for "
        f"{turn.spec.rollout.bake_seconds} s before {stable.revision} is retired",
    )
    turn.wake(SOON)


def _first_deployment(turn: Turn) -> None:
    """No revision has proven itself yet: the candidate takes traffic at once, and nothing is ever rejected."""
    candidate = turn.status.candidate
    assert candidate is not None
    wanted = staff(turn, candidate, Stage(Step.FULL_SIZE, Traffic.CANDIDATE))
    healthy = isinstance(judge(turn, wanted), Healthy)
    # One that the spec has moved on from may still serve, with more pods than are wanted by now.
    if healthy or turn.facts(turn.serving).ready <= turn.facts(candidate.revision).ready:
        turn.route(candidate.revision)
    clear_others(turn, keep={candidate.revision})
    if healthy:
        promote(turn, candidate)


def _enter(turn: Turn, step: Step, canary_step: int = 0) -> None:
    unsettle(turn)
    candidate = turn.status.candidate
    assert candidate is not None
    full = candidate.full_size
    if step in (Step.SHARING, Step.BAKING) and not full:
        full = wanted_size(turn.spec, turn.stable_facts.size)
    turn.update_candidate(
        step=step,
        canary_step=canary_step,
        full_size=full,
        step_started_at=turn.now,
        progressed_at=turn.now,
        half_down_since=None,
    )
    if step in (Step.SHARING, Step.BAKING):
        start_anew(turn)
