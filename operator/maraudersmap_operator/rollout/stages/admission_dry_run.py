"""Pods that an admission refuses: is it this revision, or would it refuse any?

The ReplicaSet's failure says only that a pod was refused. So one pod of each revision is tried, without making it, twice and
some time apart: refused both times while stable's is admitted, it is the revision's template.
"""

from __future__ import annotations

from ..context import SOON, Turn
from ..verdict.classify import ADMISSION_TWICE, refusal
from ..verdict.pod_failures import Trouble, create_trouble


def follow_admission(turn: Turn) -> None:
    """Note what the API server answered, and whether it is to be asked for the next pass."""
    candidate = turn.status.candidate
    assert candidate is not None
    message = refusal(turn.facts(candidate.revision), turn.observed.migration)
    if create_trouble(message) is not Trouble.ADMISSION_REFUSED:
        if candidate.refused_since is not None:
            turn.update_candidate(refused_since=None, admission_refused_at=None)
        return
    if candidate.refused_since is None:
        turn.update_candidate(refused_since=turn.now)
    asked, first = turn.observed.admission, candidate.admission_refused_at
    if asked is not None:
        alone = create_trouble(asked.candidate_refused) is Trouble.ADMISSION_REFUSED and asked.stable_accepted
        first = (first or turn.now) if alone else None
        turn.update_candidate(admission_refused_at=first)
    turn.ask_admission = turn.status.stable is not None and (
        first is None or turn.now >= first + ADMISSION_TWICE
    )
    if turn.ask_admission:
        turn.wake(SOON)
