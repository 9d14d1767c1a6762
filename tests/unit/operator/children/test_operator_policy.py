"""The operator's own NetworkPolicy lets through what the code connects to, and nothing else: a changed port fails here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from maraudersmap_operator.reconcile import read_settings
from maraudersmap_operator.resource.names import API_PORT, APP, LABEL_COMPONENT, LABEL_NAME, Component

MANIFESTS = Path(__file__).parents[4] / "manifests" / "operator"
DOCS = Path(__file__).parents[4] / "docs"
DNS = {("UDP", 53), ("TCP", 53)}
API_SERVER = {("TCP", 443), ("TCP", 6443)}
PROMETHEUS = {("TCP", 9090)}  # where docs/analysis.md puts it
NAMESPACE = "kubernetes.io/metadata.name"


def load(path: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((MANIFESTS / path).read_text())
    return found


POLICY = load("base/network-policy.yaml")["spec"]
DEPLOYMENT = load("base/deployment.yaml")["spec"]


def rules(ports: set[tuple[str, int]]) -> list[dict[str, Any]]:
    return [r for r in POLICY["egress"] if {(p["protocol"], p["port"]) for p in r["ports"]} == ports]


def variable(name: str) -> str:
    [container] = DEPLOYMENT["template"]["spec"]["containers"]
    return str(next(e["value"] for e in container["env"] if e["name"] == name))


def test_both_directions_are_shut_but_for_what_is_named() -> None:
    assert POLICY["policyTypes"] == ["Ingress", "Egress"]
    assert POLICY["podSelector"] == DEPLOYMENT["selector"]
    assert all(rule.get("ports") for rule in POLICY["egress"])
    wanted = [DNS, API_SERVER, {("TCP", API_PORT)}, PROMETHEUS]
    assert len(POLICY["egress"]) == len(wanted)
    assert all(len(rules(ports)) == 1 for ports in wanted)


def test_health_and_metrics_may_be_read() -> None:
    [container] = DEPLOYMENT["template"]["spec"]["containers"]
    [port] = container["ports"]
    assert port["containerPort"] == read_settings({}).http_port
    assert POLICY["ingress"] == [{"ports": [{"protocol": "TCP", "port": port["name"]}]}]


def test_only_the_apis_pods_are_asked_for_metrics() -> None:
    [rule] = rules({("TCP", API_PORT)})
    labels = {LABEL_NAME: APP, LABEL_COMPONENT: str(Component.API)}
    assert rule["to"] == [{"namespaceSelector": {}, "podSelector": {"matchLabels": labels}}]


def test_prometheus_is_where_the_settings_allow_it_and_the_documentation_puts_it() -> None:
    [rule] = rules(PROMETHEUS)
    named = [peer["namespaceSelector"]["matchLabels"][NAMESPACE] for peer in rule["to"]]
    assert (
        named == variable("PROMETHEUS_NAMESPACES").split(",") == list(read_settings({}).prometheus_namespaces)
    )
    assert f"http://prometheus.{named[0]}.svc:9090" in (DOCS / "analysis.md").read_text()


def test_the_api_server_has_no_label_and_names_have_a_namespace() -> None:
    [server], [dns] = rules(API_SERVER), rules(DNS)
    assert "to" not in server
    assert dns["to"] == [{"namespaceSelector": {"matchLabels": {NAMESPACE: "kube-system"}}}]


def test_the_namespaced_install_reads_metrics_in_its_own_namespace_only() -> None:
    overlay = load("overlays/namespaced/kustomization.yaml")
    [patch] = [p for p in overlay["patches"] if p.get("target", {}).get("kind") == "NetworkPolicy"]
    first, second = yaml.safe_load(patch["patch"])
    number = POLICY["egress"].index(rules({("TCP", API_PORT)})[0])
    assert first == {"op": "test", "path": f"/spec/egress/{number}/ports/0/port", "value": API_PORT}
    assert second["path"] == f"/spec/egress/{number}/to/0/namespaceSelector"
    [deployment] = [p for p in overlay["patches"] if "WATCH_NAMESPACES" in p["patch"]]
    assert second["value"]["matchLabels"][NAMESPACE] in deployment["patch"]
