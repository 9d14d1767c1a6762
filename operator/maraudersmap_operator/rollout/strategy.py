"""A strategy is data: the steps a candidate goes through, in order. One engine (decide.py) walks them."""

from __future__ import annotations

from dataclasses import dataclass

from maraudersmap_operator.resource import MaraudersMapSpec
from maraudersmap_operator.resource.policy import Strategy
from maraudersmap_operator.resource.status import Step

WITNESSES = 2


@dataclass(frozen=True, slots=True)
class Stage:
    """One step. `size` None means as many pods as the serving revision has right now."""

    step: Step
    size: int | None
    takes_traffic: bool = False


BLUE_GREEN = (
    # Two pods that no user meets: what kills a revision at once, kills it here.
    Stage(Step.WITNESSES, size=WITNESSES),
    Stage(Step.FULL_SIZE, size=None),
    # One write of the Service's selector; stable stays at full size to go back to.
    Stage(Step.BAKING, size=None, takes_traffic=True),
)

STRATEGIES: dict[Strategy, tuple[Stage, ...]] = {Strategy.BLUE_GREEN: BLUE_GREEN}


def stage_of(strategy: Strategy, step: Step) -> Stage:
    return next(s for s in STRATEGIES[strategy] if s.step is step)


def wanted_size(spec: MaraudersMapSpec, serving_size: int) -> int:
    """Pods at full size: the serving revision's live count (the autoscaler moves it) within the spec's bounds."""
    if spec.suspend:
        return 0
    if not spec.autoscaling.enabled:
        return spec.replicas
    return min(max(serving_size, spec.autoscaling.min_replicas), spec.autoscaling.max_replicas)


def stage_size(stage: Stage, spec: MaraudersMapSpec, serving_size: int) -> int:
    """Pods the candidate should have in that stage."""
    full = wanted_size(spec, serving_size)
    return full if stage.size is None else min(stage.size, full)
