"""A good revision is tried out of traffic, takes it at once and becomes stable, and no request fails."""

from __future__ import annotations

from tests.cluster import budgets
from tests.cluster.scenario import NAME, REVISION, Scenario


def test_a_good_revision_is_promoted_without_a_failed_request(small: Scenario) -> None:
    # given
    small.is_ready()
    before = small.status()["stable"]["revision"]
    with small.probed() as prober:
        # when
        small.edit(config={"logLevel": "debug"})
        witness = small.until_step("Witnesses")
        # then users do not meet it yet, but the preview Service does
        assert small.status()["serving"] == before
        preview = small.get("service", f"{NAME}-api-preview")
        assert preview is not None
        assert preview["spec"]["selector"][REVISION] == witness["revision"]
        # and when it has proven itself
        status = small.until_phase("Ready", budgets.PROMOTED)
        # then it serves, and the old one is gone
        assert status["stable"]["revision"] == status["serving"] == witness["revision"]
        small.until_true(lambda: not small.pods(before), "no pod of the old revision", budgets.GONE)
        counts = prober.read()
    assert counts.failed == 0, counts.failures
    assert [h["outcome"] for h in status["history"]] == ["Promoted", "Promoted"]
    assert set(small.api_deployments()) == {f"{NAME}-api-{witness['revision']}"}


def test_the_autoscaler_moves_with_the_traffic(small: Scenario) -> None:
    # given
    small.is_ready(autoscaling={"enabled": True, "minReplicas": 2, "maxReplicas": 3})
    # when
    small.edit(config={"logLevel": "error"})
    status = small.until_phase("Ready", budgets.PROMOTED)
    # then
    scaler = small.get("hpa", f"{NAME}-api-hpa")
    assert scaler is not None
    assert scaler["spec"]["scaleTargetRef"]["name"] == f"{NAME}-api-{status['stable']['revision']}"
