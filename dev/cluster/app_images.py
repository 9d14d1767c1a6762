"""Building the two application images, checking their size, and pushing them to where the nodes pull from."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from dev.cluster.host.console import Problem, print_line, step
from dev.cluster.host.paths import CHECKOUT, STATE, cluster_name, digest, files_under, write_whole
from dev.cluster.host.shell import run, succeeds
from dev.cluster.images import base_images, inventory, sources
from dev.cluster.lifecycle import daemon
from dev.cluster.lifecycle.cluster import named_kubeconfig
from dev.cluster.network import kind_config, registry

_POINTERS = STATE / "images.json"
_MEGABYTE = 10**6


@dataclass(frozen=True, slots=True)
class AppImage:
    """One image: what it is built from, and the most megabytes it may take on each base."""

    repository: str
    dockerfile: Path
    inputs: tuple[Path, ...]
    limit_public: int
    limit_trimmed: int


IMAGES = {
    "api": AppImage(
        repository="marauders-map-api",
        dockerfile=CHECKOUT / "Dockerfile.api",
        inputs=(CHECKOUT / "requirements" / "api.txt", CHECKOUT / "api_service"),
        limit_public=200,
        limit_trimmed=110,
    ),
    "operator": AppImage(
        repository="marauders-map-operator",
        dockerfile=CHECKOUT / "Dockerfile.operator",
        inputs=(CHECKOUT / "requirements" / "operator.txt", CHECKOUT / "operator"),
        limit_public=200,
        limit_trimmed=130,
    ),
}


def build(which: str, tag: str | None) -> str:
    """Build an image, push it, and return the name that the nodes pull it by. Unchanged inputs cost seconds."""
    built = local(which)
    reference = publish(IMAGES[which], built, tag or built.partition(":")[2])
    _point(which, reference)
    return reference


def local(which: str) -> str:
    """Build an image and return the name that Docker here has it by: for those who need no registry."""
    daemon.ensure()
    image = IMAGES[which]
    bases = base_images.PUBLIC if sources.public_images() else base_images.ensure_local()
    name = f"{image.repository}:{content_key(image, bases.build, bases.runtime)}"
    if not inventory.exists(name):
        with step(f"building {name}"):
            build_image(image, name, bases, context=CHECKOUT)
            inventory.prune(name)
    _check_size(image, name, trimmed=bases.trimmed)
    return name


def content_key(image: AppImage, *bases: str) -> str:
    """12 hex digits of everything that the image is made from: the same inputs are the same tag."""
    files = []
    for path in image.inputs:
        files += files_under(path) if path.is_dir() else [path]
    files = [f for f in files if not any(part.endswith(".egg-info") for part in f.parts)]
    # Moved files matter too, and digest() sees names only.
    names = [str(f.relative_to(CHECKOUT)) for f in sorted(files)]
    return digest(*bases, *names, files=[image.dockerfile, *files])


def build_image(image: AppImage, name: str, bases: base_images.BaseImages, *, context: Path) -> None:
    """Build it from the files in `context`."""
    command = ["docker", "build", "--network=host", "-t", name, "-f", str(image.dockerfile)]
    command += [f"--build-arg=BUILD_BASE={bases.build}", f"--build-arg=RUNTIME_BASE={bases.runtime}"]
    # The older builder is in every Docker; a missing buildx is an error with the newer one.
    builder = {} if succeeds(["docker", "buildx", "version"]) else {"DOCKER_BUILDKIT": "0"}
    log = STATE / "logs" / f"build-{image.repository}.log"
    run([*command, str(context)], env=builder, log=log)


def _check_size(image: AppImage, name: str, *, trimmed: bool) -> None:
    limit = image.limit_trimmed if trimmed else image.limit_public
    size = int(run(["docker", "image", "inspect", "-f", "{{.Size}}", name])) / _MEGABYTE
    print_line(f"{name}: {size:.1f} MB uncompressed (limit {limit} MB)")
    if size >= limit:
        raise Problem(f"{name} takes {size:.1f} MB, the limit is {limit} MB", f"docker history {name}")


def publish(image: AppImage, local: str, tag: str) -> str:
    """Push it to where the nodes pull from, unless it is there; the name that they pull it by."""
    if named_kubeconfig():
        target = os.environ.get("MARAUDERS_REGISTRY")
        if not target:
            raise Problem(
                "the named cluster needs a registry that it can pull from",
                "set MARAUDERS_REGISTRY to one that you may push to, such as registry.example.org/me",
            )
        reference = f"{target.rstrip('/')}/{image.repository}:{tag}"
        with step(f"pushing {reference}"):
            run(["docker", "tag", local, reference])
            run(["docker", "push", "-q", reference])
        return reference
    # A tag of the content's own is pushed once; a chosen tag may mean something new each time.
    if tag != local.partition(":")[2] or not registry.has(image.repository, tag):
        with step(f"pushing {image.repository}:{tag} to the local registry"):
            return registry.push(cluster_name(), local, image.repository, tag)
    return f"{kind_config.REGISTRY}/{image.repository}:{tag}"


def _point(which: str, reference: str) -> None:
    """Remember what was built last, for those who deploy it."""
    known = json.loads(_POINTERS.read_text(encoding="utf-8")) if _POINTERS.exists() else {}
    write_whole(_POINTERS, json.dumps({**known, which: reference}, indent=2) + "\n")
