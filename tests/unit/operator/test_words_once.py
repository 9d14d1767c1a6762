"""Labels and annotations are spelled in one place: resource/names.py has ours, and no key of Kubernetes' stands in two files.

Docstrings and comments are for people, and may name them.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import maraudersmap_api
import maraudersmap_operator

PACKAGES = [Path(package.__file__ or "").parent for package in (maraudersmap_operator, maraudersmap_api)]
NAMES = "maraudersmap_operator/resource/names.py"
# Never edited: what users' revisions are named by.
FROZEN = "maraudersmap_operator/rollout/revision_defaults.py"
OURS = re.compile(r"(?:hogwarts\.edu|app\.kubernetes\.io)/")
THEIRS = re.compile(r"\b(?:[a-z0-9.-]+\.)?kubernetes\.io/[A-Za-z0-9.-]+")


def literals(file: Path) -> Iterator[str]:
    """Every string of the program that is no docstring."""
    tree = ast.parse(file.read_text())
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.value


def files() -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        for file in sorted(package.rglob("*.py")):
            yield str(file.relative_to(package.parent)), file


def test_our_labels_and_annotations_are_spelled_in_one_file() -> None:
    found = [
        (name, text)
        for name, file in files()
        if name != NAMES
        for text in literals(file)
        if OURS.search(text)
    ]
    assert found == [], f"take the constant of {NAMES}"


def test_a_key_of_kubernetes_is_spelled_in_one_file() -> None:
    where: defaultdict[str, set[str]] = defaultdict(set)
    for name, file in files():
        if name != FROZEN:
            for key in (key for text in literals(file) for key in THEIRS.findall(text)):
                where[key].add(name)
    assert "kubernetes.io/service-name" in where
    assert {key: names for key, names in where.items() if len(names) > 1} == {}
