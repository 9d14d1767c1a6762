"""The app as its pods look under every tool but ours, and the database that all of them share."""

from __future__ import annotations

import base64
from typing import Any

from bench.rollback.cases import Revision
from dev.kube import Kubectl, wait_for

Manifest = dict[str, Any]

NAME = "app"
SERVICE = f"{NAME}-api"
PREVIEW = f"{NAME}-api-preview"
REPLICAS = 3
PORT = 4001
SECRET = "bench-secrets"  # noqa: S105 (the name of a Secret)
LABELS = {"app": NAME}

GRACE_SECONDS = 3
DRAIN_SECONDS = 1
STARTUP_SECONDS = 300
"""How long a pod may take to start before the kubelet kills it: more than the slowest innocent case needs."""

RESOURCES = {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}}
READINESS = {"initialDelaySeconds": 0, "periodSeconds": 1, "timeoutSeconds": 3, "failureThreshold": 3}
LIVENESS = {"initialDelaySeconds": 10, "periodSeconds": 30, "timeoutSeconds": 3, "failureThreshold": 3}

DATABASE_NAMESPACE = "mm-bench-db"
_DATABASE = "bench"
_DATABASE_SECONDS = 300.0


def pod_template(revision: Revision) -> Manifest:
    """The same container, probes and limits that our operator renders."""
    return {
        "metadata": {"labels": LABELS},
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": GRACE_SECONDS,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 10001,
                "runAsGroup": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [_container(revision)],
            "volumes": [{"name": "tmp", "emptyDir": {}}],
        },
    }


def _container(revision: Revision) -> Manifest:
    secrets = {"DATABASE_URL": "database-url", "JWT_SECRET": "jwt-secret"}
    environment: list[Manifest] = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": SECRET, "key": key}}}
        for name, key in secrets.items()
    ]
    environment += [{"name": "DRAIN_SECONDS", "value": str(DRAIN_SECONDS)}, *revision.environment]
    live = {"path": "/health/live", "port": "http"}
    return {
        "name": "api",
        "image": revision.image,
        "ports": [{"name": "http", "containerPort": PORT}],
        "env": environment,
        "resources": RESOURCES,
        "startupProbe": {
            "httpGet": live,
            "periodSeconds": 1,
            "timeoutSeconds": 3,
            "failureThreshold": STARTUP_SECONDS,
        },
        "livenessProbe": {"httpGet": live, **LIVENESS},
        "readinessProbe": {"httpGet": {"path": "/health/ready", "port": "http"}, **READINESS},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 (an emptyDir of the pod)
    }


def service(name: str) -> Manifest:
    """A Service in front of the pods."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": LABELS, "ports": [{"name": "http", "port": 80, "targetPort": PORT}]},
    }


def make_namespace(kubectl: Kubectl, name: str, labels: dict[str, str]) -> None:
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})


def ensure_database(kubectl: Kubectl, image: str, labels: dict[str, str]) -> dict[str, str]:
    """Leave with a migrated database, run by our operator; the data of the Secret that opens it, base64."""
    make_namespace(kubectl, DATABASE_NAMESPACE, labels)
    spec = {
        "image": image,
        "replicas": 1,
        "autoscaling": {"enabled": False},
        "database": {"evaluation": {}},
        "cache": {"disabled": True},
        "networkPolicy": {"enabled": False},
        "resources": RESOURCES,
        "probes": {"readiness": READINESS},
        "rollout": {"minReadySeconds": 2, "bakeSeconds": 2},
    }
    resource = {
        "apiVersion": "hogwarts.edu/v1alpha1",
        "kind": "MaraudersMap",
        "metadata": {"name": _DATABASE},
        "spec": spec,
    }
    kubectl.apply(resource, namespace=DATABASE_NAMESPACE)

    def ready() -> bool | None:
        found = kubectl.json("-n", DATABASE_NAMESPACE, "get", "mm", _DATABASE)
        status = found.get("status") or {}
        current = status.get("observedGeneration") == found["metadata"]["generation"]
        return True if current and status.get("phase") == "Ready" else None

    wait_for(ready, f"MaraudersMap {DATABASE_NAMESPACE}/{_DATABASE} Ready", seconds=_DATABASE_SECONDS)
    found = kubectl.json("-n", DATABASE_NAMESPACE, "get", "secret", f"{_DATABASE}-secrets")
    data: dict[str, str] = found["data"]
    if b".svc" not in base64.b64decode(data["database-url"]):
        raise AssertionError("the database's URL names no namespace: other namespaces cannot use it")
    return data


def secret(data: dict[str, str]) -> Manifest:
    """The database's Secret, for another namespace."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET},
        "type": "Opaque",
        "data": data,
    }
