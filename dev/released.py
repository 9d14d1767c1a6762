"""An earlier release of the operator: its files as they were tagged, and its image, for tests of upgrades."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

from dev.cluster import app_images
from dev.cluster.host.console import Problem, step
from dev.cluster.host.paths import CHECKOUT, digest
from dev.cluster.host.shell import succeeds
from dev.cluster.images import base_images, inventory, sources
from dev.kube import state_folder

FIRST = "v0.1.0"
# A clone of one branch has no tags, and all that led to it.
COMMITS = {FIRST: "bfd4f2dece88c8b87ac1039dcf81491c50f36661"}


def files_of(tag: str) -> Path:
    """A folder with the repository as it was at the tag. Raises Problem when this clone does not have its commit."""
    commit = COMMITS[tag]
    if not succeeds(["git", "-C", str(CHECKOUT), "cat-file", "-e", f"{commit}^{{commit}}"]):
        raise Problem(f"this clone does not have {tag}, commit {commit}", "git fetch --unshallow origin")
    folder = state_folder("releases") / f"{tag}-{commit[:12]}"
    if not folder.exists():
        unpacked = folder.with_suffix(".part")
        shutil.rmtree(unpacked, ignore_errors=True)
        unpacked.mkdir()
        archive = subprocess.run(
            ["git", "-C", str(CHECKOUT), "archive", commit], capture_output=True, check=True
        ).stdout
        subprocess.run(["tar", "-x", "-C", str(unpacked)], input=archive, check=True)
        unpacked.rename(folder)
    return folder


def operator_image(tag: str) -> str:
    """The operator's image of that release, built from its own files; the name that the nodes pull it by."""
    folder = files_of(tag)
    bases = base_images.PUBLIC if sources.public_images() else base_images.ensure_local()
    image = app_images.IMAGES["operator"]
    image = replace(image, dockerfile=folder / image.dockerfile.relative_to(CHECKOUT))
    # The folder's name has the commit: what the image is made from, but for its bases.
    version = f"{folder.name}-{digest(bases.build, bases.runtime)}"
    local = f"{image.repository}:{version}"
    if not inventory.exists(local):
        with step(f"building {local}"):
            app_images.build_image(image, local, bases, context=folder)
    return app_images.publish(image, local, version)
