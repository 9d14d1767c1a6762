"""The pods that answer users: how many, whether requests reach them, and what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from maraudersmap_operator.resource.names import SHARED
from maraudersmap_operator.resource.policy import Strategy
from maraudersmap_operator.resource.reasons import Reason

from .context import Turn
from .strategy import wanted_size
from .verdict.classify import last_words
from .verdict.pod_failures import shorten, why_waiting

# A pod may take this long to become ready before its revision counts as degraded for it.
STARTING = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Serving:
    """Pods that users' requests may reach."""

    ready: int
    wanted: int


def serving(turn: Turn) -> Serving:
    stable, candidate = turn.status.stable, turn.status.candidate
    if turn.serving != SHARED:
        facts = turn.facts(turn.serving)
        return Serving(facts.ready, wanted_size(turn.spec, facts.size))
    both = [turn.facts(r.revision) for r in (stable, candidate) if r]
    exchange = candidate is not None and candidate.strategy is Strategy.ROLLING
    wanted = candidate.full_size if candidate and exchange else sum(f.size for f in both)
    return Serving(sum(f.ready for f in both), wanted)


def available(turn: Turn, serving: Serving) -> tuple[bool, Reason, str]:
    """Whether a request would be answered: by the endpoints of the Services that lead here, not by pods."""
    endpoints = turn.observed.ready_endpoints
    if turn.weight:
        endpoints |= turn.observed.preview_endpoints
    if endpoints:
        return True, Reason.PODS_READY, served(turn)
    if serving.ready:
        return False, Reason.NO_ENDPOINTS, f"{served(turn)}, but no endpoint of the Service is"
    return False, Reason.NO_READY_PODS, served(turn)


def limping(turn: Turn) -> str:
    """What is wrong with the serving revision although it has as many ready pods as it should; empty when nothing is."""
    facts = turn.facts(turn.serving)
    if not turn.observed.ready_endpoints:
        return "no endpoint of the Service is ready" if facts.ready else ""
    for pod in (p for p in facts.active if not (p.ready or p.disrupted)):
        troubled = pod.down or pod.injected or why_waiting((pod,))
        if troubled or turn.now >= pod.created_at + STARTING:
            said = why_waiting((pod,)) or f"pod {pod.name} is not ready"
            return shorten(f"{said}; {last_words((pod,))}" if pod.last_terminations else said)
        turn.wake_at(pod.created_at + STARTING)
    return shorten(facts.create_error)


def outlived(turn: Turn) -> list[str]:
    """Pods that should be gone, while a rollout is on: they take no part in it any more."""
    if turn.status.candidate is None:
        return []
    pods = (p for _, f in sorted(turn.observed.revisions.items()) for p in f.pods)
    late = [p.name for p in pods if not p.ended and not p.takes_room(turn.now)]
    return [f"pods past their grace period are waited for no longer: {', '.join(late[:3])}"] if late else []


def served(turn: Turn) -> str:
    pods = serving(turn)
    if turn.serving == SHARED:
        return f"{pods.ready} of {pods.wanted} pods are ready, of two revisions that share the traffic"
    return f"{pods.ready} of {pods.wanted} pods of revision {turn.serving or '(none yet)'} are ready"
