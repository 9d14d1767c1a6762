"""The operator on a cluster, as its shipped manifests ask: two replicas, leader election, the shipped RBAC.

What differs from place to place is the images and the namespaces, nothing else. Doing it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import yaml

from dev.cluster.host.console import Problem, print_line, step
from dev.images_built import image_of
from dev.kube import Kubectl, KubectlFailed, await_established, state_folder, summary, wait_for
from dev.operator_objects import CRD, NAME, NAMESPACE, Object, rendered

DEPLOYMENT = NAME
LEASE = "maraudersmap-operator"
SELECTOR = ("-l", "app.kubernetes.io/name=maraudersmap-operator")
# Server-side: the CRD is larger than what a client-side apply may keep in its annotation.
APPLY = ("apply", "--server-side", "--force-conflicts")
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
    env = {"EVALUATION_POSTGRES_IMAGE": images.postgres, "EVALUATION_REDIS_IMAGE": images.redis}
    objects = rendered(kubectl, state_folder("operator"), images.operator, env=env)
    with step("installing the operator"):
        apply(kubectl, objects)
    await_leader(kubectl)


def apply(kubectl: Kubectl, objects: Sequence[Object]) -> None:
    """All of them, and the definition is served."""
    kubectl(*APPLY, "-f", "-", input=yaml.safe_dump_all(objects))
    await_established(kubectl, CRD)


def await_leader(kubectl: Kubectl) -> None:
    """Until every replica is ready and one of them leads. Raises Problem with what the pods report."""
    with step("waiting for the operator"):
        _wait_for_pods(kubectl)
        name = wait_for(lambda: leader(kubectl), "a leader among the operator's pods", seconds=LEADER_SECONDS)
    print_line(f"the operator leads from pod {name}")


def _wait_for_pods(kubectl: Kubectl) -> None:
    rollout = ["rollout", "status", f"deployment/{DEPLOYMENT}", f"--timeout={ROLLOUT_SECONDS}s"]
    try:
        kubectl("-n", NAMESPACE, *rollout)
    except KubectlFailed as error:
        pods = kubectl("-n", NAMESPACE, "get", "pods")
        logs = kubectl("-n", NAMESPACE, "logs", *SELECTOR, "--tail=15", "--prefix")
        raise Problem(f"the operator does not start: {error.stderr.strip()}\n{pods}\n{logs}") from error


def leader(kubectl: Kubectl, namespace: str = NAMESPACE) -> str | None:
    """The pod that leads, as the Lease has it; None while none of the pods that exist does."""
    lease = kubectl.find("-n", namespace, "get", "lease", LEASE)
    holder = str(((lease or {}).get("spec") or {}).get("holderIdentity") or "")
    pods = kubectl.json("-n", namespace, "get", "pods", *SELECTOR)["items"]
    alive = [p["metadata"]["name"] for p in pods if "deletionTimestamp" not in p["metadata"]]
    # The holder is the pod's name, perhaps with something unique to the process after it.
    return next((name for name in alive if holder.startswith(name)), None)
