"""The archives of `kubectl marauders` that krew installs: what is in them, and which Python starts it.

Nothing is downloaded: libraries are made up. `tests/cluster/test_krew.py` makes the real ones.
"""

from __future__ import annotations

import hashlib
import importlib.machinery
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from dev.cluster.host.paths import CHECKOUT
from dev.release import krew, plugin

AT = 1_700_000_000
LINUX = plugin.PLATFORMS[0]
OURS = "maraudersmap_operator/cli/__init__.py"
ECHO = "import sys\n\ndef main():\n    print('started with', sys.argv[1:])\n    return 3\n"
SUFFIX = importlib.machinery.EXTENSION_SUFFIXES[0]


def installed(folder: Path, python: str) -> Path:
    """As an installer leaves packages: one that is the same for every Python, and one that is not."""
    target = folder / python
    files = {
        "owl/__init__.py": "",
        "owl-1.dist-info/METADATA": "Name: owl",
        "owl-1.dist-info/licenses/LICENSE": "Owls",
        "owl-1.dist-info/RECORD": f"{folder}",
        "owl-1.dist-info/INSTALLER": "uv",
        "one_file.py": "",
        "pydantic_core/__init__.py": "",
        f"pydantic_core/_pydantic_core{SUFFIX}": f"for {python}",
        "pydantic_core-1.dist-info/METADATA": "Name: pydantic_core",
        "pydantic_core-1.dist-info/WHEEL": f"Tag: {python}",
        "bin/owl": f"#!{folder}",
        ".lock": "",
    }
    for name, text in files.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_text(text, encoding="utf-8")
    return target


def wheel(folder: Path) -> Path:
    path = folder / "maraudersmap-0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("maraudersmap_operator/__init__.py", "")
        made.writestr(OURS, ECHO)
        made.writestr("maraudersmap_api/__init__.py", "")
        made.writestr("maraudersmap-0.dist-info/RECORD", "")
    return path


def made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    libraries = {python: installed(folder / "libraries", python) for python in plugin.PYTHONS}
    return plugin.packed(CHECKOUT, wheel(folder), LINUX, libraries, AT, folder)


def test_what_is_the_same_for_every_python_is_there_once(tmp_path: Path) -> None:
    with tarfile.open(made(tmp_path)) as archive:
        members = {m.name: m for m in archive.getmembers()}
    compiled = {
        f"lib/{python}/{name}"
        for python in plugin.PYTHONS
        for name in (
            "pydantic_core/__init__.py",
            f"pydantic_core/_pydantic_core{SUFFIX}",
            "pydantic_core-1.dist-info/WHEEL",
            "pydantic_core-1.dist-info/METADATA",
        )
    }
    shared = {
        "lib/any/owl/__init__.py",
        "lib/any/owl-1.dist-info/METADATA",
        "lib/any/owl-1.dist-info/licenses/LICENSE",
        "lib/any/one_file.py",
        "lib/any/maraudersmap_operator/__init__.py",
        f"lib/any/{OURS}",
    }
    assert set(members) == {"LICENSE", "kubectl-marauders", "run.py", "platform"} | shared | compiled
    assert {name for name, m in members.items() if m.mode == 0o755} == {"kubectl-marauders"}
    assert {(m.mtime, m.uid, m.gname, m.isfile()) for m in members.values()} == {(AT, 0, "", True)}


def test_two_archives_of_the_same_are_the_same(tmp_path: Path) -> None:
    """Whatever the folders are called in which the libraries were installed."""
    first, second = made(tmp_path / "a"), made(tmp_path / "lon" / "ger")
    assert first.read_bytes() == second.read_bytes()


def test_every_library_is_pinned_by_hash_and_is_the_one_that_is_tested() -> None:
    pins, tested = (
        {line.split()[0] for line in (CHECKOUT / name).read_text().splitlines() if "==" in line}
        for name in (plugin.PINS, "requirements/dev.txt")
    )
    assert pins <= tested


# --- starting it ------------------------------------------------------------------------------------------------------
@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """In a folder of its own, with a link as krew makes it beside an empty PATH."""
    with tarfile.open(made(tmp_path / "made")) as archive:
        archive.extractall(tmp_path / "store", filter="data")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "kubectl-marauders").symlink_to(Path("..", "store", "kubectl-marauders"))
    for tool in ("cat", "dirname", "readlink", "sh"):
        (tmp_path / "bin" / tool).symlink_to(
            f"/bin/{tool}" if Path("/bin", tool).exists() else f"/usr/bin/{tool}"
        )
    return tmp_path / "bin"


def started(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [folder / "kubectl-marauders", *arguments],
        env={"PATH": str(folder), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def python_named(folder: Path, name: str) -> None:
    """This one; a link would take it for one of another place."""
    script(folder, name, f'exec "{sys.executable}" "$@"')


def script(folder: Path, name: str, line: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{line}\n")
    (folder / name).chmod(0o755)


OLD = 'test "$1" = -c && echo "CPython 3.9.2 on x86_64" || exit 1'
"""A Python whose libraries are not there."""


@pytest.mark.parametrize("name", ["python3", "python3.14", "python3.11"])
def test_it_starts_with_a_python_that_fits_and_hands_on_what_was_typed(unpacked: Path, name: str) -> None:
    if name != "python3":
        script(unpacked, "python3", OLD)
    python_named(unpacked, name)
    done = started(unpacked, "status", "a b", "", PYTHONPATH="/nowhere", PYTHONHOME="/nowhere")
    assert (done.stdout, done.stderr, done.returncode) == ("started with ['status', 'a b', '']\n", "", 3)


def test_the_python_that_someone_names_is_taken(unpacked: Path) -> None:
    script(unpacked, "python3", "exit 9")
    done = started(unpacked, MARAUDERS_PYTHON=sys.executable)
    assert (done.stdout, done.returncode) == ("started with []\n", 3)


@pytest.mark.parametrize(
    ("python", "found"),
    [(OLD, "python3 is: CPython 3.9.2 on x86_64."), ("exit 127", "is: none that starts."), (None, "is: none that starts.")],
    ids=["too old", "broken", "none"],
)  # fmt: skip
def test_without_a_python_that_fits_it_says_what_is_needed(
    unpacked: Path, python: str | None, found: str
) -> None:
    if python is not None:
        script(unpacked, "python3", python)
    done = started(unpacked, "--help")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "needs CPython 3.11 to 3.14 for Linux on x86_64 with glibc 2.28 or newer" in done.stderr
    assert found in done.stderr
    assert "MARAUDERS_PYTHON=/path/to/python3.12" in done.stderr


def test_a_python_of_another_processor_or_c_library_does_not_fit(unpacked: Path) -> None:
    """Its version is right, but no compiled file has its name."""
    for python in plugin.PYTHONS:
        folder = unpacked.parent / "store" / "lib" / python / "pydantic_core"
        (folder / f"_pydantic_core{SUFFIX}").rename(folder / "_pydantic_core.cpython-312-s390x-linux-musl.so")
    python_named(unpacked, "python3")
    done = started(unpacked, "--help")
    assert done.returncode == 1
    assert f"CPython {'.'.join(map(str, sys.version_info[:3]))} on {os.uname().machine}" in done.stderr


# --- krew's manifest --------------------------------------------------------------------------------------------------
def test_the_manifest_names_every_archive_by_its_digest(tmp_path: Path) -> None:
    contents: Mapping[str, bytes] = {p.archive: p.archive.encode() for p in plugin.PLATFORMS}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    found = yaml.safe_load(io.StringIO(krew.manifest("7.1.0", tmp_path, "https://git.example/v7.1.0/")))
    assert found["spec"]["version"] == "v7.1.0"
    assert f"{found['metadata']['name']}.yaml" == krew.MANIFEST
    platforms = found["spec"]["platforms"]
    assert {(p["selector"]["matchLabels"]["os"], p["selector"]["matchLabels"]["arch"]) for p in platforms} == {
        ("linux", "amd64"), ("linux", "arm64"), ("darwin", "amd64"), ("darwin", "arm64"),
    }  # fmt: skip
    assert {p["bin"] for p in platforms} == {"kubectl-marauders"}
    assert {p["uri"]: p["sha256"] for p in platforms} == {
        f"https://git.example/v7.1.0/{name}": hashlib.sha256(content).hexdigest()
        for name, content in contents.items()
    }
