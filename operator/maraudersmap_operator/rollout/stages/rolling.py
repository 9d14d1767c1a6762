"""The exchange of pods in batches, for clusters without room for two sets: forward, and back again.

Traffic is on both revisions throughout; stable shrinks only by as many pods as the candidate has ready, and the other way
round. The autoscaler holds still meanwhile.
"""

from __future__ import annotations

from maraudersmap_operator.resource.status_control import StableRevision

from ..context import RolloutContext
from ..strategy import batch_size
from .candidate_pods import scale_candidate


def exchange_pods(context: RolloutContext, stable: StableRevision) -> int:
    """Grow the candidate by a batch, shrink stable by as many as are ready; how many pods the candidate should have."""
    candidate = context.candidate
    full = candidate.memory.progress.full_size
    new, old = context.facts(candidate.revision), context.stable_facts
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
    candidate = context.candidate
    full = candidate.memory.progress.full_size
    return context.facts(candidate.revision).ready >= full and context.stable_facts.size == 0
