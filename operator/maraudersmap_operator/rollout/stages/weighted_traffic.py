"""Traffic by the weights of a Gateway's route: a canary's shares where a router is there to keep them.

The Service stays with stable, so requests from inside the cluster never meet the candidate before the switch; the route
gives the preview Service, which is the candidate's, its weight. A weight counts once every Gateway reports that it serves
this version of the route: they follow some time after the write, and nothing else shows when.
"""

from __future__ import annotations

from datetime import timedelta

from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status_control import StableRevision

from ..context import SOON, RolloutContext
from ..stable import clear_others, hold_stable, restore_selector
from ..strategy import Stage
from ..verdict.case import Environment
from .act_on_verdict import go_back, judge_under_traffic
from .candidate_pods import size_candidate

# A Gateway learns of endpoints some time after us, and answers for a Service without any with an error. Traefik takes up
# changes at most every 2 s.
ENDPOINTS_LAG = timedelta(seconds=3)
# What someone takes away again and again would come and go with every repair.
RETURN_LAG = timedelta(seconds=15)
# Endpoints follow the readiness of pods, which is read live, by less than this.
READINESS_LAG = timedelta(seconds=2)


def weigh_traffic(context: RolloutContext, stage: Stage, stable: StableRevision) -> int | None:
    """Have the stage's pods, with the stage's share of the Gateway's requests; how many pods, or None when the stage has to
    wait or went wrong."""
    candidate = context.candidate
    hold_stable(context, stable)
    wanted = size_candidate(context, stage)
    restore_selector(context, stable.revision)
    clear_others(context, keep={stable.revision, candidate.revision})
    if context.weight and (verdict := judge_under_traffic(context)):
        go_back(context, verdict)
        return None
    led = _follow_preview(context)
    if context.weight and _leads_nowhere(context):
        context.set_weight(0)
    route, facts = context.observed.route, context.candidate_facts
    if facts.ready < wanted:
        return wanted
    if route is not None and route.accepted and led >= wanted and (context.weight or _is_known(context)):
        context.set_weight(stage.share or 0)
    return wanted if has_its_weight(context, stage) or _wait_for_gateway(context, led >= wanted) else None


def _follow_preview(context: RolloutContext) -> int:
    """Note since when the preview Service leads to pods of the candidate; how many it leads to."""
    endpoints = context.observed.preview_endpoints
    led = len({p.name for p in context.candidate_facts.active} & (endpoints or frozenset()))
    since = context.candidate.memory.progress.led_since
    if endpoints is not None and bool(led) != (since is not None):
        context.learn_candidate(memory={"progress": {"led_since": context.now if led else None}})
    return led


def _is_known(context: RolloutContext) -> bool:
    """The Gateway has had the time to learn of the pods behind the preview Service."""
    since, began = context.candidate.memory.progress.led_since, context.candidate.step_started_at
    if since is None:
        return False
    from_the_start = since <= began + ENDPOINTS_LAG
    return context.now >= since + (ENDPOINTS_LAG if from_the_start else RETURN_LAG)


def _leads_nowhere(context: RolloutContext) -> bool:
    """Behind the preview Service there is no one, though the candidate has pods that answer: it is gone, or someone has
    edited its selector. Pods that have just become ready are about to follow; for what they lose, they are judged."""
    ready = [p.ready_since for p in context.candidate_facts.active if p.ready and p.ready_since]
    lasting = any(context.now >= since + READINESS_LAG for since in ready)
    return context.observed.preview_endpoints == frozenset() and lasting


def has_its_weight(context: RolloutContext, stage: Stage) -> bool:
    """The Gateway gives the candidate what the stage wants."""
    route = context.observed.route
    return (
        route is not None
        and route.accepted
        and route.up_to_date
        and context.weight == route.weight == stage.share
    )


def _wait_for_gateway(context: RolloutContext, led: bool) -> bool:
    """A Gateway that does not follow is nothing against the revision; without one there is no canary all the same.

    `led`: the preview Service leads to all the pods that the stage wants.
    """
    progress, route = context.candidate.memory.progress, context.observed.route
    refused = route is not None and not route.accepted
    why = "the Gateway does not report that it serves the new weights"
    if route and refused:
        why = route.message
    elif not led:
        why = "the preview Service does not lead to the candidate's pods"
    patience = timedelta(seconds=context.spec.rollout.progress_deadline_seconds)
    since = progress.waiting_since
    if progress.settled_at is not None or since is None or context.now < since + patience:
        context.block(Reason.WAITING_FOR_ROUTE, why)
        context.wake(SOON)
        return True
    go_back(
        context, Environment(Reason.ROUTE_NOT_SERVED, f"not within {patience.total_seconds():.0f} s: {why}")
    )
    return False
