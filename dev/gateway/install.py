"""The Gateway on the cluster: CRDs, Traefik, one GatewayClass and one Gateway that takes routes from every namespace.

The same Traefik looks after the Ingresses of one IngressClass.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from dev.cluster.host.console import Problem, print_line, step
from dev.cluster.host.paths import DEV
from dev.gateway import traefik
from dev.kube import Kubectl, KubectlFailed

NAMESPACE = "gateway-system"
GATEWAY = "marauders"
CLASS = "marauders"
SERVICE = "marauders-gateway"
INGRESS_SERVICE = "marauders-ingress"
"""The other door: of Ingresses whose class is CLASS, on 80 and 443."""
_ROLE = "marauders-gateway"
_DEPLOYMENT = "traefik"
_MANIFESTS = DEV / "gateway" / "manifests.yaml"
_GROUP = "gateway.networking.k8s.io"
_LABELS = {"marauders": "gateway"}
"""On the CRDs that we brought: others are neither replaced nor removed."""
_READY_SECONDS = 120
_GONE_SECONDS = 120


def install(kubectl: Kubectl) -> None:
    """Leave with the Gateway programmed and the pod behind its Service ready. Raises Problem or KubectlFailed."""
    image = traefik.image()
    with step("installing the Gateway API"):
        _install_crds(kubectl)
    with step(f"installing Traefik ({image})"):
        manifest = _MANIFESTS.read_text(encoding="utf-8").replace("IMAGE", image)
        kubectl("apply", "-f", "-", input=manifest)
        _wait(kubectl)
    print_line(f"ready: {_address()} is the Gateway {NAMESPACE}/{GATEWAY}")


def remove(kubectl: Kubectl) -> None:
    """Remove what `install` made, the CRDs last; nothing of it is left when this returns."""
    gone = ("--ignore-not-found", "--wait=true", f"--timeout={_GONE_SECONDS}s")
    with step("removing the Gateway"):
        # While the CRD is there, its objects can be named.
        if kubectl.find("get", "crd", f"gatewayclasses.{_GROUP}"):
            kubectl("delete", f"gatewayclasses.{_GROUP}", CLASS, *gone)
        kubectl("delete", "ingressclass", CLASS, *gone)
        for kind in ("clusterrolebinding", "clusterrole"):
            kubectl("delete", kind, _ROLE, *gone)
        kubectl("delete", "namespace", NAMESPACE, *gone)
        selector = ",".join(f"{key}={value}" for key, value in _LABELS.items())
        kubectl("delete", "crd", "-l", selector, *gone)


def status(kubectl: Kubectl) -> bool:
    """Say how it is; whether it is ready."""
    deployment = kubectl.find("-n", NAMESPACE, "get", "deployment", _DEPLOYMENT)
    if deployment is None:
        print_line("there is no Gateway here: make gateway")
        return False
    gateway = kubectl.find("-n", NAMESPACE, "get", f"gateways.{_GROUP}", GATEWAY)
    pods = int(deployment["status"].get("readyReplicas", 0))
    programmed = is_programmed(gateway)
    print_line(
        f"Traefik: {pods} pod(s) ready, image {deployment['spec']['template']['spec']['containers'][0]['image']}"
    )
    print_line(
        f"Gateway {NAMESPACE}/{GATEWAY}: {'programmed' if programmed else 'not programmed'}, at {_address()}"
    )
    return pods > 0 and programmed


def is_programmed(gateway: dict[str, Any] | None) -> bool:
    """Whether its controller reports that the Gateway, as it is written now, was handed to the data plane."""
    conditions = ((gateway or {}).get("status") or {}).get("conditions") or []
    return any(
        c["type"] == "Programmed"
        and c["status"] == "True"
        and c["observedGeneration"] == (gateway or {})["metadata"]["generation"]
        for c in conditions
    )


def ours(crd: dict[str, Any]) -> bool:
    """Whether a CRD on the cluster is one that we brought."""
    labels = crd["metadata"].get("labels") or {}
    return all(labels.get(key) == value for key, value in _LABELS.items())


def _install_crds(kubectl: Kubectl) -> None:
    there = [c for c in kubectl.json("get", "crd")["items"] if c["spec"]["group"] == _GROUP]
    if any(not ours(crd) for crd in there):
        print_line(f"the CRDs of {_GROUP} were there before: using them as they are")
        return
    crds = [_labelled(path) for path in traefik.crds()]
    # Server-side: a CRD is larger than what a client-side apply may keep in its annotation.
    listing = json.dumps({"apiVersion": "v1", "kind": "List", "items": crds})
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=listing)
    names = [f"crd/{crd['metadata']['name']}" for crd in crds]
    kubectl("wait", "--for=condition=Established", *names, "--timeout=60s")


def _labelled(path: Path) -> dict[str, Any]:
    crd: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    crd["metadata"].setdefault("labels", {}).update(_LABELS)
    return crd


def _wait(kubectl: Kubectl) -> None:
    rollout = ("rollout", "status", f"deployment/{_DEPLOYMENT}", f"--timeout={_READY_SECONDS}s")
    programmed = ("wait", "--for=condition=Programmed", f"gateways.{_GROUP}/{GATEWAY}", "--timeout=60s")
    try:
        kubectl("-n", NAMESPACE, *rollout)
        kubectl("-n", NAMESPACE, *programmed)
    except KubectlFailed as error:
        pods = kubectl("-n", NAMESPACE, "get", "pods")
        logs = kubectl("-n", NAMESPACE, "logs", f"deployment/{_DEPLOYMENT}", "--tail=15", "--ignore-errors")
        raise Problem(f"the Gateway does not start: {error.stderr.strip()}\n{pods}\n{logs}") from error


def _address() -> str:
    return f"http://{SERVICE}.{NAMESPACE}.svc"
