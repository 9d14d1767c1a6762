"""What documents, docstrings and comments name must exist: files, make targets, and the headings that links point at."""

from __future__ import annotations

import re
from collections.abc import Iterator
from glob import glob
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = "api_service|operator|crds|manifests|tests|dev|bench|docs|requirements"
SOURCES = ("*.py", "*.md", "*.yaml", "*.toml", "*.go", "Makefile", "*.mk", "Dockerfile*")

A_FILE = re.compile(rf"(?<![\w/.-])((?:{FOLDERS})/[\w./*-]*[\w*])|(?<![\w/.-])([\w-]+\.md)\b")
A_SOURCE = re.compile(r"`((?:[\w-]+/)*[\w-]+\.(?:py|go|sh|sql|lua))`")
A_TARGET = re.compile(r"(?:`|\$ )make ([a-z][a-z0-9-]*)")
A_LINK = re.compile(r"\]\(([^)\s]+)\)")
FOREIGN = {"node_modules", ".venv", "__pycache__"}
# Of a peer's source tree, read by the bench that builds it.
ELSEWHERE = {"bench/rollback/peers.py": {"manifests/install.yaml"}}
ELSEWHERE[str(Path(__file__).relative_to(ROOT))] = {"manifests/install.yaml"}


def _files() -> list[Path]:
    places = [
        *ROOT.iterdir(),
        *(file for folder in FOLDERS.split("|") for file in (ROOT / folder).rglob("*")),
    ]
    return sorted(f for f in places if any(f.match(s) for s in SOURCES) and not FOREIGN & set(f.parts))


def _missing(file: Path) -> Iterator[str]:
    text = file.read_text(errors="replace")
    relative = str(file.relative_to(ROOT))
    for match in A_FILE.finditer(text):
        name = (match.group(1) or match.group(2)).rstrip(".")
        if not _exists(file, name) and name not in ELSEWHERE.get(relative, ()):
            yield f"{relative} names {name}"


def _exists(file: Path, name: str) -> bool:
    """From the root, from the file's own folder, or a document by its bare name; a name may be cut or hold a `*`."""
    folders = [ROOT, file.parent, *([ROOT / "docs"] if name.endswith(".md") else [])]
    return any(glob(f"{folder / name}*") for folder in folders)


def test_files_that_are_named_exist() -> None:
    assert [line for file in _files() for line in _missing(file)] == []


def test_sources_that_are_named_by_the_end_of_their_path_exist() -> None:
    """As `rollout/decide.py` is in docs/architecture.md: wherever such a folder stands."""
    paths = [f"/{f.relative_to(ROOT)}" for folder in FOLDERS.split("|") for f in (ROOT / folder).rglob("*.*")]
    assert [
        f"{file.relative_to(ROOT)} names {name}"
        for file in _files()
        for name in dict.fromkeys(A_SOURCE.findall(file.read_text(errors="replace")))
        if not any(path.endswith(f"/{name}") for path in paths)
    ] == []


def test_make_targets_that_are_named_exist() -> None:
    makefiles = "".join((ROOT / name).read_text() for name in ("Makefile", "dev/dev.mk"))
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", makefiles, re.MULTILINE))
    assert [
        f"{file.relative_to(ROOT)} names make {target}"
        for file in _files()
        for target in A_TARGET.findall(file.read_text(errors="replace"))
        if target not in targets
    ] == []


def test_links_between_documents_lead_somewhere() -> None:
    assert [
        f"{file.relative_to(ROOT)} links to {link}"
        for file in _files()
        if file.suffix == ".md"
        for link in A_LINK.findall(file.read_text())
        if "://" not in link and not _leads(file, link)
    ] == []


def _leads(file: Path, link: str) -> bool:
    path, _, heading = link.partition("#")
    found = (file.parent / path) if path else file
    return found.exists() and (not heading or heading in _anchors(found))


def _anchors(document: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
