"""The monitors of the Prometheus operator, and the jobs for a plain Prometheus, find what is really there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from .files import MONITORING, ROOT, SCRAPE

GOLDEN = ROOT / "tests" / "unit" / "operator" / "children" / "golden"
SERVICE = ROOT / "manifests" / "operator" / "base" / "service.yaml"
DEPLOYMENT = ROOT / "manifests" / "operator" / "base" / "deployment.yaml"


def read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text())
    return found


def pods_of(component: str) -> list[dict[str, Any]]:
    """Pod templates of the golden children, of that component or of every other."""
    templates = [
        child["spec"]["template"]
        for file in sorted(GOLDEN.glob("*.yaml"))
        for document in yaml.safe_load_all(file.read_text())
        for child in (document if isinstance(document, list) else document.get("objects", [document]))
        if isinstance(child, dict) and "template" in child.get("spec", {})
    ]
    assert templates
    return [t for t in templates if t["metadata"]["labels"]["app.kubernetes.io/component"] == component]


def selects(wanted: dict[str, str], labels: dict[str, str]) -> bool:
    return wanted.items() <= labels.items()


def ports(pod: dict[str, Any]) -> set[str]:
    return {p["name"] for c in pod["spec"]["containers"] for p in c.get("ports", ())}


def test_the_pod_monitor_finds_the_apis_pods_and_no_others() -> None:
    monitor = read(MONITORING / "kube-prometheus" / "all-resources" / "pod-monitor.yaml")["spec"]
    wanted = monitor["selector"]["matchLabels"]
    api = pods_of("api")
    assert api
    assert all(selects(wanted, pod["metadata"]["labels"]) for pod in api)
    assert all(monitor["podMetricsEndpoints"][0]["port"] in ports(pod) for pod in api)
    for component in ("migrations", "redis", "postgres"):
        assert not any(selects(wanted, pod["metadata"]["labels"]) for pod in pods_of(component))


def test_the_service_monitor_finds_the_operators_service() -> None:
    monitor = read(MONITORING / "kube-prometheus" / "service-monitor.yaml")["spec"]
    service = read(SERVICE)
    labels = service["metadata"]["labels"]
    assert selects(monitor["selector"]["matchLabels"], labels)
    assert monitor["namespaceSelector"]["matchNames"] == [service["metadata"]["namespace"]]
    assert monitor["endpoints"][0]["port"] in {p["name"] for p in service["spec"]["ports"]}
    # The rules name the job.
    assert labels[monitor["jobLabel"]] == "maraudersmap-operator"


def test_the_plain_jobs_find_the_same() -> None:
    jobs = {job["job_name"]: job for job in read(SCRAPE)["scrape_configs"]}
    chosen = {
        name: dict(
            part.split("=") for part in job["kubernetes_sd_configs"][0]["selectors"][0]["label"].split(",")
        )
        for name, job in jobs.items()
    }
    operator = read(DEPLOYMENT)["spec"]["template"]
    assert selects(chosen["maraudersmap-operator"], operator["metadata"]["labels"])
    assert all(selects(chosen["maraudersmap-api"], pod["metadata"]["labels"]) for pod in pods_of("api"))
    # What the operator shows of a resource keeps the resource's namespace.
    assert jobs["maraudersmap-operator"]["honor_labels"]
    assert "http" in ports(operator)
