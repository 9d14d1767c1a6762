"""The operator may die at any moment of a rollout: another one ends it the same way, and no request fails."""

from __future__ import annotations

from dev.kube import Kubectl
from dev.operator_install import leader
from dev.operator_objects import NAMESPACE
from tests.cluster import budgets
from tests.cluster.scenario import NAME, Scenario


def _kill_the_leader(kubectl: Kubectl, scenario: Scenario) -> str:
    """Without grace, as a lost node takes it: no lease is released. The pod's name."""
    name = scenario.until(lambda: leader(kubectl), "a leader", budgets.TAKEN_OVER)
    kubectl("-n", NAMESPACE, "delete", "pod", name, "--force", "--grace-period=0")
    return name


def _until_another_leads(kubectl: Kubectl, scenario: Scenario, than: str) -> None:
    scenario.until_true(
        lambda: leader(kubectl) not in (None, than), f"another leader than {than}", budgets.TAKEN_OVER
    )


def test_a_good_rollout_ends_the_same(small: Scenario, kubectl: Kubectl) -> None:
    # given
    small.is_ready()
    with small.probed() as prober:
        # when
        small.edit(config={"logLevel": "warn"})
        candidate = small.until_step("Witnesses")
        killed = _kill_the_leader(kubectl, small)
        _until_another_leads(kubectl, small, than=killed)
        status = small.until_phase("Ready", budgets.PROMOTED)
        # then
        counts = prober.read()
    assert counts.failed == 0, counts.failures
    assert status["stable"]["revision"] == candidate["revision"]
    assert status["rejected"] == []
    small.until_true(
        lambda: set(small.api_deployments()) == {f"{NAME}-api-{candidate['revision']}"},
        "only the new revision's Deployment",
        budgets.GONE,
    )


def test_a_bad_rollout_ends_the_same(small: Scenario, kubectl: Kubectl, crashing_image: str) -> None:
    # given
    small.is_ready()
    stable = small.status()["stable"]["revision"]
    with small.probed() as prober:
        # when
        small.edit(image=crashing_image)
        small.until_step("Witnesses")
        killed = _kill_the_leader(kubectl, small)
        _until_another_leads(kubectl, small, than=killed)
        entry = small.until_rejected(crashing_image)
        # then
        counts = prober.read()
    assert counts.failed == 0, counts.failures
    assert entry["reason"] == "CrashLoop"
    assert small.status()["serving"] == stable
    assert set(small.api_deployments()) == {f"{NAME}-api-{stable}"}
