"""The candidate's own pods: as many as the stage wants, and a fresh one where an early failure wants a second look."""

from __future__ import annotations

from maraudersmap_operator.resource.status import CandidateRevision, Step

from ..actions import Deploy, ScaleTo
from ..context import Turn
from ..strategy import Stage, stage_size
from ..verdict.pod_history import fresh_witness_at


def staff(turn: Turn, candidate: CandidateRevision, stage: Stage) -> int:
    """Have the stage's pods; how many that is."""
    facts = turn.facts(candidate.revision)
    serving_size = (
        turn.stable_facts.size if turn.status.stable else max(facts.size, turn.facts(turn.serving).size)
    )
    wanted = stage_size(stage, turn.spec, serving_size)
    pods = wanted
    fresh_from = fresh_witness_at(candidate)
    if fresh_from and stage.step is Step.WITNESSES and turn.now >= fresh_from:
        pods += 1
    if stage.step is Step.WITNESSES:
        # What was replaced a moment ago and is asked for again has its pods still: more can witness as well.
        pods = max(pods, facts.size)
    have(turn, candidate, pods)
    return wanted


def have(turn: Turn, candidate: CandidateRevision, pods: int) -> None:
    """Bring the candidate to that many pods, unless it serves under an autoscaler: then that one decides."""
    size = turn.facts(candidate.revision).size
    if candidate.revision not in turn.observed.revisions:
        turn.act(Deploy(candidate.revision))
    autoscaled = turn.spec.autoscaling.enabled and turn.serving == candidate.revision and size > 0
    if size != pods and not autoscaled:
        turn.act(ScaleTo(candidate.revision, pods))
