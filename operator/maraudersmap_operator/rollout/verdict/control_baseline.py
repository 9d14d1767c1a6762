"""How the stable revision fares while nothing is on trial: what it suffers anyway is no sign of a disturbance.

Kept in the status, because the next pass may be another operator's. A quiet revision adds nothing to it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from maraudersmap_operator.resource.status_control import (
    MAX_CONTROLS,
    MAX_UNREST,
    Baseline,
    ControlPod,
    StableRevision,
    Unrest,
)

from ..facts import PodFacts, RevisionFacts

WINDOW = timedelta(minutes=10)


def follow(stable: StableRevision, facts: RevisionFacts, now: datetime) -> StableRevision:
    """The stable revision with what its pods show now folded in; the same object when nothing is new."""
    present = {p.uid: p for p in facts.active if not p.disrupted}
    known = {c.pod: c for c in stable.memory.pods}
    unrest = [_closed(u, present.get(u.pod), now) for u in stable.memory.unrest]
    for pod in (p for p in present.values() if p.uid in known):
        ended = max(pod.termination_count - known[pod.uid].terminations, 0)
        here = next((i for i, u in enumerate(unrest) if u.pod == pod.uid and u.until is None), None)
        if here is not None and ended:
            unrest[here] = unrest[here].model_copy(update={"ended": unrest[here].ended + ended})
        elif here is None and (ended or not pod.ready):
            until = now if pod.ready else None
            unrest.append(Unrest(pod=pod.uid, since=pod.unready_since or now, until=until, ended=ended))
    pods = tuple(
        ControlPod(pod=p.uid, terminations=p.termination_count)
        for p in sorted(present.values(), key=lambda p: p.uid)
        if p.ready or p.uid in known
    )[:MAX_CONTROLS]
    changes: dict[str, object] = {}
    if pods != stable.memory.pods:
        changes["pods"] = pods
    if tuple(unrest) != stable.memory.unrest:
        changes["unrest"] = tuple(u for u in unrest if u.until is None or now - u.until <= WINDOW)[
            -MAX_UNREST:
        ]
    return stable.but(memory=changes) if changes else stable


def baseline(stable: StableRevision | None, now: datetime) -> Baseline:
    """What the stable revision has suffered lately."""
    spells = [(u.since, u.until or now, u.ended) for u in stable.memory.unrest] if stable else []
    spells = [s for s in spells if now - s[1] <= WINDOW]
    return Baseline(
        at_once=max((sum(a <= began < b for a, b, _ in spells) for began, _, _ in spells), default=0),
        longest_seconds=max(((b - a).total_seconds() for a, b, _ in spells), default=0),
        ended=sum(ended for _, _, ended in spells),
    )


def _closed(unrest: Unrest, pod: PodFacts | None, now: datetime) -> Unrest:
    over = unrest.until is None and (pod is None or pod.ready)
    return unrest.model_copy(update={"until": now}) if over else unrest
