"""A strategy is data: the stages a candidate goes through, in order. One engine (stages/advance.py) walks them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from maraudersmap_operator.resource import MaraudersMapSpec
from maraudersmap_operator.resource.place import place_of
from maraudersmap_operator.resource.policy import DEFAULT_STEPS, Strategy
from maraudersmap_operator.resource.status_candidate import CandidateRevision, Step

WITNESSES = 2
# An exchange goes in this many batches, or one pod at a time where there are fewer pods.
BATCHES = 4


class Traffic(StrEnum):
    """Whose pods the Service selects in a stage."""

    STABLE = "Stable"
    SHARED = "Shared"  # both: each gets as much as it has pods
    WEIGHED = "Weighed"  # stable's, apart from the share that the Gateway's route gives the candidate
    CANDIDATE = "Candidate"


@dataclass(frozen=True, slots=True)
class Stage:
    """One step. Its size is `pods`, or follows from `share`, or is the serving revision's when neither is given."""

    step: Step
    traffic: Traffic
    pods: int | None = None
    share: int | None = None  # percent of the traffic; at full size the last one is kept
    exchange: bool = False  # stable shrinks as the candidate grows
    hold: timedelta = timedelta(0)  # watched for so long before the next stage
    gate: bool = False  # a person must ask for the next stage


def stages(spec: MaraudersMapSpec, strategy: Strategy) -> tuple[Stage, ...]:
    """The stages of a strategy. The first is always the trial out of traffic, the last always the bake."""
    # Two pods that no user meets: what kills a revision at once, kills it here.
    trial = Stage(Step.WITNESSES, Traffic.STABLE, pods=WITNESSES)
    # Stable stays at full size to go back to.
    bake = Stage(Step.BAKING, Traffic.CANDIDATE)
    rollout = spec.rollout
    gate = not rollout.auto_promote
    match strategy:
        case Strategy.BLUE_GREEN:
            return trial, Stage(Step.FULL_SIZE, Traffic.STABLE, gate=gate), bake
        case Strategy.CANARY:
            wanted = rollout.steps or DEFAULT_STEPS
            traffic = Traffic.WEIGHED if spec.gateway else Traffic.SHARED
            steps = (
                Stage(
                    Step.SHARING,
                    traffic,
                    share=s.share,
                    hold=timedelta(seconds=s.hold_seconds),
                    gate=s.pause,
                )
                for s in wanted
            )
            share = wanted[-1].share if spec.gateway else None
            return trial, *steps, Stage(Step.FULL_SIZE, traffic, share=share, gate=gate), bake
        case Strategy.ROLLING:
            # One witness: there may be no room for two.
            alone = Stage(Step.WITNESSES, Traffic.STABLE, pods=1, gate=gate)
            return alone, Stage(Step.SHARING, Traffic.SHARED, exchange=True), bake


def waiting_places(plan: tuple[Stage, ...], strategy: Strategy) -> list[str]:
    """The places of a plan that last for a while, or until someone ends them: there `promote` acts."""
    shares = [s for s in plan if s.step is Step.SHARING]
    return [
        place_of(s.step, strategy, shares.index(s) if s in shares else 0)
        for s in plan
        if s.gate or s.hold or s.step is Step.BAKING
    ]


def position(plan: tuple[Stage, ...], candidate: CandidateRevision) -> int:
    """Where in the plan the candidate stands. The steps of a canary may have become fewer meanwhile."""
    here = [i for i, stage in enumerate(plan) if stage.step is candidate.step]
    return here[min(candidate.canary_step, len(here) - 1)] if here else 0


def stage_size(stage: Stage, spec: MaraudersMapSpec, serving_size: int) -> int:
    """Pods the candidate should have in that stage, beside `serving_size` pods of stable. Not for an exchange."""
    full = spec.wanted_size(serving_size)
    if stage.traffic is Traffic.WEIGHED:
        # The share does not follow from the pods, but they must carry it. The witnesses stay.
        share = 100 if stage.step is Step.FULL_SIZE else stage.share or 0
        return max(min(WITNESSES, full), math.ceil(full * share / 100))
    if stage.share is not None:
        # candidate / (stable + candidate) = share; never more than asked for, unless that is less than one pod.
        return max(1, min(full, full * stage.share // (100 - stage.share)))
    return full if stage.pods is None else min(stage.pods, full)


def batch_size(full: int) -> int:
    """Pods that an exchange moves at a time."""
    return max(1, full // BATCHES)
