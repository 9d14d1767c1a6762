"""What is saved of a pod reaches the status."""

from __future__ import annotations

from datetime import UTC, datetime

from maraudersmap_operator.reconcile.status.evidence import with_evidence
from maraudersmap_operator.resource import MaraudersMapStatus
from maraudersmap_operator.resource.status_outcomes import PodEvidence, RejectedRevision


def test_evidence_reaches_the_stored_status() -> None:
    """Through the JSON that the API server gets, and back."""
    entry = RejectedRevision(
        revision="abc",
        image="app:2",
        reason="CrashLoop",
        message="m",
        rejected_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    status = MaraudersMapStatus(rejected=(entry,))
    kept = with_evidence(status, {"abc": PodEvidence(pod="p", exit_code=3, reason="Error", logs=("boom",))})
    stored = MaraudersMapStatus.model_validate(kept.model_dump(mode="json", by_alias=True, exclude_none=True))
    assert stored.rejected[0].evidence == PodEvidence(pod="p", exit_code=3, reason="Error", logs=("boom",))
