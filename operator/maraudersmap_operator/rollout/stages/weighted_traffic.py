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
    route, facts = context.observed.route, context.candidate_facts
    if facts.ready < wanted:
        return wanted
    pods = {p.name for p in facts.active} & context.observed.preview_endpoints
    known_from = candidate.step_started_at + (ENDPOINTS_LAG if context.weight == 0 else timedelta(0))
    if route is not None and route.accepted and len(pods) >= wanted and context.now >= known_from:
        context.set_weight(stage.share or 0)
    return wanted if has_its_weight(context, stage) or _wait_for_gateway(context) else None


def has_its_weight(context: RolloutContext, stage: Stage) -> bool:
    """The Gateway gives the candidate what the stage wants."""
    route = context.observed.route
    return (
        route is not None
        and route.accepted
        and route.up_to_date
        and context.weight == route.weight == stage.share
    )


def _wait_for_gateway(context: RolloutContext) -> bool:
    """A Gateway that does not follow is nothing against the revision; without one there is no canary all the same."""
    progress, route = context.candidate.memory.progress, context.observed.route
    refused = route is not None and not route.accepted
    why = route.message if route and refused else "the Gateway does not report that it serves the new weights"
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
