"""Files of a release, made from a commit's own files: again from the same commit they are the same, byte for byte.

Nothing of this checkout or of the moment gets in: files come from `git archive`, and every time that is written down is the
commit's.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import sys
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from dev.cluster.host.shell import run
from dev.release.checks import CHART, Candidate

_NOT_PACKAGED = {".helmignore", "kustomization.yaml"}
"""As .helmignore has it; kustomizations only serve kubectl."""


def sources(repository: Path, commit: str, folder: Path) -> Path:
    """The commit's files in a new folder. Raises Problem."""
    archive = folder.with_suffix(".tar")
    run(["git", "-C", str(repository), "archive", "--format=tar", "--output", str(archive), commit])
    with tarfile.open(archive) as opened:
        # With modes of its own, whatever this user's umask is. Links within the tree are ours.
        opened.extractall(folder, filter="tar")
    archive.unlink()
    return folder


def chart(tree: Path, release: Candidate, to: Path) -> Path:
    """The chart as Helm packages it, but with the commit's time instead of each file's."""
    root = tree / CHART
    members = [(f"{root.name}/{name}", (path.read_bytes(), 0o644)) for name, path in _charts_files(root)]
    package = to / f"{root.name}-{release.version}.tgz"
    package.write_bytes(tar_gz(members, release.committed_at))
    return package


def tar_gz(members: Iterable[tuple[str, tuple[bytes, int]]], at: int) -> bytes:
    """An archive of files by name, content and mode, in that order, with one time and no one's name."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as packed:
        for name, (content, mode) in members:
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode = len(content), at, mode
            packed.addfile(member, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), compresslevel=6, mtime=at)


def _charts_files(root: Path) -> Iterator[tuple[str, Path]]:
    """Chart.yaml first, as Helm has it; links are followed, as Helm follows them."""
    found = {}
    for folder, _, names in os.walk(root, followlinks=True):
        for name in names:
            path = Path(folder) / name
            if name not in _NOT_PACKAGED:
                found[path.relative_to(root).as_posix()] = path
    yield "Chart.yaml", found.pop("Chart.yaml")
    yield from sorted(found.items())


def wheel(tree: Path, release: Candidate, to: Path) -> Path:
    """`kubectl marauders`, to be installed with pip. Raises Problem."""
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    built = tree.with_name("wheel")
    before = os.umask(0o022)
    try:
        run(
            [*build, "--no-build-isolation", "--wheel-dir", str(built), str(tree)],
            env={"SOURCE_DATE_EPOCH": str(release.committed_at), "PYTHONHASHSEED": "0"},
        )
    finally:
        os.umask(before)
    [made] = built.glob("*.whl")
    return made.replace(to / made.name)


def checksums(folder: Path) -> str:
    """For `sha256sum --check`: of each file in the folder but their own list."""
    files = sorted(p for p in folder.iterdir() if p.is_file() and p.name != "SHA256SUMS")
    return "".join(f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}\n" for p in files)
