"""The pods that answer users: how many, whether requests reach them, and what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from maraudersmap_operator.resource.policy import Strategy
from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status_model import shorten

from .context import Context
from .verdict.pod_failures import last_end, why_waiting

# A pod may take this long to become ready before its revision counts as degraded for it.
STARTING = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Serving:
    """Pods that users' requests may reach."""

    ready: int
    wanted: int


def serving_pods(context: Context) -> Serving:
    stable, candidate = context.status.stable, context.status.candidate
    if not context.shares:
        facts = context.serving_facts
        return Serving(facts.ready, context.spec.wanted_size(facts.size))
    both = [context.facts(r.revision) for r in (stable, candidate) if r]
    exchange = candidate is not None and candidate.strategy is Strategy.ROLLING
    wanted = candidate.memory.progress.full_size if candidate and exchange else sum(f.size for f in both)
    return Serving(sum(f.ready for f in both), wanted)


def available(context: Context, serving: Serving) -> tuple[bool, Reason, str]:
    """Whether a request would be answered: by the endpoints of the Services that lead here, not by pods."""
    endpoints = context.observed.ready_endpoints
    if context.weight:
        endpoints |= context.observed.preview_endpoints or frozenset()
    if endpoints:
        return True, Reason.PODS_READY, describe_serving(context)
    if serving.ready:
        return False, Reason.NO_ENDPOINTS, f"{describe_serving(context)}, but no endpoint of the Service is"
    return False, Reason.NO_READY_PODS, describe_serving(context)


def find_weakness(context: Context) -> str:
    """What is wrong with the serving revision although it has as many ready pods as it should; empty when nothing is."""
    facts = context.serving_facts
    if not context.observed.ready_endpoints:
        return "no endpoint of the Service is ready" if facts.ready else ""
    for pod in facts.unready:
        troubled = pod.down or pod.injected or why_waiting((pod,))
        if troubled or context.now >= pod.created_at + STARTING:
            trouble = why_waiting((pod,)) or f"pod {pod.name} is not ready"
            return shorten(f"{trouble}; {last_end((pod,))}" if pod.last_terminations else trouble)
    return shorten(facts.create_error)


def starting_until(context: Context) -> datetime | None:
    """When the first of the serving revision's pods that start now will count as a weakness; None while none does."""
    limits = (pod.created_at + STARTING for pod in context.serving_facts.unready)
    return min((limit for limit in limits if limit > context.now), default=None)


def describe_outlived(context: Context) -> list[str]:
    """Pods that should be gone, while a rollout is on: they take no part in it any more."""
    if context.status.candidate is None:
        return []
    pods = (p for _, f in sorted(context.observed.revisions.items()) for p in f.pods)
    late = [p.name for p in pods if not p.ended and not p.takes_room(context.now)]
    return [f"pods past their grace period are waited for no longer: {', '.join(late[:3])}"] if late else []


def describe_serving(context: Context) -> str:
    pods = serving_pods(context)
    if context.shares:
        return f"{pods.ready} of {pods.wanted} pods are ready, of two revisions that share the traffic"
    return f"{pods.ready} of {pods.wanted} pods of revision {context.serving.word or '(none yet)'} are ready"
