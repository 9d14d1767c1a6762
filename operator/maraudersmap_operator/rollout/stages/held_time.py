"""Time in which the candidate was well and had to wait: no deadline counts it."""

from __future__ import annotations

from ..context import RolloutContext, seconds
from ..verdict.case import Healthy, Verdict


def settle(context: RolloutContext, verdict: Verdict, arrived: bool) -> None:
    """Note when the stage has got all that it wants, and when it loses it again: deadlines stand still in between."""
    progress = context.candidate.memory.progress
    if not isinstance(verdict, Healthy):
        if progress.settled_at or progress.waiting_since:
            unsettle(context)
            held = context.candidate.memory.progress.held_seconds
            known = {"settled_at": None, "waiting_since": None, "held_seconds": held}
            context.learn_candidate(memory={"progress": known | {"progressed_at": context.now}})
    elif not arrived:
        count_as_waiting(context)
    elif progress.settled_at is None:
        count_as_waiting(context)  # as long as the traffic that this pass moves has not moved
        unsettle(context)
        context.update_candidate(memory={"progress": {"settled_at": context.now}})


def count_as_waiting(context: RolloutContext) -> None:
    """The candidate is well, and what it waits for is not its doing: no deadline counts that."""
    progress = context.candidate.memory.progress
    if progress.settled_at is not None:
        unsettle(context)
    if progress.waiting_since is None:
        context.learn_candidate(memory={"progress": {"waiting_since": context.now}})


def unsettle(context: RolloutContext) -> None:
    """The candidate is not where it should be any more, or should be somewhere else now."""
    progress = context.candidate.memory.progress
    since = progress.settled_at or progress.waiting_since
    if since is not None:
        held = progress.held_seconds + seconds(context.now - since)
        known = {"settled_at": None, "waiting_since": None, "held_seconds": held}
        context.update_candidate(memory={"progress": known})
