"""The candidate's own pods: as many as the stage wants, and a fresh one where an early failure wants a second look."""

from __future__ import annotations

from maraudersmap_operator.resource.status_candidate import Step

from ..context import RolloutContext
from ..strategy import Stage, stage_size
from ..verdict.pod_history import fresh_witness_at


def size_candidate(context: RolloutContext, stage: Stage) -> int:
    """Have the stage's pods; how many that is."""
    candidate = context.candidate
    facts = context.facts(candidate.revision)
    serving_size = (
        context.stable_facts.size if context.status.stable else max(facts.size, context.serving_facts.size)
    )
    wanted = stage_size(stage, context.spec, serving_size)
    pods = wanted
    fresh_from = fresh_witness_at(candidate)
    if fresh_from and stage.step is Step.WITNESSES and context.now >= fresh_from:
        pods += 1
    if stage.step is Step.WITNESSES:
        # What was replaced a moment ago and is asked for again has its pods still: more can witness as well.
        pods = max(pods, facts.size)
    scale_candidate(context, pods)
    return wanted


def scale_candidate(context: RolloutContext, pods: int) -> None:
    """Bring the candidate to that many pods, unless it serves under an autoscaler: then that one decides."""
    candidate = context.candidate
    size = context.facts(candidate.revision).size
    context.deploy(candidate.revision)
    autoscaled = context.spec.autoscaling.enabled and context.serves(candidate.revision) and size > 0
    if size != pods and not autoscaled:
        context.scale(candidate.revision, pods)
