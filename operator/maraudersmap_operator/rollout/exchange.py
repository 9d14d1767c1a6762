"""The exchange of pods in batches, for clusters without room for two sets: forward, and back again.

Traffic is on both revisions throughout; stable shrinks only by as many pods as the candidate has ready, and the other way
round. The autoscaler holds still meanwhile.
"""

from __future__ import annotations

from maraudersmap_operator.resource.control import StableRevision
from maraudersmap_operator.resource.names import SHARED
from maraudersmap_operator.resource.status import CandidateRevision

from .plan import Deploy, ScaleTo
from .strategy import batch_size, wanted_size
from .trial import have
from .turn import SOON, Turn


def exchange(turn: Turn, candidate: CandidateRevision, stable: StableRevision) -> int:
    """Grow the candidate by a batch, shrink stable by as many as are ready; how many pods the candidate should have."""
    full = candidate.full_size
    new, old = turn.facts(candidate.revision), turn.stable_facts
    if stable.revision not in turn.observed.revisions:
        turn.act(Deploy(stable.revision))
    # Pods on their way out still take room.
    room = full + batch_size(full) - max(old.size, old.room(turn.now))
    wanted = max(min(full, room), min(new.size, full), 1)
    if turn.still:
        # What is there stays as it is, for as long as people like.
        wanted = max(min(new.size, full), 1)
        have(turn, candidate, wanted)
        return wanted
    have(turn, candidate, wanted)
    leaving = old.room(turn.now) - old.size
    if new.ready == new.size == wanted < full and leaving > 0:
        turn.asides.append(
            f"{leaving} pods of {stable.revision} on their way out take the room of the next ones"
        )
    left = max(full - new.ready, 0)
    if left < old.size and turn.serving == turn.observed.serving == SHARED:
        turn.act(ScaleTo(stable.revision, left))
    return wanted


def exchanged(turn: Turn, candidate: CandidateRevision) -> bool:
    """The candidate has all its pods, and stable none."""
    return turn.facts(candidate.revision).ready >= candidate.full_size and turn.stable_facts.size == 0


def exchange_back(turn: Turn, candidate: CandidateRevision, stable: StableRevision) -> bool:
    """The same the other way round; True when stable is whole again and may have all traffic."""
    if stable.revision not in turn.observed.revisions:
        turn.act(Deploy(stable.revision))
    new, old = turn.facts(candidate.revision), turn.stable_facts
    full = candidate.full_size or wanted_size(turn.spec, old.size)
    if turn.serving == candidate.revision and new.size > full:
        # The autoscaler has grown the candidate since it got all traffic; stable must carry the same load.
        full = new.size
        turn.update_candidate(full_size=full)
    if old.ready >= full:
        return True
    turn.route(SHARED)
    if (wanted := min(full, old.ready + batch_size(full))) > old.size:
        turn.act(ScaleTo(stable.revision, wanted))
    # Pods that are not ready answer nobody: they make room first.
    keep = min(new.size, max(full - old.ready, 0), max(new.ready, 1))
    if keep < new.size:
        turn.act(ScaleTo(candidate.revision, keep))
    turn.block(
        "GoingBack",
        f"{old.ready} of {full} pods of {stable.revision} are ready again; the exchange is undone in batches",
    )
    turn.wake(SOON)
    return False
