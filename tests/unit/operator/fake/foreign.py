"""What someone else makes beside a resource."""

from __future__ import annotations

from maraudersmap_operator.cluster import Manifest
from maraudersmap_operator.cluster.kinds import DEPLOYMENT

from .harness import NAMESPACE, Loop


def stranger(loop: Loop, labels: dict[str, str]) -> Manifest:
    """A Deployment of someone else whose pods have these labels and its own."""
    labels = {**labels, "team": "slytherin"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "snake", "image": "registry.example/snake:1"}]},
    }
    return loop.server.create(
        DEPLOYMENT,
        {
            "metadata": {"name": "snake", "namespace": NAMESPACE},
            "spec": {"replicas": 2, "selector": {"matchLabels": {"team": "slytherin"}}, "template": template},
        },
        manager="kubectl",
    )
