"""`python3 -m dev.operator_install`: the operator on the cluster, as its shipped manifests say, with the images built here.

A kustomize overlay in `.state/` changes what differs from place to place (images, nothing else), so what runs is what
ships: two replicas, leader election, the shipped RBAC. Doing it again changes nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import dataclass

from dev.cluster.console import Problem, say, step
from dev.cluster.paths import CHECKOUT, write_whole
from dev.images_built import image_of
from dev.kube import Kubectl, KubectlFailed, connect, state_folder, summary, tell, wait_for

NAMESPACE = "marauders-system"
DEPLOYMENT = "marauders-operator"
LEASE = "maraudersmap-operator"
CRD = "maraudersmaps.hogwarts.edu"
BASE = CHECKOUT / "manifests" / "operator" / "base"
SELECTOR = ("-l", "app.kubernetes.io/name=maraudersmap-operator")
ROLLOUT_SECONDS = 90
LEADER_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class OperatorImages:
    """What the operator runs, and what it is made of."""

    operator: str
    postgres: str
    redis: str


def images_in_use() -> OperatorImages:
    """The images for the cluster in use. Raises Problem when one is not built."""
    state = summary()
    return OperatorImages(image_of("operator"), state["postgres_image"], state["redis_image"])


def install(kubectl: Kubectl, images: OperatorImages) -> None:
    """Leave with both replicas of the operator ready and one of them leading. Raises Problem or KubectlFailed."""
    folder = state_folder("operator")
    write_whole(folder / "kustomization.yaml", json.dumps(_overlay(images), indent=2) + "\n")
    with step("installing the operator"):
        # Server-side: the CRD is larger than what a client-side apply may keep in its annotation.
        kubectl("apply", "--server-side", "--force-conflicts", "-k", str(folder))
        kubectl("wait", "--for=condition=Established", f"crd/{CRD}", "--timeout=60s")
    with step("waiting for the operator"):
        _wait_for_pods(kubectl)
        name = wait_for(lambda: leader(kubectl), "a leader among the operator's pods", seconds=LEADER_SECONDS)
    say(f"the operator leads from pod {name}")


def _wait_for_pods(kubectl: Kubectl) -> None:
    rollout = ["rollout", "status", f"deployment/{DEPLOYMENT}", f"--timeout={ROLLOUT_SECONDS}s"]
    try:
        kubectl("-n", NAMESPACE, *rollout)
    except KubectlFailed as error:
        pods = kubectl("-n", NAMESPACE, "get", "pods")
        logs = kubectl("-n", NAMESPACE, "logs", *SELECTOR, "--tail=15", "--prefix")
        raise Problem(f"the operator does not start: {error.stderr.strip()}\n{pods}\n{logs}") from error


def leader(kubectl: Kubectl) -> str | None:
    """The pod that leads, as the Lease says; None while none of the pods that exist does."""
    lease = kubectl.find("-n", NAMESPACE, "get", "lease", LEASE)
    holder = str(((lease or {}).get("spec") or {}).get("holderIdentity") or "")
    pods = kubectl.json("-n", NAMESPACE, "get", "pods", *SELECTOR)["items"]
    alive = [p["metadata"]["name"] for p in pods if "deletionTimestamp" not in p["metadata"]]
    # The holder is the pod's name, perhaps with something unique to the process after it.
    return next((name for name in alive if holder.startswith(name)), None)


def _overlay(images: OperatorImages) -> dict[str, object]:
    name, _, tag = images.operator.rpartition(":")
    environment = [
        {"name": "EVALUATION_POSTGRES_IMAGE", "value": images.postgres},
        {"name": "EVALUATION_REDIS_IMAGE", "value": images.redis},
    ]
    patch = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": DEPLOYMENT, "namespace": NAMESPACE},
        "spec": {"template": {"spec": {"containers": [{"name": "operator", "env": environment}]}}},
    }
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(BASE, state_folder("operator"))],
        "images": [{"name": "marauders-map-operator", "newName": name, "newTag": tag}],
        "patches": [{"patch": json.dumps(patch)}],
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m dev.operator_install", description=__doc__)
    parser.parse_args()
    try:
        install(connect(), images_in_use())
    except (Problem, KubectlFailed) as problem:
        return tell(problem)
    return 0


if __name__ == "__main__":
    sys.exit(main())
