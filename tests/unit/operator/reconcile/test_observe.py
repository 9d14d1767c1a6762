"""Which pods speak for a revision."""

from __future__ import annotations

from typing import Any

from maraudersmap_operator.reconcile.observe import _pods


def pod(name: str, created: str) -> dict[str, Any]:
    labels = {"app.kubernetes.io/component": "api", "hogwarts.edu/revision": "abc"}
    return {"metadata": {"name": name, "uid": name, "creationTimestamp": created, "labels": labels}}


def test_pods_of_a_retired_deployment_of_the_same_revision_do_not_count() -> None:
    """They look ready and are about to go: traffic moved to them would find nobody a second later."""
    deployment = {"metadata": {"creationTimestamp": "2026-01-01T00:01:00Z"}}
    pods = [pod("old", "2026-01-01T00:00:30Z"), pod("new", "2026-01-01T00:01:00Z")]
    assert [p.name for p in _pods(pods, deployment, "abc", set())] == ["new"]
