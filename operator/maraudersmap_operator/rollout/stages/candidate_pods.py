"""The candidate's pods: as many as the stage wants, and a fresh one where an early failure wants a second look.

Where there is no room for two sets (strategy Rolling) pods are exchanged in batches: traffic is on both revisions throughout,
and stable shrinks only by as many pods as the candidate has ready. The autoscaler holds still meanwhile. The way back is in
rollback.py.
"""

from __future__ import annotations

from maraudersmap_operator.resource.status_candidate import Step
from maraudersmap_operator.resource.status_control import StableRevision

from ..context import RolloutContext
from ..strategy import Stage, batch_size, stage_size
from ..verdict.pod_history import fresh_witness_at


def size_candidate(context: RolloutContext, stage: Stage) -> int:
    """Have the stage's pods; how many that is."""
    candidate = context.candidate
    facts = context.candidate_facts
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
    size = context.candidate_facts.size
    context.deploy(candidate.revision)
    autoscaled = context.spec.autoscaling.enabled and context.serves(candidate.revision) and size > 0
    if size != pods and not autoscaled:
        context.scale(candidate.revision, pods)


def exchange_pods(context: RolloutContext, stable: StableRevision) -> int:
    """Grow the candidate by a batch, shrink stable by as many as are ready; how many pods the candidate should have."""
    full = context.candidate.memory.progress.full_size
    new, old = context.candidate_facts, context.stable_facts
    context.deploy(stable.revision)
    # Pods on their way out still take room.
    room = full + batch_size(full) - max(old.size, old.room(context.now))
    wanted = max(min(full, room), min(new.size, full), 1)
    if context.still:
        # What is there stays as it is, for as long as people like.
        wanted = max(min(new.size, full), 1)
        scale_candidate(context, wanted)
        return wanted
    scale_candidate(context, wanted)
    leaving = old.room(context.now) - old.size
    if new.ready == new.size == wanted < full and leaving > 0:
        context.asides.append(
            f"{leaving} pods of {stable.revision} on their way out take the room of the next ones"
        )
    left = max(full - new.ready, 0)
    if left < old.size and context.shares and context.already_shared:
        context.scale(stable.revision, left)
    return wanted


def is_exchanged(context: RolloutContext) -> bool:
    """The candidate has all its pods, and stable none."""
    full = context.candidate.memory.progress.full_size
    return context.candidate_facts.ready >= full and context.stable_facts.size == 0
