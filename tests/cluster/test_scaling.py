"""What the real autoscaler complains of is a condition of the resource, in its own words, and takes no readiness away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from dev.kube import Kubectl
from tests.cluster import budgets
from tests.cluster.conftest import own_namespace
from tests.cluster.scenario import NAME, Object, Scenario, merged, small_spec

pytestmark = pytest.mark.extended

SCALER = f"{NAME}-api-hpa"
AUTOSCALED = {
    "autoscaling": {
        "enabled": True,
        "minReplicas": 1,
        "maxReplicas": 2,
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
    }
}
METRICS = ("-n", "kube-system", "scale", "deployment/metrics-server")


@pytest.fixture(scope="module")
def autoscaled(kubectl: Kubectl, good_image: str) -> Iterator[Scenario]:
    """One pod, and an autoscaler that may make it two."""
    with own_namespace(kubectl) as name:
        shared = Scenario(kubectl, name, good_image)
        shared.resource_exists(merged(small_spec(good_image), AUTOSCALED))
        yield shared


@pytest.fixture
def followed(autoscaled: Scenario) -> Scenario:
    """It is Ready, and the autoscaler follows its load."""
    autoscaled.is_ready()
    until(autoscaled, "True", "FollowsLoad")
    return autoscaled


def until(scenario: Scenario, status: str, reason: str) -> str:
    """The message of ScalingActive, once it says this."""

    def there() -> str | None:
        found = scenario.condition("ScalingActive")
        return found[2] if found[:2] == (status, reason) else None

    return scenario.until(there, f"ScalingActive {status}, {reason}", budgets.FIRST_CPU_FIGURES)


def until_pods(scenario: Scenario, count: int) -> None:
    scenario.until_true(
        lambda: scenario.status().get("replicas", {}).get("ready") == count,
        f"{count} ready pods",
        budgets.FIRST_CPU_FIGURES,
    )


def words(scenario: Scenario, kind: str) -> str:
    """The autoscaler's own sentence about a condition of it."""
    scaler = scenario.get("hpa", SCALER)
    assert scaler is not None
    (found,) = (c for c in scaler["status"]["conditions"] if c["type"] == kind)
    return str(found["message"])


def listed(scenario: Scenario) -> list[str]:
    """The autoscalers on the pods, in the order in which ours has found them last."""
    names = words(scenario, "ScalingActive").rpartition("[")[2].rstrip("]").split()
    return [name.rpartition("/")[2] for name in names]


@contextmanager
def without_metrics(kubectl: Kubectl) -> Iterator[None]:
    """The cluster measures nothing."""
    kubectl(*METRICS, "--replicas=0")
    try:
        yield
    finally:
        kubectl(*METRICS, "--replicas=1")


def test_two_autoscalers_on_one_service_are_named(followed: Scenario) -> None:
    scaler = followed.get("hpa", SCALER)
    assert scaler is not None
    second: Object = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "second"},
        "spec": scaler["spec"],
    }
    # when
    followed.kubectl.apply(second, namespace=followed.namespace)
    message = until(followed, "False", "SeveralAutoscalers")
    # then
    assert f"[{followed.namespace}/{SCALER} {followed.namespace}/second]" in message
    assert followed.condition("Ready")[0] == "True"
    # and the order in which the autoscaler lists the two, another at each look, is no news
    written = followed.resource()["metadata"]["resourceVersion"]
    followed.until_true(lambda: listed(followed) == ["second", SCALER], "the other order", budgets.NOTICED)
    followed.until_true(lambda: listed(followed) == [SCALER, "second"], "the first order", budgets.NOTICED)
    assert followed.resource()["metadata"]["resourceVersion"] == written
    # and it is over with the second one
    followed.do("delete", "hpa", "second")
    assert until(followed, "True", "FollowsLoad") == ""


def test_without_metrics_it_says_so_and_serves(followed: Scenario, cluster: str) -> None:
    """`cluster`: a cluster that the user has named has a metrics-server that is not ours to stop."""
    assert cluster
    with without_metrics(followed.kubectl):
        message = until(followed, "False", "NoPodMetrics")
        assert words(followed, "ScalingActive") in message
        assert followed.condition("Ready")[0] == "True"
    assert until(followed, "True", "FollowsLoad") == ""


def test_it_follows_the_load_and_at_its_maximum_is_a_condition(followed: Scenario) -> None:
    # when even an idle pod is busier than what is aimed at
    followed.edit(autoscaling={"targetCPUUtilizationPercentage": 1})
    message = until(followed, "False", "AtMaximum")
    # then
    assert message == "the load calls for more than autoscaling.maxReplicas allows (2)"
    until_pods(followed, 2)
    # when a busy pod would be idle
    followed.edit(autoscaling={"targetCPUUtilizationPercentage": 1000})
    # then one is enough
    assert until(followed, "True", "FollowsLoad") == ""
    until_pods(followed, 1)
    # and neither was a rollout
    assert [h["outcome"] for h in followed.status()["history"]] == ["Promoted"]
