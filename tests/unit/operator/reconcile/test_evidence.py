"""No secret leaves in what is saved of a pod."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from maraudersmap_operator.reconcile.evidence import mask
from maraudersmap_operator.reconcile.reconciler import with_evidence
from maraudersmap_operator.resource import MaraudersMapStatus
from maraudersmap_operator.resource.status import Evidence, RejectedRevision


@pytest.mark.parametrize(
    ("line", "leak"),
    [
        ("cannot connect to postgresql://app:hunter2hunter2@db:5432/x", "hunter2hunter2"),
        ("Authorization: Bearer abcdefghijkl.mnop", "abcdefghijkl"),
        ("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl refused", "c2lnbmF0dXJl"),
        ("DB_PASSWORD=swordfish99", "swordfish99"),
        ('{"api_key": "k-12345678"}', "k-12345678"),
        ("the key is plainvalue-1 here", "plainvalue-1"),
    ],
)
def test_credentials_are_masked(line: str, leak: str) -> None:
    """By shape, and by the values of the Secrets that feed the pod."""
    masked = mask(line, {"plainvalue-1"})
    assert leak not in masked
    assert "***" in masked


def test_the_rest_stays_readable() -> None:
    """Hosts, ports, messages."""
    assert (
        mask("connect to postgresql://app:x1y2z3@db:5432/x failed")
        == "connect to postgresql://app:***@db:5432/x failed"
    )
    assert mask("ValueError: bad thing", {"a"}) == "ValueError: bad thing"


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
    kept = with_evidence(status, {"abc": Evidence(pod="p", exit_code=3, reason="Error", logs=("boom",))})
    stored = MaraudersMapStatus.model_validate(kept.model_dump(mode="json", by_alias=True, exclude_none=True))
    assert stored.rejected[0].evidence == Evidence(pod="p", exit_code=3, reason="Error", logs=("boom",))
