"""What krew needs to know about the archives of `kubectl marauders`: the manifest for an index of one's own or for krew's."""

from __future__ import annotations

import hashlib
from pathlib import Path

import yaml

from dev.olm import HOMEPAGE
from dev.release.plugin import PLATFORMS, PROGRAM

NAME = "marauders"
MANIFEST = f"{NAME}.yaml"
"""krew wants the file to have the plugin's name."""
_DESCRIPTION = """\
Shows a MaraudersMap's rollout with its revisions and pods, explains why a revision was rolled back (exit codes, last
log lines, Events), and promotes, aborts, retries, undoes, pauses or restarts. Works with the ordinary roles view and edit.
"""
_CAVEATS = """\
Needs CPython 3.11, 3.12, 3.13 or 3.14: the python3 on the PATH, a python3.11 to python3.14 beside it, or the one that the
variable MARAUDERS_PYTHON names.
"""


def manifest(version: str, archives: Path, url: str) -> str:
    """The manifest of the archives in that folder, which are going to be below `url`."""
    platforms = [
        {
            "selector": {"matchLabels": {"os": platform.os, "arch": platform.arch}},
            "uri": f"{url.rstrip('/')}/{platform.archive}",
            "sha256": hashlib.sha256((archives / platform.archive).read_bytes()).hexdigest(),
            "bin": PROGRAM,
        }
        for platform in PLATFORMS
    ]
    plugin = {
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
        "kind": "Plugin",
        "metadata": {"name": NAME},
        "spec": {
            "version": f"v{version}",
            "homepage": HOMEPAGE,
            "shortDescription": "See and steer rollouts of MaraudersMaps",
            "description": _DESCRIPTION,
            "caveats": _CAVEATS,
            "platforms": platforms,
        },
    }
    text: str = yaml.safe_dump(plugin, sort_keys=False, width=120)
    return text
