"""Times as clients see them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from maraudersmap_api.wire import rfc3339, rfc3339_or_none


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC), "2026-01-02T03:04:05.678Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 999_999, UTC), "2026-01-02T03:04:05.999Z"),
        (datetime(33, 1, 2, 3, 4, 5, 1, UTC), "0033-01-02T03:04:05.000Z"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05.000Z"),
        (datetime(2026, 1, 2, 1, 4, 5, tzinfo=timezone(timedelta(hours=-2))), "2026-01-02T03:04:05.000Z"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(0), "GMT")), "2026-01-02T03:04:05.000Z"),
    ],
)
def test_moments_are_utc_with_milliseconds(moment: datetime, shown: str) -> None:
    assert rfc3339(moment) == shown


def test_what_has_not_happened_is_null() -> None:
    assert rfc3339_or_none(None) is None
