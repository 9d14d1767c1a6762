"""A registry that is down says nothing about the image: the revision waits, and goes on when the registry is back."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from dev.cluster.images import base_images, sources
from dev.cluster.network import registry
from tests.cluster import budgets
from tests.cluster.scenario import Object, Scenario


@pytest.fixture
def unpulled_image(cluster: str, good_image: str) -> str:
    """A tag that no node has yet, of an image that works."""
    local = good_image.rpartition("/")[2]
    repository = local.partition(":")[0]
    return registry.push(cluster, local, repository, f"fresh-{uuid.uuid4().hex[:8]}")


def _stopped(cluster: str) -> None:
    registry.stop(cluster)


def _answers_503(cluster: str) -> None:
    images = base_images.PUBLIC if sources.public_images() else base_images.ensure_local()
    registry.fail_with(cluster, 503, python_image=images.build)


@pytest.mark.parametrize("fault", [_stopped, _answers_503], ids=["stopped", "answers-503"])
def test_a_registry_that_is_down_is_waited_for(
    small: Scenario, cluster: str, unpulled_image: str, fault: Callable[[str], None]
) -> None:
    # given
    small.is_ready()
    stable = small.status()["stable"]["revision"]
    with small.probed() as prober:
        fault(cluster)
        # when
        small.edit(image=unpulled_image)

        # then it is tried, reported and not rejected
        def reported() -> Object | None:
            status = small.status()
            return status if "pull" in str(status.get("message", "")).lower() else None

        status = small.until(reported, "a message that the image cannot be pulled", budgets.NOTICED)
        assert status["serving"] == stable
        assert not [r for r in status["rejected"] if r["image"] == unpulled_image]
        # and when the registry is back
        registry.heal(cluster)
        # then it is rolled out
        status = small.until_phase("Ready", budgets.PROMOTED)
        counts = prober.read()
    assert status["stable"]["image"] == unpulled_image
    assert counts.failed == 0, counts.failures
