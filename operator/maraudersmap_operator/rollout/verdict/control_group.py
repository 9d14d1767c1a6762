"""The control group: pods of the stable revision that were ready when the candidate started, and what they suffer since."""

from __future__ import annotations

from datetime import datetime, timedelta

from maraudersmap_operator.resource.status_candidate import CandidateRevision
from maraudersmap_operator.resource.status_control import MAX_CONTROLS, Baseline, ControlPod

from ..facts import RevisionFacts
from .control_baseline import WINDOW

# What stable suffered before may last this much longer before it is worse than before.
WORSE = 1.5


def control_pods(stable: RevisionFacts) -> tuple[ControlPod, ...]:
    """The control group: pods of the stable revision that are ready now, with their terminations so far."""
    return tuple(ControlPod(pod=p.uid, terminations=p.termination_count) for p in stable.active if p.ready)[
        :MAX_CONTROLS
    ]


def disturbance(candidate: CandidateRevision, stable: RevisionFacts, now: datetime) -> str:
    """How the control group has suffered since the candidate started, as a sentence; empty when no worse than before.

    Pods that were drained, evicted or lost with their node are left out: that is neither the candidate's doing nor
    something that it shares.
    """
    group = candidate.memory.control_group
    if group.undisturbed:
        return ""
    pods = {p.uid: p for p in stable.active if not p.disrupted}
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


def has_control_group(candidate: CandidateRevision, stable: RevisionFacts) -> bool:
    """Some pod of the control group is still there to suffer or not. An exchange takes the last one away."""
    present = {p.uid for p in stable.active if not p.disrupted}
    return any(c.pod in present for c in candidate.memory.control_group.pods)
