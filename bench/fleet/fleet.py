"""The fleet: nodes, namespaces, Secrets and MaraudersMaps, made and edited through the API server."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import yaml
from bench.fleet.plane import Plane
from dev.cluster.host.console import Problem, print_line
from dev.cluster.host.paths import CHECKOUT

GROUP = "/apis/hogwarts.edu/v1alpha1"
NODES = 20
PER_NAMESPACE = 100
POLL_SECONDS = 10.0  # a LIST of the fleet costs the API server as much as hundreds of small requests
EDIT_SECONDS = 60.0


def prepare(plane: Plane, count: int) -> None:
    """The CRD, the nodes, and a Secret for each resource to come."""
    crd = yaml.safe_load((CHECKOUT / "crds" / "hogwarts.edu_maraudersmaps.yaml").read_text())
    plane.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
    for number in range(NODES):
        plane.request("POST", "/api/v1/nodes", _node(number))
    for number in range((count - 1) // PER_NAMESPACE + 1):
        namespace = {"metadata": {"name": f"fleet-{number}"}}
        plane.request("POST", "/api/v1/namespaces", namespace)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: _secret(plane, number), range(count)))


def create(plane: Plane, count: int) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: _resource(plane, number), range(count)))


def wait_ready(plane: Plane, count: int, seconds: float) -> float:
    """Seconds until all are Ready. Raises Problem when they are not in time."""
    began = time.monotonic()
    ready, spoken = -1, 0.0
    while (passed := time.monotonic() - began) < seconds:
        items = plane.request("GET", f"{GROUP}/maraudersmaps")["items"]
        ready = sum(_is_ready(item) for item in items)
        if ready == count:
            return passed
        if passed - spoken > 20:
            spoken = passed
            print_line(f"{ready} of {count} Ready after {passed:.0f} s")
        time.sleep(POLL_SECONDS)
    waiting = next(i for i in items if not _is_ready(i))
    raise Problem(f"{ready} of {count} Ready after {seconds:.0f} s; for example {waiting.get('status')}")


def edit(plane: Plane, number: int, image: str) -> float:
    """Seconds from the answer to an edit until the status shows that its rollout has begun."""
    path = _path(number)
    patch = {"spec": {"image": image}}
    changed = plane.request("PATCH", path, patch, "application/merge-patch+json")
    began = time.monotonic()
    while (passed := time.monotonic() - began) < EDIT_SECONDS:
        status = plane.request("GET", path).get("status") or {}
        if status.get("candidate") and status.get("observedGeneration") == changed["metadata"]["generation"]:
            return passed
        time.sleep(0.005)
    raise Problem(f"no rollout within {EDIT_SECONDS:.0f} s of an edit of {path}")


def _is_ready(item: dict[str, Any]) -> bool:
    conditions = (item.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _path(number: int) -> str:
    return f"{GROUP}/namespaces/{_namespace(number)}/maraudersmaps/map-{number}"


def _namespace(number: int) -> str:
    return f"fleet-{number // PER_NAMESPACE}"


def _node(number: int) -> dict[str, Any]:
    room = {"cpu": "1k", "memory": "4Ti", "pods": "10k"}
    return {"metadata": {"name": f"node-{number}"}, "status": {"allocatable": room, "capacity": room}}


def _secret(plane: Plane, number: int) -> None:
    url = f"postgresql://map:secret@database.{_namespace(number)}.svc/map{number}"
    secret = {"metadata": {"name": f"map-{number}-database"}, "stringData": {"url": url}}
    plane.request("POST", f"/api/v1/namespaces/{_namespace(number)}/secrets", secret)


def _resource(plane: Plane, number: int) -> None:
    resource = {
        "apiVersion": "hogwarts.edu/v1alpha1",
        "kind": "MaraudersMap",
        "metadata": {"name": f"map-{number}"},
        "spec": {
            "image": "marauders-map-api:0.1.0",
            "database": {"external": {"secretRef": {"name": f"map-{number}-database", "key": "url"}}},
            "cache": {"disabled": True},
        },
    }
    plane.request("POST", f"{GROUP}/namespaces/{_namespace(number)}/maraudersmaps", resource)
