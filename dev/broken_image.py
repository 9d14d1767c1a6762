"""An image of the API that crashes at start, pushed to where the cluster's nodes pull from."""

from __future__ import annotations

import os

from dev.cluster import registry
from dev.cluster.console import Problem
from dev.cluster.paths import DEV, cluster_name
from dev.cluster.shell import run, succeeds
from dev.images_built import image_of
from dev.kube import summary

FOLDER = DEV / "images" / "broken"
REPOSITORY = "marauders-map-broken"


def ensure_broken_image() -> str:
    """The reference that the nodes pull it by; built on the API's image of now. Raises Problem."""
    api = image_of("api")
    tag = api.rpartition(":")[2]
    local, base = f"{REPOSITORY}:{tag}", api.rpartition("/")[2]
    state = summary()
    if state["registry_push"] and registry.has(REPOSITORY, tag):
        return f"{state['registry_pull']}/{local}"
    if not succeeds(["docker", "image", "inspect", base]):
        raise Problem(
            f"the crashing image is made from {base}, which this machine's Docker lacks", "make images"
        )
    # The older builder is in every Docker; a missing buildx is an error with the newer one.
    builder = {} if succeeds(["docker", "buildx", "version"]) else {"DOCKER_BUILDKIT": "0"}
    run(["docker", "build", "-q", "-t", local, f"--build-arg=API={base}", str(FOLDER)], env=builder)
    if state["registry_push"]:
        return registry.push(cluster_name(), local, REPOSITORY, tag)
    target = os.environ.get("MARAUDERS_REGISTRY")
    if not target:
        raise Problem("the named cluster needs a registry that it can pull from", "set MARAUDERS_REGISTRY")
    reference = f"{target.rstrip('/')}/{local}"
    run(["docker", "tag", local, reference])
    run(["docker", "push", "-q", reference])
    return reference
