"""`kubectl marauders` as krew installs it: by the judgement of krew's own tools, and run by each Python of this machine.

The archives are made as a release makes them, from the published wheels. It needs no cluster.
"""

from __future__ import annotations

import asyncio
import functools
import os
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from dev.cluster.host import go_tools
from dev.cluster.host.paths import CHECKOUT
from dev.install import local_kubectl
from dev.release import artefacts, krew, plugin
from dev.release.checks import Candidate
from tests.unit.operator.cli.watched_api import watched_api

pytestmark = pytest.mark.extended

VERSION = "0.1.0"
AT = 1_700_000_000
URL = "https://git.example/releases/v0.1.0"
PROCESSOR = {
    ("linux", "amd64"): 0x3E,
    ("linux", "arm64"): 0xB7,
    ("darwin", "amd64"): 0x01000007,
    ("darwin", "arm64"): 0x0100000C,
}
"""As ELF and Mach-O files name it."""
SECONDS = 120.0


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the commit that is checked out, all of them."""
    folder = tmp_path_factory.mktemp("release")
    head = subprocess.run(
        ["git", "-C", str(CHECKOUT), "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    )
    release = Candidate(VERSION, head.stdout.strip(), AT, "")
    tree = artefacts.sources(CHECKOUT, release.commit, folder / "tree")
    (folder / "made").mkdir()
    wheel = artefacts.wheel(tree, release, folder)
    for platform in plugin.PLATFORMS:
        plugin.archive(tree, wheel, platform, AT, folder / "made")
    return folder / "made"


@pytest.fixture
def served(archives: Path) -> Iterator[str]:
    """Where the archives can be downloaded on this machine."""
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(archives))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """kubectl and krew, as someone has them on the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "kubectl").symlink_to(local_kubectl().program)
    (folder / "kubectl-krew").symlink_to(go_tools.published("krew"))
    return folder


def judged(manifest: Path, *options: str, path: str = "") -> str:
    """What krew's validator objects to; empty when it accepts the manifest."""
    done = subprocess.run(
        [go_tools.published("validate-krew-manifest"), f"-manifest={manifest}", *options],
        env={"PATH": path, "HOME": str(manifest.parent), "TMPDIR": str(manifest.parent)},
        capture_output=True,
        text=True,
        check=False,
        timeout=10 * SECONDS,
    )
    return done.stderr if done.returncode else ""


def written(folder: Path, archives: Path, url: str) -> Path:
    path = folder / krew.MANIFEST
    path.write_text(krew.manifest(VERSION, archives, url), encoding="utf-8")
    return path


def test_krew_accepts_the_manifest_of_a_release(archives: Path, tmp_path: Path) -> None:
    manifest = written(tmp_path, archives, URL)
    assert judged(manifest, "-skip-install") == ""
    # and it would object
    changed = yaml.safe_load(manifest.read_text(encoding="utf-8"))
    changed["spec"]["platforms"][1]["selector"]["matchLabels"]["arch"] = "amd64"
    manifest.write_text(yaml.safe_dump(changed), encoding="utf-8")
    assert "overlapping selectors" in judged(manifest, "-skip-install")


def test_krew_installs_it_for_every_platform(
    archives: Path, served: str, tools: Path, tmp_path: Path
) -> None:
    """The validator has the real krew download, compare digests, unpack, link, and look for a licence."""
    path = f"{tools}:/usr/bin:/bin"
    assert judged(written(tmp_path, archives, served), path=path) == ""
    # and a file that is not the one that was released is refused
    other = tmp_path / "other"
    shutil.copytree(archives, other)
    (other / plugin.PLATFORMS[0].archive).write_bytes(b"")
    assert "checksum does not match" in judged(written(tmp_path, other, served), path=path)


def test_compiled_files_are_for_the_platform_and_all_are_there(archives: Path) -> None:
    """Three of the four cannot be run here. What is compiled for one is compiled for all, and says its processor."""
    names = {}
    for platform in plugin.PLATFORMS:
        with tarfile.open(archives / platform.archive) as archive:
            compiled = [m for m in archive.getmembers() if m.name.endswith(".so")]
            for member in compiled:
                file = archive.extractfile(member)
                assert file is not None
                assert PROCESSOR[platform.os, platform.arch] in processors(file.read(64)), member.name
        # Such as lib/3.12/yarl/_quoting_c.cpython-312-darwin.so.
        names[platform] = {m.name.split(".cpython-", 1)[0].removesuffix(".so") for m in compiled}
    first, *others = names.values()
    assert len(first) >= len(plugin.PYTHONS) * 5
    assert all(other == first for other in others)


def processors(head: bytes) -> set[int]:
    """For which a compiled file is, by its beginning."""
    if head.startswith(b"\x7fELF"):
        return {int.from_bytes(head[18:20], "little")}
    if head.startswith(b"\xca\xfe\xba\xbe"):  # for several: how many, then 20 bytes for each
        return {int.from_bytes(head[8 + 20 * i :][:4], "big") for i in range(head[7])}
    return {int.from_bytes(head[4:8], "little")}


async def test_each_python_of_this_machine_starts_what_krew_has_installed(
    archives: Path, served: str, tools: Path, tmp_path: Path
) -> None:
    """`kubectl marauders` through krew's link, without this project's environment."""
    manifest = written(tmp_path, archives, served)
    root = tmp_path / "krew"
    path = f"{root / 'bin'}:{tools}:/usr/bin:/bin"
    user = {"KREW_ROOT": str(root), "HOME": str(tmp_path), "PATH": path}
    await run(user, "kubectl", "krew", "install", f"--manifest={manifest}")
    async with watched_api() as api:
        user["KUBECONFIG"] = str(api.kubeconfig(tmp_path))
        for python in pythons():
            chosen = user | {"MARAUDERS_PYTHON": python}
            assert "support-bundle" in await run(chosen, "kubectl", "marauders", "--help")
            assert "RollingOut" in await run(chosen, "kubectl", "marauders", "status"), python


def pythons() -> list[str]:
    """Those of the PATH that are supported, and the one that this project's environment was made with, none of them in it."""
    places = [Path(sys.base_prefix, "bin"), *(Path(p) for p in os.environ["PATH"].split(os.pathsep))]
    found: dict[str, str] = {}
    for version in plugin.PYTHONS:
        for program in (place / f"python{version}" for place in places):
            # A shim that leads nowhere is none.
            if program.exists() and not program.is_relative_to(sys.prefix) and starts(program):
                found.setdefault(version, str(program))
    assert found
    return list(found.values())


def starts(program: Path) -> bool:
    return subprocess.run([program, "-c", ""], capture_output=True, check=False, cwd="/").returncode == 0


async def run(environment: dict[str, str], *command: str) -> str:
    """What it prints; the API server here goes on answering meanwhile."""
    process = await asyncio.create_subprocess_exec(
        shutil.which(command[0], path=environment["PATH"]) or command[0],
        *command[1:],
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(SECONDS):
        out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    return out.decode()
