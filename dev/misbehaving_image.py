"""Images of the API with something wrong, pushed to where the cluster's nodes pull from."""

from __future__ import annotations

import hashlib
import os

from dev.cluster.host.console import Problem
from dev.cluster.host.paths import DEV, cluster_name
from dev.cluster.host.shell import run, succeeds
from dev.cluster.network import registry
from dev.images_built import image_of
from dev.kube import summary

FOLDER = DEV / "images" / "misbehaving"


def ensure_broken_image() -> str:
    """One that crashes at start, whatever its pod asks for. The reference that the nodes pull it by. Raises Problem."""
    return _ensure("marauders-map-broken", "crash")


def ensure_misbehaving_image() -> str:
    """One that does what the variable MISBEHAVE of its pod asks for; see dev/images/misbehaving/misbehave.py."""
    return _ensure("marauders-map-misbehaving", "")


def ensure_image_without_program() -> str:
    """One whose entry point does not exist: the kubelet can pull it, but not start it."""
    return _ensure("marauders-map-empty", "", target="without-program")


def _ensure(repository: str, default: str, target: str = "misbehaving") -> str:
    api = image_of("api")
    sources = b"".join(path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.is_file())
    tag = f"{api.rpartition(':')[2]}-{hashlib.sha256(sources).hexdigest()[:8]}"
    local, base = f"{repository}:{tag}", api.rpartition("/")[2]
    state = summary()
    if state["registry_push"] and registry.has(repository, tag):
        return f"{state['registry_pull']}/{local}"
    if not succeeds(["docker", "image", "inspect", base]):
        raise Problem(
            f"the misbehaving image is made from {base}, which this machine's Docker lacks", "make images"
        )
    # The older builder is in every Docker; a missing buildx is an error with the newer one.
    builder = {} if succeeds(["docker", "buildx", "version"]) else {"DOCKER_BUILDKIT": "0"}
    arguments = [f"--target={target}", f"--build-arg=API={base}", f"--build-arg=MISBEHAVE={default}"]
    run(["docker", "build", "-q", "-t", local, *arguments, str(FOLDER)], env=builder)
    if state["registry_push"]:
        return registry.push(cluster_name(), local, repository, tag)
    named = os.environ.get("MARAUDERS_REGISTRY")
    if not named:
        raise Problem("the named cluster needs a registry that it can pull from", "set MARAUDERS_REGISTRY")
    reference = f"{named.rstrip('/')}/{local}"
    run(["docker", "tag", local, reference])
    run(["docker", "push", "-q", reference])
    return reference
