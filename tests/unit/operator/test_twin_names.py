"""A class is found by its name: none has a namesake in another module of the operator."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import maraudersmap_operator

PACKAGE = Path(maraudersmap_operator.__file__).parent


def test_no_two_classes_have_one_name() -> None:
    where: defaultdict[str, list[str]] = defaultdict(list)
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.ClassDef):
                where[node.name].append(str(file.relative_to(PACKAGE)))
    assert len(where) > 100
    assert {name: files for name, files in where.items() if len(files) > 1} == {}
