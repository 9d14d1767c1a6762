"""PodMonitor, PrometheusRule and dashboard on a cluster with the Prometheus operator's own definitions: strict schemas, real
rights, and definitions that come and go while the operator runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import yaml
from dev.cluster.host.paths import CHECKOUT
from dev.kube import Kubectl, KubectlFailed, await_established
from dev.monitoring.definitions import definitions
from dev.operator_install import DEPLOYMENT
from dev.operator_objects import NAMESPACE
from tests.cluster import budgets
from tests.cluster.scenario import INSTANCE, NAME, Object, Scenario, small_spec

from maraudersmap_operator import children
from maraudersmap_operator.children import Owner
from maraudersmap_operator.reconcile.apply.child_writer import covers
from maraudersmap_operator.resource import MaraudersMapSpec

pytestmark = pytest.mark.extended

API = f"{NAME}-api"
GROUP = "monitoring.coreos.com"
KINDS = f"podmonitors.{GROUP},prometheusrules.{GROUP}"
LABELS = {"release": "prometheus"}
FOR_PROMETHEUS = CHECKOUT / "manifests" / "monitoring" / "kube-prometheus"


@contextmanager
def defined(kubectl: Kubectl) -> Iterator[None]:
    """The cluster has the kinds."""
    found = definitions()
    names = [definition["metadata"]["name"] for definition in found]
    there = [n for n in names if kubectl.find("get", "crd", n)]
    assert not there, f"{there} are there, and not ours to remove: deselect this file"
    try:
        # Server-side: they are larger than what a client-side apply may keep in its annotation.
        listing = json.dumps({"apiVersion": "v1", "kind": "List", "items": found})
        kubectl("apply", "--server-side", "-f", "-", input=listing)
        for name in names:
            await_established(kubectl, name)
        yield
    finally:
        kubectl("delete", "crd", *names, "--ignore-not-found")


@contextmanager
def no_monitors(scenario: Scenario, words: str) -> Iterator[None]:
    """An admission policy lets nobody write a PodMonitor in the scenario's namespace."""
    name = f"refused-{scenario.namespace}"
    rule = {
        "apiGroups": [GROUP],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["podmonitors"],
    }
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": "false", "message": words}],
        },
    }
    among = {"matchLabels": {"kubernetes.io/metadata.name": scenario.namespace}}
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {
            "policyName": name,
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": among},
        },
    }
    scenario.kubectl.apply(policy, binding)
    try:
        scenario.until_true(lambda: _is_refused(scenario, words), "the policy is in force", budgets.NOTICED)
        yield
    finally:
        scenario.kubectl("delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", name)


def _is_refused(scenario: Scenario, words: str) -> bool:
    probe = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "PodMonitor",
        "metadata": {"name": "probe"},
        "spec": {"selector": {}, "podMetricsEndpoints": []},
    }
    try:
        scenario.do("create", "--dry-run=server", "-f", "-", input=json.dumps(probe))
    except KubectlFailed as failed:
        return words in failed.stderr
    return False


def monitoring(scenario: Scenario) -> tuple[str, str]:
    return scenario.condition("MonitoringReady")[:2]


def until(scenario: Scenario, status: str, reason: str) -> str:
    """The message of MonitoringReady, once it says this. The kinds are asked for once a minute."""
    there = (status, reason)
    scenario.until_true(lambda: monitoring(scenario) == there, f"MonitoringReady {there}", budgets.HEALED)
    return scenario.condition("MonitoringReady")[2]


def made(scenario: Scenario) -> dict[str, Object]:
    """PodMonitor and PrometheusRule by kind, and the dashboard as ConfigMap."""
    found = {o["kind"]: o for o in scenario.find_all(KINDS)}
    dashboards = scenario.find_all("configmaps", f"{INSTANCE}={NAME},grafana_dashboard=1")
    return found | {o["kind"]: o for o in dashboards}


def test_each_resource_gets_its_own_where_the_kinds_are(scenario: Scenario) -> None:
    # given a cluster without the kinds
    scenario.resource_exists(small_spec(scenario.good) | {"monitoring": {"labels": LABELS}})
    scenario.until_phase("Ready", budgets.READY)
    message = until(scenario, "False", "NoPrometheusOperator")
    assert f"no kind PodMonitor and no kind PrometheusRule of {GROUP}/v1" in message
    assert not scenario.find_all("configmaps", "grafana_dashboard=1")
    with defined(scenario.kubectl):
        # when they appear, and nobody touches the resource: then all three are made
        message = until(scenario, "True", "AsWanted")
        objects = made(scenario)
        assert message == f"made: PodMonitor {API}, PrometheusRule {API}, ConfigMap " + str(
            objects["ConfigMap"]["metadata"]["name"]
        )
        _as_built(scenario, objects)
        _scrapes_the_pods(scenario, objects["PodMonitor"])
        _written_once_a_change(scenario)
        # when one of them is refused
        with no_monitors(scenario, "no monitors in this house"):
            scenario.edit(monitoring={"intervalSeconds": 20})
            message = until(scenario, "False", "Refused")
            # then its words are there, and the service is as well as before
            assert "no monitors in this house" in message
            assert "no monitors in this house" in scenario.condition("ChildrenApplied")[2]
            assert scenario.status()["phase"] == "Ready"
            assert (scenario.condition("Ready")[0], scenario.condition("Stalled")[0]) == ("True", "False")
        until(scenario, "True", "AsWanted")
        # when it is switched off, all three go
        scenario.edit(monitoring={"enabled": False})
        scenario.until_true(lambda: not made(scenario), "they are gone", budgets.NOTICED)
        scenario.edit(monitoring={"enabled": True})
        until(scenario, "True", "AsWanted")
    # when the kinds go
    message = until(scenario, "False", "NoPrometheusOperator")
    assert "no kind PodMonitor and no kind PrometheusRule" in message
    scenario.until_true(
        lambda: not scenario.find_all("configmaps", "grafana_dashboard=1"), "no dashboard", budgets.NOTICED
    )
    assert scenario.status()["phase"] == "Ready"


def test_the_shipped_monitors_and_rules_fit_the_definitions(scenario: Scenario) -> None:
    """Those for all resources, and for the operator itself: every field is one that the Prometheus operator knows."""
    kubectl = scenario.kubectl
    with defined(kubectl):
        for folder in (FOR_PROMETHEUS, FOR_PROMETHEUS / "all-resources"):
            documents = list(yaml.safe_load_all(kubectl("kustomize", str(folder))))
            kinds = {d["kind"] for d in documents}
            assert kinds & {"PodMonitor", "ServiceMonitor", "PrometheusRule"}
            for document in documents:
                document["metadata"]["namespace"] = scenario.namespace
            options = ("--server-side", "--dry-run=server", "--validate=strict")
            kubectl("apply", *options, "-f", "-", input=yaml.safe_dump_all(documents))


def _as_built(scenario: Scenario, objects: dict[str, Object]) -> None:
    """The schemas have pruned nothing of what the operator sent, and each object goes with its resource."""
    resource = scenario.resource()
    owner = Owner(NAME, scenario.namespace, resource["metadata"]["uid"])
    spec = MaraudersMapSpec.model_validate(resource["spec"])
    monitor, rule = children.pod_monitor(owner, spec), children.prometheus_rule(owner, spec)
    assert monitor is not None
    assert rule is not None
    assert covers(objects["PodMonitor"]["spec"], monitor["spec"])
    assert covers(objects["PrometheusRule"]["spec"], rule["spec"])
    for kind, found in objects.items():
        (reference,) = found["metadata"]["ownerReferences"]
        assert reference["uid"] == owner.uid
        if kind != "ConfigMap":
            assert found["metadata"]["labels"].items() >= LABELS.items()


def _scrapes_the_pods(scenario: Scenario, monitor: Object) -> None:
    """What it selects are the API's pods, and they have a port of that name."""
    selector = ",".join(f"{k}={v}" for k, v in monitor["spec"]["selector"]["matchLabels"].items())
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    pods = scenario.find_all("pods", selector)
    assert len(pods) == 2
    for pod in pods:
        ports = [port["name"] for c in pod["spec"]["containers"] for port in c.get("ports", ())]
        assert endpoint["port"] in ports


def _written_once_a_change(scenario: Scenario) -> None:
    """The definitions fill in defaults, which no pass takes for drift: neither later ones nor those of another process."""

    def generation() -> int:
        return int(made(scenario)["PodMonitor"]["metadata"]["generation"])

    assert generation() == 1
    scenario.edit(monitoring={"intervalSeconds": 15})
    scenario.until_true(lambda: generation() == 2, "the new interval", budgets.NOTICED)
    scenario.kubectl("-n", NAMESPACE, "rollout", "restart", f"deployment/{DEPLOYMENT}")
    scenario.kubectl("-n", NAMESPACE, "rollout", "status", f"deployment/{DEPLOYMENT}", "--timeout=240s")
    scenario.edit(replicas=3)
    scenario.until_phase("Ready", budgets.READY)
    until(scenario, "True", "AsWanted")
    assert generation() == 2
    scenario.edit(replicas=2)
    scenario.until_phase("Ready", budgets.READY)
