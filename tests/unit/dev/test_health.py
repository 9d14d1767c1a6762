"""A cluster is healthy by what its kubelets did lately, not by what is remembered of them."""

import json
from datetime import UTC, datetime

from dev.cluster.lifecycle import health

NOW = datetime(2026, 11, 23, 9, 0, 0, tzinfo=UTC)


def leases(*renewed: str | None) -> str:
    return json.dumps({"items": [{"spec": {"renewTime": r} if r else {}} for r in renewed]})


def test_only_leases_renewed_since_then_count() -> None:
    """An old lease, and one never renewed, belong to kubelets that may be dead."""
    listed = leases("2026-11-23T09:00:03.123456Z", "2026-11-23T08:59:59.000000Z", None)
    assert health.fresh_leases(listed, since=NOW) == 1


def test_times_of_docker_and_kubernetes_compare() -> None:
    """Docker writes nanoseconds, Kubernetes microseconds; seconds are enough here."""
    assert (
        health.parse_time("2026-11-23T09:00:00.123456789Z")
        == health.parse_time("2026-11-23T09:00:00.5Z")
        == NOW
    )
