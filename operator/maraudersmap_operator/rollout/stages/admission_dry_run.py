"""Pods that an admission refuses: is it this revision, or would it refuse any?

The ReplicaSet's failure states only that a pod was refused. So one pod of each revision is tried, without making it, twice,
some time apart: refused both times while stable's is admitted, it is the revision's template.
"""

from __future__ import annotations

from datetime import datetime

from ..context import SOON, RolloutContext
from ..verdict.pod_failures import ADMISSION_TWICE, Trouble, create_trouble, refusal


def follow_admission(context: RolloutContext) -> None:
    """Note what the API server answered, and whether it is to be asked for the next pass."""
    known = context.candidate.memory.failures
    message = refusal(context.candidate_facts, context.observed.migration)
    if create_trouble(message) is not Trouble.ADMISSION_REFUSED:
        if known.refused_since is not None:
            _note(context, refused_since=None, admission_refused_at=None)
        return
    if known.refused_since is None:
        _note(context, refused_since=context.now)
    asked, first = context.observed.admission, known.admission_refused_at
    if asked is not None:
        alone = create_trouble(asked.candidate_refused) is Trouble.ADMISSION_REFUSED and asked.stable_accepted
        first = (first or context.now) if alone else None
        _note(context, admission_refused_at=first)
    context.ask_admission = context.status.stable is not None and (
        first is None or context.now >= first + ADMISSION_TWICE
    )
    if context.ask_admission:
        context.wake(SOON)


def _note(context: RolloutContext, **failures: datetime | None) -> None:
    context.update_candidate(memory={"failures": failures})
