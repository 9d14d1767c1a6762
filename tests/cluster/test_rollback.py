"""A bad revision is rolled back by itself, no request fails, and the spec stays as its author wrote it."""

from __future__ import annotations

import time
import uuid

import pytest
from tests.cluster import budgets
from tests.cluster.scenario import NAME, Object, Scenario


@pytest.fixture
def missing_image(good_image: str) -> str:
    """A tag that the registry does not have, another one for each test: the ledger remembers."""
    return f"{good_image.rpartition(':')[0]}:missing-{uuid.uuid4().hex[:8]}"


def _left_alone(before: Object, after: Object) -> bool:
    """The operator did not touch what belongs to the user."""
    return bool(
        before["spec"] == after["spec"]
        and before["metadata"]["generation"] == after["metadata"]["generation"]
        and before["metadata"].get("annotations") == after["metadata"].get("annotations")
    )


def _serving(scenario: Scenario) -> str:
    service = scenario.get("service", f"{NAME}-api")
    assert service is not None
    return str(service["spec"]["selector"]["hogwarts.edu/revision"])


def test_a_tag_that_does_not_exist(small: Scenario, missing_image: str) -> None:
    # given
    small.is_ready()
    stable = small.status()["stable"]["revision"]
    deployments = small.api_deployments()
    with small.probed() as prober:
        # when
        edited = small.edit(image=missing_image)
        entry = small.until_rejected(missing_image)
        # then
        assert prober.read().failed == 0
    assert entry["reason"] == "ImageNotFound"
    assert entry["detectSeconds"] <= budgets.AIM_DETECT_TAG
    assert missing_image in entry["message"]
    assert _left_alone(edited, small.resource())
    assert small.condition("Ready")[:2] == ("False", "RolledBack")
    assert small.condition("Available")[0] == "True"
    assert small.condition("RolledBack")[:2] == ("True", "ImageNotFound")
    assert _serving(small) == stable == small.status()["stable"]["revision"]
    assert {"ImageNotFound", "RolledBack"} <= {e["reason"] for e in small.events()}
    # and nothing is left of it but the record
    small.until_true(lambda: small.api_deployments() == deployments, "only stable's Deployment", budgets.GONE)


def test_going_back_to_the_stable_spec_rolls_nothing_out(small: Scenario, missing_image: str) -> None:
    # given
    small.is_ready()
    deployments = small.api_deployments()
    pods = {p["metadata"]["uid"] for p in small.pods(small.status()["stable"]["revision"])}
    small.edit(image=missing_image)
    small.until_rejected(missing_image)
    # when
    small.edit(image=small.good)
    status = small.until_phase("Ready", budgets.NOTICED)
    # then
    assert small.api_deployments() == deployments
    assert {p["metadata"]["uid"] for p in small.pods(status["stable"]["revision"])} == pods


def test_a_corrected_spec_rolls_out(small: Scenario, missing_image: str) -> None:
    # given
    small.is_ready()
    before = small.status()["stable"]["revision"]
    small.edit(image=missing_image)
    small.until_rejected(missing_image)
    with small.probed() as prober:
        # when
        small.edit(image=small.good, config={"logLevel": "warn"})
        status = small.until_phase("Ready", budgets.PROMOTED)
        # then
        assert prober.read().failed == 0
    assert status["stable"]["revision"] != before
    assert status["stable"]["image"] == small.good
    assert status["history"][0]["outcome"] == "Promoted"


def test_a_crash_at_start(small: Scenario, crashing_image: str) -> None:
    # given
    small.is_ready()
    stable = small.status()["stable"]["revision"]
    with small.probed() as prober:
        # when
        edited = small.edit(image=crashing_image)
        entry = small.until_rejected(crashing_image)
        # then
        assert prober.read().failed == 0
    assert entry["reason"] == "CrashLoop"
    assert entry["detectSeconds"] <= budgets.AIM_DETECT_CRASH
    assert "the map is torn" in entry["message"]  # the container's last words
    assert _left_alone(edited, small.resource())
    assert _serving(small) == stable


def test_a_rejected_revision_is_tried_again_only_for_a_new_retry_token(
    small: Scenario, missing_image: str
) -> None:
    # given
    small.is_ready()
    small.edit(image=missing_image)
    rejected = small.until_rejected(missing_image)
    # when something else about the resource changes
    small.edit(service={"annotations": {"example.org/touched": "yes"}})
    status = small.until_phase("RolledBack", budgets.NOTICED)
    # then it is not tried
    assert status["history"][0]["startedAt"] <= rejected["rejectedAt"]
    assert "candidate" not in status
    # but when
    small.annotate("hogwarts.edu/retry", str(time.time()))
    # then it is tried, and rejected, once more
    small.until_true(
        lambda: small.until_rejected(missing_image)["rejectedAt"] > rejected["rejectedAt"],
        "a second rejection",
        budgets.ROLLED_BACK,
    )
