"""What must be so before a release is made; each refusal with its remedy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from dev.cluster.host.console import Problem
from dev.cluster.host.shell import run, succeeds

_VERSION = re.compile(r"(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-[0-9A-Za-z.-]+)?")
CHART = "manifests/chart/marauders-map-operator"
WRITTEN_IN = {
    "pyproject.toml": r'^version = "(.+)"$',
    "api_service/maraudersmap_api/__init__.py": r'^__version__ = "(.+)"$',
    f"{CHART}/Chart.yaml": r"^version: (\S+)$",
    f"{CHART}/Chart.yaml, appVersion": r"^appVersion: (\S+)$",
    "manifests/operator/base/kustomization.yaml": r"^\s+newTag: (\S+)$",
}
"""Every place that names the version of this commit; the comma only tells two places of one file apart."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A commit that may be released."""

    version: str
    commit: str
    committed_at: int
    """In seconds since 1970: the time that everything made from it bears."""
    notes: str
    """Its section of the changelog."""

    @property
    def tag(self) -> str:
        return f"v{self.version}"


def candidate(repository: Path, version: str) -> Candidate:
    """The commit that is checked out. Raises Problem when it cannot be released as this version."""
    if not _VERSION.fullmatch(version):
        raise Problem(f"{version!r} is no version", "VERSION=MAJOR.MINOR.PATCH, such as VERSION=0.2.0")
    git = ["git", "-C", str(repository)]
    if changed := run([*git, "status", "--porcelain"]).splitlines():
        raise Problem(
            f"{len(changed)} files are not as they were committed: {', '.join(c[3:] for c in changed[:5])}",
            "commit them, or put them aside: git stash --include-untracked",
        )
    if succeeds([*git, "rev-parse", "--verify", "--quiet", f"refs/tags/v{version}"]):
        raise Problem(
            f"the tag v{version} exists",
            f"choose the next version; if no one has it yet: git tag --delete v{version}",
        )
    changelog = (repository / "CHANGELOG.md").read_text(encoding="utf-8")
    if not (notes := section(changelog, version)):
        raise Problem(
            f"CHANGELOG.md has no section for {version}",
            f'name "## Unreleased" "## {version}", put an empty "## Unreleased" above it, and commit',
        )
    if others := {place: found for place, found in versions(repository).items() if found != version}:
        raise Problem(
            "another version is written in " + ", ".join(f"{p} ({f})" for p, f in others.items()),
            f"write {version} there, and commit",
        )
    commit, committed_at = run([*git, "log", "-1", "--format=%H %ct"]).split()
    return Candidate(version, commit, int(committed_at), notes)


def section(changelog: str, version: str) -> str:
    """What a version's section contains, without its heading; empty when there is none."""
    found = re.search(
        rf"^## {re.escape(version)}(?: .*)?\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL
    )
    return found[1].strip() if found else ""


def versions(repository: Path) -> dict[str, str]:
    """The version that each place names. Raises Problem when one names none."""
    found = {}
    for place, pattern in WRITTEN_IN.items():
        text = (repository / place.partition(",")[0]).read_text(encoding="utf-8")
        match = re.search(pattern, text, re.MULTILINE)
        if match is None:
            raise Problem(f"{place} names no version", f"it should match {pattern}")
        found[place] = match[1]
    return found
