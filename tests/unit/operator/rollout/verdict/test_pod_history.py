"""When a second attempt shows more than the first one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from maraudersmap_operator.rollout.verdict.pod_history import second_look

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("lasted", "counts_from"),
    [
        (0.3, 8),  # ends at once: whatever was missing has had 8 s to appear
        (7, 8),  # ready for a while, then dead: its own restart, a second later, is a second look
        (12, 12),  # never before the first one has ended
        (
            3600,
            3608,
        ),  # worked for an hour: what it met, it met at the end; a short outage must not count twice
    ],
)
def test_a_second_look_is_measured_from_what_may_have_been_missing(lasted: float, counts_from: float) -> None:
    failed = BEGAN + timedelta(seconds=lasted)
    assert second_look(BEGAN, failed) == BEGAN + timedelta(seconds=counts_from)
