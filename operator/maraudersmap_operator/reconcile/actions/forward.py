"""Which actions build a new revision, and so can wait for what its pods need; all others protect what runs."""

from __future__ import annotations

from maraudersmap_operator.rollout import (
    Action,
    Decision,
    Deploy,
    MarkMigrated,
    Migrate,
    Observed,
    RecordRevision,
    ScaleTo,
)


def is_forward(action: Action, decision: Decision, observed: Observed) -> bool:
    """The action makes something of a candidate that has no Deployment yet."""
    candidate = decision.status.candidate
    if candidate is None or candidate.revision in observed.revisions:
        return False
    match action:
        case (
            RecordRevision(revision=r)
            | Migrate(revision=r)
            | MarkMigrated(revision=r)
            | Deploy(revision=r)
            | ScaleTo(revision=r)
        ):
            return r == candidate.revision
        case _:
            return False
