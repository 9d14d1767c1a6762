"""The control group: pods of the stable revision that were ready when the candidate started, or have taken the place of one
that was, and what they suffer since.

What the stable revision suffers anyway, while nothing is on trial, is no sign of a disturbance. It is kept in the status,
because the next pass may be another operator's. A quiet revision adds nothing to it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from maraudersmap_operator.resource.status_candidate import CandidateRevision
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
# What stable suffered before may last this much longer before it is worse than before.
WORSE = 1.5


def control_pods(stable: RevisionFacts) -> tuple[ControlPod, ...]:
    """The control group: pods of the stable revision that are ready now, with their terminations so far."""
    return tuple(ControlPod(pod=p.uid, terminations=p.termination_count) for p in stable.active if p.ready)[
        :MAX_CONTROLS
    ]


def renewed(group: tuple[ControlPod, ...], stable: RevisionFacts) -> tuple[ControlPod, ...]:
    """The control group with pods that are ready now in the place of those that are gone: a trial may last for days. The same
    one where none is gone, or none can take its place."""
    present = {p.uid for p in stable.active}
    stay = tuple(c for c in group if c.pod in present)
    known = {c.pod for c in group}
    fresh = [c for c in control_pods(stable) if c.pod not in known][: len(group) - len(stay)]
    gone = [c for c in group if c.pod not in present]
    return (*stay, *fresh, *gone[len(fresh) :]) if fresh else group


def disturbance(candidate: CandidateRevision, stable: RevisionFacts, now: datetime) -> str:
    """How the control group has suffered since the candidate started, as a sentence; empty when no worse than before.

    Pods that were drained, evicted or lost with their node are left out: that is neither the candidate's doing nor
    something that it shares.
    """
    group = candidate.memory.control_group
    if group.undisturbed:
        return ""
    pods = {p.uid: p for p in stable.undisturbed}
    known = [(c, pods[c.pod]) for c in group.pods if c.pod in pods]
    unready = [p for _, p in known if not p.ready]
    ended = [p for c, p in known if p.termination_count > c.terminations]
    before = group.baseline
    ends = sum(p.termination_count - c.terminations for c, p in known if p in ended)
    longest = timedelta(seconds=before.longest_seconds) * WORSE
    usual = before.ended * max((now - candidate.started_at) / WINDOW, 1)
    lasting = any(p.unready_since and now - p.unready_since > longest for p in unready)
    if len(unready) <= before.at_once and not lasting and ends <= usual:
        return ""
    hurt = sorted({p.name for p in (*unready, *ended)})
    than = ", more than they did before" if before != Baseline() else ""
    return f"pods of the stable revision suffer as well since it started{than}: {', '.join(hurt[:3])}"


def failing_start(stable: RevisionFacts) -> str:
    """A pod of the stable revision that began after all of its ready ones, and ends: whatever begins now may meet the same,
    such as a Secret with another value. As a sentence; empty when there is none."""
    ready = [p.created_at for p in stable.undisturbed if p.ready]
    newest = max(stable.unready, key=lambda p: p.created_at, default=None)
    if newest is None or not newest.termination_count or any(newest.created_at <= at for at in ready):
        return ""
    return f"the newest pod of the stable revision, begun after those that are ready, ends as well: {newest.name}"


def has_control_group(candidate: CandidateRevision, stable: RevisionFacts) -> bool:
    """Some pod of the control group is still there to suffer or not. An exchange takes the last one away."""
    present = {p.uid for p in stable.undisturbed}
    return any(c.pod in present for c in candidate.memory.control_group.pods)


def follow(stable: StableRevision, facts: RevisionFacts, now: datetime) -> StableRevision:
    """The stable revision with what its pods show now folded in; the same object when nothing is new."""
    present = {p.uid: p for p in facts.undisturbed}
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
