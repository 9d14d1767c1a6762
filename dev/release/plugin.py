"""`kubectl marauders` in an archive for one platform: the plugin, its libraries for every Python, and a file that starts it.

Nothing is compiled: libraries are the published wheels that requirements/cli.txt pins by hash. What is the same for every
Python is there once (`lib/any`), the rest once for each (`lib/3.11`, ...).
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dev.cluster.host.shell import run
from dev.release.artefacts import tar_gz

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PINS = "requirements/cli.txt"
PACKAGE = "maraudersmap_operator"
LAUNCHER = "dev/release/launcher"
PROGRAM = "kubectl-marauders"
_OF_THIS_MACHINE = {".lock", "bin", "__pycache__"}
_OF_AN_INSTALLATION = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}
"""Written by what unpacks a wheel; they depend on where."""


@dataclass(frozen=True, slots=True)
class Platform:
    """One that krew knows. `wheels`: uv's name for it, with the oldest C library or macOS that it is for."""

    os: str
    arch: str
    wheels: str
    words: str

    @property
    def archive(self) -> str:
        return f"{PROGRAM}-{self.os}-{self.arch}.tar.gz"


PLATFORMS = (
    Platform("linux", "amd64", "x86_64-manylinux_2_28", "Linux on x86_64 with glibc 2.28 or newer"),
    Platform("linux", "arm64", "aarch64-manylinux_2_28", "Linux on aarch64 with glibc 2.28 or newer"),
    Platform("darwin", "amd64", "x86_64-apple-darwin", "macOS on x86_64"),
    Platform("darwin", "arm64", "aarch64-apple-darwin", "macOS on arm64"),
)


def archive(tree: Path, wheel: Path, platform: Platform, at: int, to: Path) -> Path:
    """The archive in `to`, from a commit's files and the wheel that was made of them. Raises Problem."""
    libraries = to / f"libraries-{platform.os}-{platform.arch}"
    try:
        installed = {python: _installed(tree / PINS, platform, python, libraries) for python in PYTHONS}
        return packed(tree, wheel, platform, installed, at, to)
    finally:
        shutil.rmtree(libraries, ignore_errors=True)


def _installed(pins: Path, platform: Platform, python: str, into: Path) -> Path:
    """Every library as it is for that Python on that platform; nothing of it is run here."""
    target = into / python
    uv = str(Path(sys.executable).with_name("uv"))
    chosen = ["--python-platform", platform.wheels, "--python-version", python, "--only-binary", ":all:"]
    install = [
        uv,
        "pip",
        "install",
        "--quiet",
        "--no-config",
        "--python",
        sys.executable,
        "--target",
        str(target),
    ]
    run([*install, *chosen, "--no-deps", "--require-hashes", "-r", str(pins)])
    return target


def packed(
    tree: Path, wheel: Path, platform: Platform, installed: Mapping[str, Path], at: int, to: Path
) -> Path:
    """The archive of libraries that are installed already, by Python: the same for the same files."""
    members = {
        "LICENSE": ((tree / "LICENSE").read_bytes(), 0o644),
        PROGRAM: ((tree / LAUNCHER / PROGRAM).read_bytes(), 0o755),
        "run.py": ((tree / LAUNCHER / "run.py").read_bytes(), 0o644),
        "platform": (f"{platform.words}\n".encode(), 0o644),
    }
    with zipfile.ZipFile(wheel) as ours:
        for name in ours.namelist():
            if name.startswith(f"{PACKAGE}/"):
                members[f"lib/any/{name}"] = (ours.read(name), 0o644)
    same = _same(installed)
    for python, folder in installed.items():
        for name, path in _files(folder):
            place = "any" if name.partition("/")[0] in same else python
            members[f"lib/{place}/{name}"] = (path.read_bytes(), 0o644)
    package = to / platform.archive
    package.write_bytes(tar_gz(sorted(members.items()), at))
    return package


def _same(installed: Mapping[str, Path]) -> set[str]:
    """Packages, whole ones, of which every Python has the same files: half a package is found in one folder only."""
    contents = []
    for folder in installed.values():
        digests: dict[str, list[tuple[str, str]]] = {}
        for name, path in _files(folder):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            digests.setdefault(name.partition("/")[0], []).append((name, digest))
        contents.append(digests)
    first, *others = contents
    return {package for package, files in first.items() if all(o.get(package) == files for o in others)}


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Path in the folder, and the file; sorted."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if _OF_THIS_MACHINE.intersection(name.parts) or not path.is_file():
            continue
        if name.name not in _OF_AN_INSTALLATION or not name.parts[0].endswith(".dist-info"):
            yield name.as_posix(), path
