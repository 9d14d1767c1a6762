"""Base images: the public ones where they can be pulled, else made here from Debian packages."""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dev.cluster.host.console import step
from dev.cluster.host.paths import DEV, digest, files_under
from dev.cluster.host.shell import run
from dev.cluster.images import debian, inventory

_IMAGES = DEV / "images"
_CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
_PIP_CONF = Path("/etc/pip.conf")


@dataclass(frozen=True, slots=True)
class BaseImages:
    """References that Docker here can use. `trimmed` is whether the runtime base is our small one."""

    build: str
    runtime: str
    postgres: str
    redis: str
    trimmed: bool


PUBLIC = BaseImages("python:3.13-slim", "python:3.13-slim", "postgres:16", "redis:7", trimmed=False)


def ensure_local() -> BaseImages:
    """Make what is missing of the local ones. Their tags say what they were made from."""
    base = debian.ensure()
    # The machine's own certificates and pip settings: baked into build images here, never committed.
    own = {
        "ca-certificates.crt": _CA_BUNDLE.read_bytes(),
        "pip.conf": _PIP_CONF.read_bytes() if _PIP_CONF.exists() else b"",
    }
    python = _IMAGES / "python"
    build = build_local("build-base", python, "Dockerfile.build-base", {"DEBIAN": base}, own)
    runtime = build_local("runtime-base", python, "Dockerfile.runtime-base", {"BUILD_BASE": build})
    postgres = build_local("postgres", _IMAGES / "postgres", "Dockerfile", {"DEBIAN": base})
    redis = build_local("redis", _IMAGES / "redis", "Dockerfile", {"DEBIAN": base})
    return BaseImages(build, runtime, postgres, redis, trimmed=True)


def build_local(
    name: str,
    folder: Path,
    dockerfile: str,
    arguments: Mapping[str, str],
    own: Mapping[str, bytes] | None = None,
) -> str:
    """Build one image unless it is there. Also tags it `:local`, for people."""
    own = own or {}
    key = digest(dockerfile, *arguments.values(), *own.values(), files=files_under(folder))
    reference = f"marauders-{name}:{key}"
    if not inventory.exists(reference):
        with step(f"building {reference}"), tempfile.TemporaryDirectory() as context:
            shutil.copytree(folder, context, dirs_exist_ok=True)
            for file_name, content in own.items():
                (Path(context) / file_name).write_bytes(content)
            options = [f"--build-arg={k}={v}" for k, v in arguments.items()]
            # The host's network: the resolver and the routes of this machine, whatever they are.
            command = [
                "docker",
                "build",
                "--network=host",
                "-q",
                "-t",
                reference,
                "-f",
                f"{context}/{dockerfile}",
            ]
            run([*command, *options, context], env={"DOCKER_BUILDKIT": "0"})
        inventory.prune(reference)
    run(["docker", "tag", reference, f"marauders-{name}:local"])
    return reference
