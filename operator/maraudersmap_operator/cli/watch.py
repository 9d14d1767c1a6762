"""`status --watch`: show changes until a goal is reached, cannot be reached, or time is up.

What is shown comes from watches (following.py); nothing is asked again while they hold.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from datetime import UTC, datetime
from enum import StrEnum

from maraudersmap_operator.resource.status import ConditionType, Phase
from maraudersmap_operator.resource.status_model import rfc3339

from .following import Picture
from .output import Format, Output
from .snapshot import Snapshot
from .status import status_tree
from .tree import Node, Span, Tone, node
from .verbs import pending

# On a terminal ages go on counting.
REDRAW_SECONDS = 1.0


class Goal(StrEnum):
    READY = "ready"
    AVAILABLE = "available"
    ROLLED_BACK = "rolled-back"


class GoalState(StrEnum):
    REACHED = "reached"
    OPEN = "open"
    HOPELESS = "hopeless"  # only a person can bring it about


def progress(goal: Goal, snapshot: Snapshot) -> GoalState:
    """How far it is. What the operator has not acted upon yet, a spec or a request, leaves everything open."""
    if pending(snapshot):
        return GoalState.OPEN
    phase = snapshot.status.phase
    match goal:
        case Goal.READY:
            if _holds(snapshot, ConditionType.READY):
                return GoalState.REACHED
            return GoalState.HOPELESS if phase in (Phase.ROLLED_BACK, Phase.STALLED) else GoalState.OPEN
        case Goal.AVAILABLE:
            if _holds(snapshot, ConditionType.AVAILABLE):
                return GoalState.REACHED
            return GoalState.HOPELESS if phase is Phase.STALLED else GoalState.OPEN
        case Goal.ROLLED_BACK:
            if phase is Phase.ROLLED_BACK:
                return GoalState.REACHED
            return GoalState.HOPELESS if phase is Phase.READY else GoalState.OPEN


def _holds(snapshot: Snapshot, kind: ConditionType) -> bool:
    condition = snapshot.status.condition(kind)
    return condition is not None and condition.status == "True"


async def watch(picture: Picture, output: Output, goal: Goal | None, patience: float | None) -> GoalState:
    """Show the picture as it changes until the goal is decided or `patience` seconds are over; OPEN then.

    Raises what the picture raises.
    """
    loop = asyncio.get_running_loop()
    end = None if patience is None else loop.time() + patience
    shown: dict[str, tuple[object, ...]] = {}
    with output.live() if output.terminal else nullcontext() as live:
        while True:
            left = None if end is None else max(end - loop.time(), 0)
            await picture.news(left if live is None else min(REDRAW_SECONDS, left or REDRAW_SECONDS))
            snapshots, trouble, now = picture.snapshots(), picture.trouble, datetime.now(UTC)
            if live is not None:
                live.show([status_tree(s, now) for s in snapshots] + ([_trouble(trouble)] if trouble else []))
            else:
                _print_changes(snapshots, shown, output, now)
            outcome = (
                progress(goal, snapshots[0])
                if goal is not None and snapshots and not trouble
                else GoalState.OPEN
            )
            if outcome is not GoalState.OPEN or (end is not None and loop.time() >= end):
                return outcome


def _print_changes(
    snapshots: list[Snapshot], shown: dict[str, tuple[object, ...]], output: Output, now: datetime
) -> None:
    """Without a terminal: a line, or a JSON object, for each change of what matters."""
    for snapshot in snapshots:
        status = snapshot.status
        candidate = status.candidate
        step = f"{candidate.revision} {candidate.step}" if candidate else ""
        matters = (snapshot.phase, status.message, step, status.serving, status.replicas, snapshot.generation)
        if shown.get(snapshot.name) == matters:
            continue
        shown[snapshot.name] = matters
        if output.format is Format.JSON:
            output.json(
                {"time": now, "namespace": snapshot.namespace, "name": snapshot.name, "status": status},
                compact=True,
            )
        else:
            parts = (rfc3339(now), snapshot.full_name, snapshot.phase or "Unseen", step, status.message)
            output.lines(["  ".join(p for p in parts if p)])


def _trouble(message: str) -> Node:
    return node(Span(f"no answer, asking again: {message}", Tone.WARN))
