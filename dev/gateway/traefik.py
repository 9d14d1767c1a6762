"""Traefik as an image that the nodes can pull, and the folder with the Gateway API's CRDs.

Traefik is built in its own folder of Go's module cache, where its own go.mod, replace directives and go.sum hold. Our
go.mod pins the versions of the two modules and nothing else. Newer versions of Traefik cannot be built that way: their
modules leave out a package that they need.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

from dev.cluster.host import go_tools
from dev.cluster.host.console import Problem, say, step
from dev.cluster.host.paths import DEV, MACHINE, MACHINE_BIN, cluster_name, digest
from dev.cluster.host.shell import run
from dev.cluster.images import inventory, sources
from dev.cluster.network import registry
from dev.kube import summary

MODULE = DEV / "gateway" / "go"
_TRAEFIK = "github.com/traefik/traefik/v3"
_GATEWAY_API = "sigs.k8s.io/gateway-api"
_REPOSITORY = "marauders-traefik"
_MEGABYTE = 10**6
# A static program needs no base. The user is a number, so that a pod may insist on not being root.
_DOCKERFILE = """FROM scratch
COPY traefik /traefik
USER 10001:10001
ENTRYPOINT ["/traefik"]
"""


def version_of(module: str, go_mod: str) -> str:
    """The version that the text of a go.mod requires of the module. Raises Problem when it requires none."""
    for line in go_mod.splitlines():
        words = line.removeprefix("require").split()
        if words[:1] == [module] and len(words) > 1:
            return words[1]
    raise Problem(f"go.mod requires no {module}")


def crds() -> list[Path]:
    """The files of the Gateway API's standard channel, in the module cache."""
    return sorted((_folder(_GATEWAY_API) / "config" / "crd" / "standard").glob("*.yaml"))


def image() -> str:
    """The name that the nodes pull Traefik by; built and pushed when it is not there yet."""
    version = version_of(_TRAEFIK, (MODULE / "go.mod").read_text(encoding="utf-8"))
    state = summary()
    if sources.public_images():
        return f"traefik:{version}"
    program = _program(version)
    tag = f"{version}-{digest(program.parent.name, _DOCKERFILE)}"
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
    say(f"{local}: {size:.1f} MB uncompressed")
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
    """Where Go keeps the module's sources. What is downloaded must be what our go.sum says."""
    shown = run(
        [go_tools.go(), "mod", "download", "-json", module], cwd=MODULE, env=go_tools.go_environment()
    )
    return Path(json.loads(shown)["Dir"])


def _program(version: str) -> Path:
    """The statically linked program, built once per machine and version."""
    path = MACHINE_BIN / digest(_TRAEFIK, version, os.uname().machine) / "traefik"
    if not path.exists():
        with step(f"building {_TRAEFIK} {version} (5 to 10 minutes when nothing is cached)"):
            flags = f"-s -w -X {_TRAEFIK}/pkg/version.Version={version}"
            partial = path.with_suffix(".tmp")
            partial.parent.mkdir(parents=True, exist_ok=True)
            build = ["nice", go_tools.go(), "build", "-buildvcs=false", "-trimpath", "-ldflags", flags]
            run(
                [*build, "-o", str(partial), "./cmd/traefik"],
                cwd=_folder(_TRAEFIK),
                env=go_tools.go_environment(),
                log=MACHINE / "logs" / "traefik.log",
            )
            partial.replace(path)
    return path
