"""Time in which the candidate was well and had to wait: no deadline counts it."""

from __future__ import annotations

from ..context import Turn, seconds
from ..verdict.case import Healthy, Verdict


def settle(turn: Turn, verdict: Verdict, arrived: bool) -> None:
    """Note when the stage has got all that it wants, and when it loses it again: deadlines stand still in between."""
    candidate = turn.status.candidate
    assert candidate is not None
    if not isinstance(verdict, Healthy):
        if candidate.settled_at or candidate.waiting_since:
            unsettle(turn)
            now = turn.status.candidate or candidate
            known = {"settled_at": None, "waiting_since": None, "held_seconds": now.held_seconds}
            turn.learn_candidate(**known, progressed_at=turn.now)
    elif not arrived:
        made_to_wait(turn)
    elif candidate.settled_at is None:
        made_to_wait(turn)  # as long as the traffic that this pass moves has not moved
        unsettle(turn)
        turn.update_candidate(settled_at=turn.now)


def made_to_wait(turn: Turn) -> None:
    """The candidate is well, and what it waits for is not its doing: no deadline counts that."""
    candidate = turn.status.candidate
    assert candidate is not None
    if candidate.settled_at is not None:
        unsettle(turn)
    if candidate.waiting_since is None:
        turn.learn_candidate(waiting_since=turn.now)


def unsettle(turn: Turn) -> None:
    """The candidate is not where it should be any more, or should be somewhere else now."""
    candidate = turn.status.candidate
    assert candidate is not None
    since = candidate.settled_at or candidate.waiting_since
    if since is not None:
        held = candidate.held_seconds + seconds(turn.now - since)
        turn.update_candidate(settled_at=None, waiting_since=None, held_seconds=held)
