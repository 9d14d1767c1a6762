"""Traffic by the weights of a Gateway's route: a canary's shares where a router is there to keep them.

The Service stays with stable, so requests from inside the cluster never meet the candidate before the switch; the route
gives the preview Service, which is the candidate's, its weight. A weight counts once every Gateway says that it serves
this version of the route: they obey some time after the write, and nothing else tells when.
"""

from __future__ import annotations

from datetime import timedelta

from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status import CandidateRevision
from maraudersmap_operator.resource.status_control import StableRevision

from ..context import SOON, Turn
from ..stable import clear_others, hold_stable, restore_selector
from ..strategy import Stage
from ..verdict.case import Environment
from .act_on_verdict import judge_under_traffic, sentence
from .candidate_pods import staff

# A Gateway learns of endpoints some time after us, and answers for a Service without any with an error. Traefik takes up
# changes at most every 2 s.
ENDPOINTS_LAG = timedelta(seconds=3)


def weigh(turn: Turn, stage: Stage, candidate: CandidateRevision, stable: StableRevision) -> int | None:
    """Have the stage's pods, with the stage's share of the Gateway's requests; how many pods, or None when the stage has to
    wait or went wrong."""
    hold_stable(turn, stable)
    wanted = staff(turn, candidate, stage)
    restore_selector(turn, stable.revision)
    clear_others(turn, keep={stable.revision, candidate.revision})
    if turn.weight and (verdict := judge_under_traffic(turn)):
        sentence(turn, verdict)
        return None
    route, facts = turn.observed.route, turn.facts(candidate.revision)
    if facts.ready < wanted:
        return wanted
    pods = {p.name for p in facts.active} & turn.observed.preview_endpoints
    known_from = candidate.step_started_at + (ENDPOINTS_LAG if turn.weight == 0 else timedelta(0))
    if route is not None and route.accepted and len(pods) >= wanted and turn.now >= known_from:
        assert stage.share is not None
        turn.weigh(stage.share)
    return wanted if arrived(turn, stage) or _may_wait(turn, candidate) else None


def arrived(turn: Turn, stage: Stage) -> bool:
    """The Gateway gives the candidate what the stage wants."""
    route = turn.observed.route
    return (
        route is not None and route.accepted and route.obeyed and turn.weight == route.weight == stage.share
    )


def _may_wait(turn: Turn, candidate: CandidateRevision) -> bool:
    """A Gateway that does not obey is nothing against the revision; without one there is no canary all the same."""
    route = turn.observed.route
    told = (
        route.message
        if route and not route.accepted
        else "the Gateway does not say that it serves the new weights"
    )
    patience = timedelta(seconds=turn.spec.rollout.progress_deadline_seconds)
    since = candidate.waiting_since
    if candidate.settled_at is not None or since is None or turn.now < since + patience:
        turn.block(Reason.WAITING_FOR_ROUTE, told)
        turn.wake(SOON)
        return True
    sentence(
        turn, Environment(Reason.ROUTE_NOT_SERVED, f"not within {patience.total_seconds():.0f} s: {told}")
    )
    return False
