"""What a release refuses, each with its remedy, and that two builds of a commit are the same."""

from __future__ import annotations

import os
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from dev.cluster.host.console import Problem
from dev.cluster.host.paths import CHECKOUT
from dev.release import artefacts, checks
from dev.release.checks import CHART, Candidate

VERSION = "7.1.0"
AT = 1_700_000_000
CHANGELOG = f"# Changes\n\n## Unreleased\n\n## {VERSION}\n\n### Added\n- Wings.\n\n## 7.0.0\n\nThe seventh.\n"


def git(folder: Path, *arguments: str) -> None:
    # Neither this machine's settings nor a repository around it.
    names = {
        f"GIT_{who}_{what}": "test@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    dates = {
        "GIT_AUTHOR_DATE": f"{AT} +0000",
        "GIT_COMMITTER_DATE": f"{AT} +0000",
        "GIT_CONFIG_GLOBAL": os.devnull,
    }
    subprocess.run(
        ["git", "-C", str(folder), *arguments],
        check=True,
        capture_output=True,
        env={**os.environ, **names, **dates},
    )


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One that can be released: every place names the version."""
    folder = tmp_path / "repository"
    lines = {
        "CHANGELOG.md": CHANGELOG,
        "pyproject.toml": f'version = "{VERSION}"\n',
        "api_service/maraudersmap_api/__init__.py": f'__version__ = "{VERSION}"\n',
        f"{CHART}/Chart.yaml": f"name: x\nversion: {VERSION}\nappVersion: {VERSION}\n",
        "manifests/operator/base/kustomization.yaml": f"images:\n  - name: x\n    newTag: {VERSION}\n",
    }
    for name, text in lines.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    git(folder, "init")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "All of it")
    return folder


def write(name: str, text: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_text(text, encoding="utf-8")
        git(folder, "commit", "-am", "Another")

    return change


def test_a_commit_that_can_be_released(repository: Path) -> None:
    found = checks.candidate(repository, VERSION)
    assert (found.tag, found.committed_at, found.notes) == ("v7.1.0", AT, "### Added\n- Wings.")
    assert len(found.commit) == 40


@pytest.mark.parametrize(
    ("change", "refused", "remedy"),
    [
        (lambda folder: (folder / "new").write_text(""), "1 files.*: new", "git stash"),
        (lambda folder: (folder / "pyproject.toml").write_text(""), "1 files.*pyproject.toml", "commit them"),
        (lambda folder: git(folder, "tag", "v7.1.0"), "the tag v7.1.0 exists", "git tag --delete v7.1.0"),
        (write("CHANGELOG.md", "## Unreleased\n- Wings.\n"), "no section for 7.1.0", '"## Unreleased" "## 7.1.0"'),
        (write("CHANGELOG.md", "## 7.1.0\n\n## 7.0.0\nOld.\n"), "no section for 7.1.0", "commit"),
        (write("pyproject.toml", 'version = "7.0.0"\n'), r"pyproject.toml \(7.0.0\)", "write 7.1.0 there"),
        (write(f"{CHART}/Chart.yaml", "version: 7.1.0\nappVersion: 7.0.0\n"), "appVersion", "write 7.1.0 there"),
        (write("pyproject.toml", ""), "pyproject.toml names no version", "it should match"),
    ],
    ids=["new file", "changed file", "tag", "no section", "empty section", "older version", "appVersion", "none"],
)  # fmt: skip
def test_what_cannot_be_released_is_refused_with_a_remedy(
    repository: Path, change: Callable[[Path], None], refused: str, remedy: str
) -> None:
    change(repository)
    with pytest.raises(Problem, match=refused) as problem:
        checks.candidate(repository, VERSION)
    assert remedy in problem.value.remedy


@pytest.mark.parametrize("version", ["", "v7.1.0", "7.1", "07.1.0", "7.1.0; rm"])
def test_what_is_no_version(repository: Path, version: str) -> None:
    with pytest.raises(Problem, match="is no version"):
        checks.candidate(repository, version)


def test_every_place_of_this_repository_names_one_version() -> None:
    assert len(set(checks.versions(CHECKOUT).values())) == 1


@pytest.fixture
def release() -> Candidate:
    head = subprocess.run(
        ["git", "-C", str(CHECKOUT), "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    )
    return Candidate("0.1.0", head.stdout.strip(), AT, "")


def made(release: Candidate, folder: Path, umask: int) -> dict[str, bytes]:
    """The chart and the wheel, by name."""
    before = os.umask(umask)
    try:
        (folder / "made").mkdir(parents=True)
        tree = artefacts.sources(CHECKOUT, release.commit, folder / "tree")
        artefacts.chart(tree, release, folder / "made")
        artefacts.wheel(tree, release, folder / "made")
    finally:
        os.umask(before)
    return {path.name: path.read_bytes() for path in (folder / "made").iterdir()}


def test_two_builds_of_a_commit_are_the_same(release: Candidate, tmp_path: Path) -> None:
    """In other folders, at other times, for people with other habits."""
    first, second = made(release, tmp_path / "a", 0o022), made(release, tmp_path / "long" / "er", 0o077)
    assert set(first) == {"marauders-map-operator-0.1.0.tgz", "maraudersmap-0.1.0-py3-none-any.whl"}
    assert first == second


def test_the_chart_has_what_its_templates_read_and_nothing_of_this_machine(
    release: Candidate, tmp_path: Path
) -> None:
    tree = artefacts.sources(CHECKOUT, release.commit, tmp_path / "tree")
    with tarfile.open(artefacts.chart(tree, release, tmp_path)) as package:
        members = package.getmembers()
    names = [member.name.partition("/")[2] for member in members]
    assert names[0] == "Chart.yaml"
    assert {"values.yaml", "values.schema.json", "templates/operator.yaml", "files/base/role.yaml"} <= set(
        names
    )
    assert [n for n in names if n.startswith("files/crds/")] == ["files/crds/hogwarts.edu_maraudersmaps.yaml"]
    assert {(m.mtime, m.uid, m.gname, m.mode, m.isfile()) for m in members} == {(AT, 0, "", 0o644, True)}


def test_the_wheel_brings_the_plugin(release: Candidate, tmp_path: Path) -> None:
    tree = artefacts.sources(CHECKOUT, release.commit, tmp_path / "tree")
    with zipfile.ZipFile(artefacts.wheel(tree, release, tmp_path)) as package:
        [entry_points] = [n for n in package.namelist() if n.endswith("entry_points.txt")]
        assert b"kubectl-marauders = maraudersmap_operator.cli:main" in package.read(entry_points)


def test_checksums_are_those_of_sha256sum(tmp_path: Path) -> None:
    (tmp_path / "install.yaml").write_text("kind: List\n")
    (tmp_path / "SHA256SUMS").write_text(artefacts.checksums(tmp_path))
    subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tmp_path, check=True, capture_output=True
    )
