"""A plain resource, only an image and a database given, produces exactly these objects and values."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.cluster import budgets
from tests.cluster.scenario import NAME, Scenario

LABELS = {
    "app.kubernetes.io/name": "maraudersmap",
    "app.kubernetes.io/instance": NAME,
    "app.kubernetes.io/managed-by": "maraudersmap-operator",
}


@pytest.fixture(scope="module")
def ready(plain: Scenario) -> Scenario:
    """The plain resource, waited for the way a user does."""
    wait = f"--timeout={budgets.READY:.0f}s"
    plain.do("wait", "--for=condition=Ready", f"maraudersmap/{NAME}", wait)
    return plain


@pytest.fixture(scope="module")
def revision(ready: Scenario) -> str:
    return str(ready.status()["stable"]["revision"])


def _one(ready: Scenario, kind: str, name: str) -> dict[str, Any]:
    found = ready.get(kind, name)
    assert found is not None, f"{kind} {name} is missing"
    return found


@pytest.fixture(scope="module")
def migrations(ready: Scenario, revision: str) -> str:
    """The one Job that has migrated. A first attempt whose pod does not reach the database yet, in the moment in which the
    cluster learns of both, is repeated by the next, which replaces it."""
    (job,) = ready.find_all("jobs")
    name = str(job["metadata"]["name"])
    assert re.fullmatch(f"{NAME}-migrate-{revision}-[0-9]+", name)
    return name


def test_exactly_these_children_exist(ready: Scenario, revision: str, migrations: str) -> None:
    assert ready.children() == {
        f"ControllerRevision/{NAME}-{revision}",
        f"Deployment/{NAME}-api-{revision}",
        f"Deployment/{NAME}-cache",
        f"Deployment/{NAME}-limits",
        f"HorizontalPodAutoscaler/{NAME}-api-hpa",
        f"Job/{migrations}",
        f"NetworkPolicy/{NAME}-api",
        f"NetworkPolicy/{NAME}-postgres",
        f"NetworkPolicy/{NAME}-cache",
        f"NetworkPolicy/{NAME}-limits",
        f"PodDisruptionBudget/{NAME}-api",
        f"Secret/{NAME}-cache-access",
        f"Secret/{NAME}-postgres",
        f"Secret/{NAME}-secrets",
        f"Service/{NAME}-api",
        f"Service/{NAME}-api-preview",
        f"Service/{NAME}-postgres",
        f"Service/{NAME}-cache",
        f"Service/{NAME}-limits",
        f"ServiceAccount/{NAME}-api",
        f"StatefulSet/{NAME}-postgres",
    }


def test_every_child_is_labelled_and_owned(ready: Scenario) -> None:
    uid = ready.resource()["metadata"]["uid"]
    for child in ready.find_all(
        "deployments,statefulsets,services,secrets,serviceaccounts,jobs,hpa,pdb,netpol"
    ):
        metadata = child["metadata"]
        name = f"{child['kind']}/{metadata['name']}"
        assert metadata["labels"].items() >= LABELS.items(), name
        controllers = [r for r in metadata["ownerReferences"] if r.get("controller")]
        assert [r["uid"] for r in controllers] == [uid], name


def test_the_api_runs_three_pods_on_port_4001(ready: Scenario, revision: str) -> None:
    deployment = _one(ready, "deployment", f"{NAME}-api-{revision}")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert deployment["spec"]["replicas"] == 3
    assert container["image"] == ready.good
    assert [p["containerPort"] for p in container["ports"]] == [4001]
    assert container["resources"] == {
        "requests": {"cpu": "500m", "memory": "256Mi"},
        "limits": {"cpu": "1", "memory": "512Mi"},
    }


def test_the_probes_have_their_paths_and_times(ready: Scenario, revision: str) -> None:
    deployment = _one(ready, "deployment", f"{NAME}-api-{revision}")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]

    def settings(kind: str) -> tuple[str, int, int]:
        probe = container[kind]
        return probe["httpGet"]["path"], probe.get("initialDelaySeconds", 0), probe["periodSeconds"]

    assert settings("livenessProbe") == ("/health/live", 10, 30)
    assert settings("readinessProbe") == ("/health/ready", 5, 10)
    assert settings("startupProbe") == ("/health/live", 0, 1)
    assert container["startupProbe"]["failureThreshold"] >= 300


def test_the_secrets_reach_the_pods_by_reference(ready: Scenario, revision: str) -> None:
    deployment = _one(ready, "deployment", f"{NAME}-api-{revision}")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    sources = {e["name"]: e["valueFrom"]["secretKeyRef"] for e in container["env"] if "valueFrom" in e}
    assert sources == {
        "DATABASE_URL": {"name": f"{NAME}-secrets", "key": "database-url"},
        "JWT_SECRET": {"name": f"{NAME}-secrets", "key": "jwt-secret"},
        "REDIS_URL": {"name": f"{NAME}-cache-access", "key": "cache-url"},
        "LIMITS_REDIS_URL": {"name": f"{NAME}-cache-access", "key": "limits-url"},
    }
    assert set(_one(ready, "secret", f"{NAME}-secrets")["data"]) == {"database-url", "jwt-secret"}


def test_the_pods_are_restricted(ready: Scenario, revision: str) -> None:
    """The namespace enforces it, or no pod would run; the read-only root file system goes beyond."""
    for pod in ready.pods(revision):
        (container,) = pod["spec"]["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert pod["spec"]["securityContext"]["runAsUser"] == 10001
        assert pod["spec"]["automountServiceAccountToken"] is False
    assert len({pod["spec"]["nodeName"] for pod in ready.pods(revision)}) > 1


def test_the_service_leads_from_80_to_the_serving_revision(ready: Scenario, revision: str) -> None:
    spec = _one(ready, "service", f"{NAME}-api")["spec"]
    assert spec["type"] == "ClusterIP"
    assert [(p["port"], p["targetPort"]) for p in spec["ports"]] == [(80, "http")]
    assert spec["selector"]["hogwarts.edu/revision"] == revision
    preview = _one(ready, "service", f"{NAME}-api-preview")["spec"]
    assert preview["selector"]["hogwarts.edu/revision"] == "none"


def test_the_autoscaler_and_the_disruption_budget_follow_the_serving_revision(
    ready: Scenario, revision: str
) -> None:
    scaler = _one(ready, "hpa", f"{NAME}-api-hpa")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (3, 10)
    assert scaler["scaleTargetRef"]["name"] == f"{NAME}-api-{revision}"
    assert scaler["metrics"][0]["resource"]["target"] == {"type": "Utilization", "averageUtilization": 70}
    budget = _one(ready, "pdb", f"{NAME}-api")["spec"]
    assert budget["selector"]["matchLabels"] == _one(ready, "service", f"{NAME}-api")["spec"]["selector"]


def test_redis_is_a_cache_of_256_megabytes_and_limits_are_beside_it(ready: Scenario) -> None:
    for name, memory, policy in (
        (f"{NAME}-cache", "256mb", "allkeys-lru"),
        (f"{NAME}-limits", "64mb", "noeviction"),
    ):
        (container,) = _one(ready, "deployment", name)["spec"]["template"]["spec"]["containers"]
        arguments = " ".join(container["args"])
        assert f"--maxmemory {memory}" in arguments
        assert f"--maxmemory-policy {policy}" in arguments


def test_the_table_tells_it_at_a_glance(ready: Scenario, revision: str) -> None:
    header, line = ready.do("get", "mm", NAME).splitlines()
    assert header.split() == ["NAME", "READY", "PHASE", "IMAGE", "STABLE", "REPLICAS", "REASON", "AGE"]
    assert line.split()[:7] == [NAME, "True", "Ready", ready.good, revision, "3", "StableServing"]


def test_an_incident_is_created_and_listed_through_the_service(ready: Scenario) -> None:
    with ready.probed() as prober:
        body = {"title": "Polyjuice in the common room", "location": "HOGWARTS", "severity": "MISCHIEF"}
        status, created = prober.call("POST", "/api/incidents", body)
        assert status == 201, created
        status, listed = prober.call("GET", "/api/incidents")
        assert status == 200, listed
        assert [(i["id"], i["title"]) for i in listed["data"]] == [(created["id"], body["title"])]
        assert prober.read().failed == 0


def test_the_autoscaler_sees_cpu(ready: Scenario) -> None:
    def active() -> bool:
        status = _one(ready, "hpa", f"{NAME}-api-hpa").get("status") or {}
        return any(
            c["type"] == "ScalingActive" and c["status"] == "True" for c in status.get("conditions") or ()
        )

    ready.until_true(active, "HPA ScalingActive", budgets.FIRST_CPU_FIGURES)


def test_events_tell_the_story(ready: Scenario) -> None:
    reasons = {e["reason"] for e in ready.events()}
    assert {"RolloutStarted", "Promoted"} <= reasons
