"""The controllers of the other tools: built from their Go modules, put into images, run on the cluster as they ship.

A module is built in its own folder of Go's module cache, so its own go.mod, replace directives and go.sum hold.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from dev.cluster.host import go_tools
from dev.cluster.host.console import Problem, step
from dev.cluster.host.paths import MACHINE, MACHINE_BIN, cluster_name, digest
from dev.cluster.host.shell import run
from dev.cluster.network import registry
from dev.kube import Kubectl, KubectlFailed, summary

Manifest = dict[str, Any]
Name = Literal["argo-rollouts", "flagger"]

_CRD_SECONDS = 60
_READY_SECONDS = 120
_UID = 10001
LABELS = {"marauders-bench": "rollback"}
"""On every namespace of the bench, and on what it makes outside them: what is removed in the end."""
_DOCKERFILE = f"""FROM scratch
COPY controller /controller
USER {_UID}
ENTRYPOINT ["/controller"]
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """One controller: its module, the package to build, and the files of the module that install it."""

    name: Name
    module: str
    version: str
    package: str
    manifests: tuple[str, ...]
    arguments: tuple[str, ...] = ()

    @property
    def namespace(self) -> str:
        return f"mm-bench-{self.name}"


PEERS: dict[Name, Peer] = {
    "argo-rollouts": Peer(
        "argo-rollouts",
        "github.com/argoproj/argo-rollouts",
        "v1.9.2",
        "./cmd/rollouts-controller",
        ("manifests/install.yaml",),
    ),
    "flagger": Peer(
        "flagger",
        "github.com/fluxcd/flagger",
        "v1.36.1",
        "./cmd/flagger",
        ("artifacts/flagger/crd.yaml", "artifacts/flagger/account.yaml", "artifacts/flagger/deployment.yaml"),
        # No metrics: nothing listens there, and nothing asks.
        ("-log-level=info", "-mesh-provider=kubernetes", "-metrics-server=http://127.0.0.1:9090"),
    ),
}


def install(kubectl: Kubectl, name: Name) -> None:
    """Leave with the controller running. Raises Problem or KubectlFailed."""
    peer = PEERS[name]
    folder = _module_folder(peer)
    image = _image(peer, _program(peer, folder))
    objects = list(_objects(peer, folder, image))
    _refuse_somebody_elses(kubectl, objects)
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": peer.namespace, "labels": LABELS},
    }
    with step(f"installing {name} {peer.version}"):
        # CRDs first: the API server must know them before the controller looks for them.
        crds = [o for o in objects if o["kind"] == "CustomResourceDefinition"]
        _apply(kubectl, [namespace, *crds])
        names = [f"crd/{crd['metadata']['name']}" for crd in crds]
        kubectl("wait", "--for=condition=Established", *names, f"--timeout={_CRD_SECONDS}s")
        _apply(kubectl, [o for o in objects if o["kind"] != "CustomResourceDefinition"])
        deployment = next(o for o in objects if o["kind"] == "Deployment")["metadata"]["name"]
        try:
            kubectl(
                *("-n", peer.namespace, "rollout", "status", f"deployment/{deployment}"),
                f"--timeout={_READY_SECONDS}s",
            )
        except KubectlFailed as error:
            logs = kubectl("-n", peer.namespace, "logs", f"deployment/{deployment}", "--tail=15")
            raise Problem(f"{name} does not start: {error.stderr.strip()}\n{logs}") from error


def remove(kubectl: Kubectl) -> None:
    """Remove the controllers, their CRDs and every namespace of the bench; only what carries its label."""
    selector = ",".join(f"{k}={v}" for k, v in LABELS.items())
    # Namespaces first: while the controllers' CRDs exist, their objects can be deleted.
    for kind in ("namespaces", "crds", "clusterroles", "clusterrolebindings"):
        kubectl("delete", kind, "-l", selector, "--wait=true", "--timeout=180s")


def _module_folder(peer: Peer) -> Path:
    module = f"{peer.module}@{peer.version}"
    shown = run(
        [go_tools.go(), "mod", "download", "-json", module], env=go_tools.go_environment(), cwd=MACHINE
    )
    return Path(json.loads(shown)["Dir"])


def _program(peer: Peer, folder: Path) -> Path:
    """The statically linked controller, built once per machine and version."""
    path = MACHINE_BIN / digest(peer.module, peer.version, peer.package, os.uname().machine) / peer.name
    if not path.exists():
        with step(f"building {peer.module} {peer.version} (2 to 5 minutes when nothing is cached)"):
            partial = path.with_suffix(".tmp")
            partial.parent.mkdir(parents=True, exist_ok=True)
            command = ["nice", go_tools.go(), "build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w"]
            log = MACHINE / "logs" / f"{peer.name}.log"
            run(
                [*command, "-o", str(partial), peer.package],
                cwd=folder,
                env=go_tools.go_environment(),
                log=log,
            )
            partial.replace(path)
    return path


def _image(peer: Peer, program: Path) -> str:
    """The reference that the nodes pull the controller by: an image of one file."""
    repository, tag = f"marauders-bench-{peer.name}", f"{peer.version}-{program.parent.name}"
    state = summary()
    if state["registry_push"] and registry.has(repository, tag):
        return f"{state['registry_pull']}/{repository}:{tag}"
    local = f"{repository}:{tag}"
    with tempfile.TemporaryDirectory() as context, step(f"putting {peer.name} into an image"):
        shutil.copy2(program, Path(context) / "controller")
        (Path(context) / "Dockerfile").write_text(_DOCKERFILE, encoding="utf-8")
        run(["docker", "build", "-q", "-t", local, context], env={"DOCKER_BUILDKIT": "0"})
    if state["registry_push"]:
        return registry.push(cluster_name(), local, repository, tag)
    target = os.environ.get("MARAUDERS_REGISTRY")
    if not target:
        raise Problem("the named cluster needs a registry that it can pull from", "set MARAUDERS_REGISTRY")
    reference = f"{target.rstrip('/')}/{local}"
    run(["docker", "tag", local, reference])
    run(["docker", "push", "-q", reference])
    return reference


def _objects(peer: Peer, folder: Path, image: str) -> Iterable[Manifest]:
    """The shipped manifests, in the bench's namespace, with our image and what an image of one file asks for."""
    for file in peer.manifests:
        for found in yaml.safe_load_all((folder / file).read_text(encoding="utf-8")):
            if not found:
                continue
            found["metadata"].setdefault("labels", {}).update(LABELS)
            if found["kind"] not in ("CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding"):
                found["metadata"]["namespace"] = peer.namespace
            for subject in found.get("subjects") or ():
                subject["namespace"] = peer.namespace
            if found["kind"] == "Deployment":
                _adapt(peer, found["spec"]["template"]["spec"], image)
            yield found


def _adapt(peer: Peer, pod: Manifest, image: str) -> None:
    container = pod["containers"][0]
    container |= {"image": image, "imagePullPolicy": "IfNotPresent"}
    container.pop("command", None)
    if peer.arguments:
        container["args"] = list(peer.arguments)
    pod.setdefault("securityContext", {})["runAsUser"] = _UID
    for kind in ("livenessProbe", "readinessProbe"):
        probe = container.get(kind) or {}
        # There is no wget in an image of one file; the kubelet can ask by itself.
        if probe.pop("exec", None):
            probe["httpGet"] = {"path": "/healthz", "port": 8080}


def _refuse_somebody_elses(kubectl: Kubectl, objects: Iterable[Manifest]) -> None:
    """CRDs are removed in the end, and their objects with them: never those of somebody who uses the tool here."""
    for crd in (o for o in objects if o["kind"] == "CustomResourceDefinition"):
        name = crd["metadata"]["name"]
        found = kubectl.find("get", "crd", name)
        if found and not LABELS.items() <= (found["metadata"].get("labels") or {}).items():
            raise Problem(
                f"the cluster has CRD {name} already, and not from this bench", "use another cluster"
            )


def _apply(kubectl: Kubectl, objects: list[Manifest]) -> None:
    """Server-side: these CRDs are larger than what a client-side apply may keep in its annotation."""
    listing = {"apiVersion": "v1", "kind": "List", "items": objects}
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=json.dumps(listing))


def versions() -> str:
    """The peers' versions in words."""
    return ", ".join(f"{p.name} {p.version}" for p in PEERS.values())
