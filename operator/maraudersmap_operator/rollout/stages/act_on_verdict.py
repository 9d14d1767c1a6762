"""The verdict on the candidate in the present stage, and the first thing done about it."""

from __future__ import annotations

from datetime import timedelta
from typing import assert_never

from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status import CandidateRevision, Step

from ..context import SOON, Turn
from ..facts import RevisionFacts
from ..rollback import condemn
from ..verdict.case import Case, Doomed, Environment, Healthy, Pending, Verdict, unless_disturbed
from ..verdict.classify import classify, keeps_ending
from .analysis_gate import worse
from .held_time import settle

# Without anything to go back to, the same verdict is looked at again after this long.
NO_WAY_BACK = timedelta(seconds=5)
# Endpoints forget an unready pod at once: one that comes back within this has hurt nobody.
HALF_DOWN_PATIENCE = timedelta(seconds=5)


def judge(turn: Turn, wanted: int, arrived: bool = True) -> Verdict:
    """The verdict on the candidate, already acted on when it is not Healthy.

    `arrived`: its traffic is what the stage gives it. Until then it is on its way, however healthy.
    """
    verdict = classify(case_of(turn, wanted))
    settle(turn, verdict, arrived)
    if isinstance(verdict, Healthy) and not arrived:
        verdict = Pending(turn.now + SOON, "traffic is about to follow")
    match verdict:
        case Healthy():
            pass
        case Pending(until=until, message=message):
            turn.wake_at(until)
            if not turn.blocked:
                turn.block(Reason.WAITING_FOR_PODS, message)
        case Doomed() | Environment():
            sentence(turn, verdict)
        case unreachable:
            assert_never(unreachable)
    return verdict


def sentence(turn: Turn, verdict: Doomed | Environment) -> None:
    """Go back, or say why that cannot be."""
    candidate = turn.status.candidate
    assert candidate is not None
    if turn.status.stable is None:
        turn.block(verdict.reason, f"{verdict.message}; there is no earlier revision to go back to")
        turn.wake(NO_WAY_BACK)
    elif not turn.spec.rollout.rollback.enabled:
        turn.block(
            verdict.reason, f"{verdict.message}; spec.rollout.rollback.enabled is false, so nothing is undone"
        )
    elif turn.status.barrier:
        turn.block(
            Reason.IRREVERSIBLE_MIGRATION,
            f"{verdict.reason}: {verdict.message}; the migrations of {turn.status.barrier} changed the schema and "
            "spec.migrations.reversible is false, so nothing is rolled back by itself. Go forward with a corrected spec, "
            "or go back all the same with a new value of hogwarts.edu/abort",
        )
    else:
        condemn(turn, candidate, verdict)


def judge_under_traffic(turn: Turn) -> Doomed | Environment | None:
    """What users may meet already: pods that were ready and are not, or keep ending."""
    candidate = turn.status.candidate
    assert candidate is not None
    facts = turn.facts(candidate.revision)
    # In the bake nothing else answers: a Deployment that somebody has deleted or emptied has lost what it had.
    size = facts.size or (candidate.full_size if candidate.step is Step.BAKING else 0)
    # Pods that are still starting have lost nothing.
    proven = min(size, candidate.ready_high_water)
    half_down = facts.ready * 2 < proven
    if half_down != (candidate.half_down_since is not None):
        turn.learn_candidate(half_down_since=turn.now if half_down else None)
    since = turn.now if candidate.half_down_since is None else candidate.half_down_since
    if half_down:
        # Nobody answers, and nobody else is in the endpoints: no patience.
        alone = candidate.step is Step.BAKING and facts.ready == 0
        if alone or turn.now - since >= HALF_DOWN_PATIENCE:
            return unless_disturbed(case_of(turn, facts.size), _fallen(candidate, facts, proven))
        turn.wake_at(since + HALF_DOWN_PATIENCE)
    case = case_of(turn, facts.size)
    if ends := keeps_ending(case):
        return ends
    found = worse(turn)
    return unless_disturbed(case, found) if found else None


def _fallen(candidate: CandidateRevision, facts: RevisionFacts, proven: int) -> Doomed | Environment:
    """Traffic goes back either way; the revision is to blame only for pods that are still there and were ready."""
    message = f"{facts.ready} of {facts.size} pods ready under traffic"
    # What came later takes the place of pods that went, or has yet to start.
    since = candidate.proven_at or candidate.step_started_at
    blamed = [p for p in facts.active if not (p.ready or p.disrupted or p.created_at > since)]
    if len(blamed) * 2 >= proven:
        return Doomed(Reason.NOT_READY_AFTER_PROMOTION, message)
    return Environment(
        Reason.PODS_LOST, f"{message}; the others were lost with their nodes, evicted or deleted"
    )


def case_of(turn: Turn, wanted: int) -> Case:
    """What a verdict on the candidate rests on, for a step that wants so many pods."""
    candidate = turn.status.candidate
    assert candidate is not None
    rollout = turn.spec.rollout
    if candidate.step in (Step.SHARING, Step.FULL_SIZE) and turn.status.stable is not None:
        # The witnesses have shown for min_ready_seconds that this code stays up; the others are the same code.
        rollout = rollout.model_copy(update={"min_ready_seconds": 0})
    return Case(
        candidate=candidate,
        facts=turn.facts(candidate.revision),
        stable=turn.stable_facts,
        migration=turn.observed.migration,
        admission=turn.observed.admission,
        rollout=rollout,
        wanted=wanted,
        now=turn.now,
        migration_limit=timedelta(seconds=turn.spec.migrations.timeout_seconds),
        first=turn.status.stable is None,
    )
