"""Going forward: walk the candidate through the stages of its strategy."""

from __future__ import annotations

from datetime import timedelta

from maraudersmap_operator.resource.names import ANNOTATION_PROMOTE
from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status_candidate import CandidateRevision, Step
from maraudersmap_operator.resource.status_control import ControlGroup, StableRevision
from maraudersmap_operator.resource.status_memory import CandidateMemory, Progress

from ..actions import RecordRevision
from ..commands import take_promote
from ..context import SOON, Context, RolloutContext
from ..facts import TargetRevision
from ..stable import clear_others, hold_stable, keep_stable, restore_traffic
from ..strategy import Stage, Traffic, position, stages
from ..verdict.case import FAIR_SHARE, Healthy, Rejected
from ..verdict.control_group import baseline, control_pods, disturbance
from ..verdict.pod_history import remember
from .act_on_verdict import act_on_verdict, count_as_waiting, go_back, unsettle
from .admission_dry_run import follow_admission
from .analysis_gate import GoOn, Wait, follow_comparison, pass_gate, restart_comparison
from .bake import bake, promote
from .candidate_pods import is_exchanged, size_candidate
from .migrate import mark_migrated, run_migrations
from .shared_traffic import share_traffic
from .weighted_traffic import has_its_weight, weigh_traffic

# The time that migrations with little to do take on a quiet cluster.
COUNTED_MIGRATIONS = timedelta(seconds=5)


def start(context: Context, target: TargetRevision) -> Context:
    """Begin the rollout of the target. No candidate before everything it needs is there. The context to go on with."""
    # What an earlier revision needs may be there although the spec's is not: its pods show.
    references = () if context.emergency else (context.observed.references,)
    for need in (*references, context.observed.database):
        if not need.ready:
            context.block(need.reason, need.message)
            return context
    candidate = CandidateRevision(
        revision=target.revision,
        image=target.image,
        step=Step.MIGRATING,
        strategy=context.spec.rollout.strategy,
        started_at=context.now,
        step_started_at=context.now,
        memory=CandidateMemory(
            progress=Progress(progressed_at=context.now),
            control_group=ControlGroup(
                pods=control_pods(context.stable_facts),
                baseline=baseline(context.status.stable, context.now),
                undisturbed=context.emergency or context.override,
            ),
        ),
    )
    rollout = RolloutContext.of(context, candidate)
    rollout.note(Reason.ROLLOUT_STARTED, f"Revision {target.revision} ({target.image}) starts")
    advance(rollout)
    return rollout


def advance(context: RolloutContext) -> None:
    """Take the candidate as far as it can go in this pass."""
    candidate = context.candidate
    facts, migration = context.candidate_facts, context.observed.migration
    context.replace_candidate(remember(candidate, facts, context.stable_facts, migration, context.now))
    follow_comparison(context)
    follow_admission(context)
    if context.in_traffic(candidate.revision) and not candidate.had_traffic:
        context.update_candidate(had_traffic=True)
    if context.promote and context.candidate.memory.control_group.hurt_since:
        _override(context)
    context.all_learned()
    if candidate.revision not in context.observed.recorded:
        if not context.only_back:
            context.act(RecordRevision(candidate.revision))
        elif candidate.revision not in context.observed.revisions:
            # It has only just been asked for, and it is not known what its pods would be.
            keep_stable(context)
            return
    if candidate.step is not Step.MIGRATING:
        mark_migrated(context)
    elif not _finish_migrations(context):
        return
    if context.status.stable is None:
        _first_deployment(context)
    else:
        _walk(context, context.status.stable)


def _override(context: RolloutContext) -> None:
    """Someone goes on in spite of what the stable revision suffers."""
    candidate = context.candidate
    hurt = disturbance(candidate, context.stable_facts, context.now)
    context.update_candidate(memory={"control_group": {"undisturbed": True, "hurt_since": None}})
    context.warn(Reason.OVERRIDDEN, f"Promote overrides StableDisturbed: {hurt}")


def _finish_migrations(context: RolloutContext) -> bool:
    """True when the migrations are done; until then stable is all there is."""
    candidate = context.candidate
    done = run_migrations(context)
    if done and not context.only_back:
        began = candidate.step_started_at
        _enter(context, Step.FULL_SIZE if context.status.stable is None else Step.WITNESSES)
        # Short migrations are part of the deadline, as a person counts it; pods keep their share.
        deadline = timedelta(seconds=context.spec.rollout.progress_deadline_seconds)
        counted = min(COUNTED_MIGRATIONS, deadline * (1 - FAIR_SHARE))
        progressed_at = max(began, context.now - counted)
        context.update_candidate(memory={"progress": {"progressed_at": progressed_at}})
        return True
    if context.only_back:
        context.block_still("")
    if done:
        count_as_waiting(context)
    keep_stable(context, candidate.revision)
    if not done:
        act_on_verdict(context, wanted=0)
    return False


def _walk(context: RolloutContext, stable: StableRevision) -> None:
    candidate = context.candidate
    plan = stages(context.spec, candidate.strategy)
    here = position(plan, candidate)
    stage = plan[here]
    match stage.traffic:
        case Traffic.CANDIDATE:
            bake(context, stable)
            return
        case Traffic.SHARED:
            wanted = share_traffic(context, stage, stable)
            there = context.shares
        case Traffic.WEIGHED:
            wanted = weigh_traffic(context, stage, stable)
            there = has_its_weight(context, stage)
        case Traffic.STABLE:
            wanted = _out_of_traffic(context, stage, stable)
            there = True
    if wanted is None or not isinstance(act_on_verdict(context, wanted, there), Healthy):
        return
    if not _end_stage(context, stage):
        return
    # A stable revision without one ready pod has nothing to protect: a healthy candidate goes straight through.
    following = plan[-1] if context.stable_facts.ready == 0 else plan[here + 1]
    if following.traffic is Traffic.CANDIDATE:
        _take_all_traffic(context, stable, wanted)
        return
    _enter(context, following.step, plan.index(following) - _first_of(plan, following.step))
    _walk(context, stable)


def _first_of(plan: tuple[Stage, ...], step: Step) -> int:
    return next(i for i, stage in enumerate(plan) if stage.step is step)


def _out_of_traffic(context: RolloutContext, stage: Stage, stable: StableRevision) -> int:
    """Until a stage gives it some, traffic belongs to stable, even if someone has moved the selector."""
    candidate = context.candidate
    hold_stable(context, stable)
    wanted = size_candidate(context, stage)
    restore_traffic(context, stable.revision)
    clear_others(context, keep={stable.revision, candidate.revision})
    return wanted


def _end_stage(context: RolloutContext, stage: Stage) -> bool:
    """The stage has all it wanted: is it also over?"""
    candidate = context.candidate
    if context.still:
        context.block_still(f"the rollout stays at {candidate.step}")
        return False
    if stage.exchange and not is_exchanged(context):
        context.wake(SOON)
        return False
    if context.emergency:
        return True
    if stage.gate:
        if take_promote(context):
            return True
        # The hold of a stage that a person ends is theirs to judge.
        context.block(
            Reason.WAITING_FOR_PROMOTION, f"{candidate.step} waits for a new value of {ANNOTATION_PROMOTE}"
        )
        return False
    # Nothing is gained by watching a part of the traffic when nothing else answers the rest.
    end = (candidate.memory.progress.settled_at or context.now) + stage.hold
    if context.stable_facts.ready > 0 and context.now < end and not take_promote(context):
        context.wake_at(end)
        return False
    if not stage.hold:
        return True
    match pass_gate(context):
        case GoOn():
            return True
        case Rejected() as rejected:
            go_back(context, rejected)
        case Wait():
            pass
    return False


def _take_all_traffic(context: RolloutContext, stable: StableRevision, pods: int) -> None:
    candidate = context.candidate
    if context.full_size > pods:
        # Straight through, past the stage that would have grown it.
        context.scale(candidate.revision, context.full_size)
    context.route_to(candidate.revision)
    _enter(context, Step.BAKING)
    context.note(
        Reason.TRAFFIC_SWITCHED,
        f"Traffic moved from {stable.revision} to {candidate.revision}; watching it for "
        f"{context.spec.rollout.bake_seconds} s before {stable.revision} is retired",
    )
    context.wake(SOON)


def _first_deployment(context: RolloutContext) -> None:
    """No revision has proven itself yet: the candidate takes traffic at once, and nothing is ever rejected."""
    candidate = context.candidate
    wanted = size_candidate(context, Stage(Step.FULL_SIZE, Traffic.CANDIDATE))
    healthy = isinstance(act_on_verdict(context, wanted), Healthy)
    # One that the spec has moved on from may still serve, with more pods than are wanted by now.
    if healthy or context.serving_facts.ready <= context.candidate_facts.ready:
        context.route_to(candidate.revision)
    clear_others(context, keep={candidate.revision})
    if healthy:
        promote(context)


def _enter(context: RolloutContext, step: Step, canary_step: int = 0) -> None:
    unsettle(context)
    in_traffic = step in (Step.SHARING, Step.BAKING)
    full = context.full_size if in_traffic else context.candidate.memory.progress.full_size
    context.update_candidate(
        step=step,
        canary_step=canary_step,
        step_started_at=context.now,
        memory={
            "progress": {"full_size": full, "progressed_at": context.now},
            "failures": {"half_down_since": None},
        },
    )
    if in_traffic:
        restart_comparison(context)
