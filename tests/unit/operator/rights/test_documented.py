"""docs/security.md has a row for each resource, with exactly the verbs that the shipped roles grant."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[4]
BASE = ROOT / "manifests" / "operator" / "base"
ROW = re.compile(r"^\| (`[a-z/`, ]+`) \| ([a-z, ]+) \|")


def granted() -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for name in ("role.yaml", "role-leader-election.yaml"):
        for document in yaml.safe_load_all((BASE / name).read_text()):
            for rule in document.get("rules") or ():
                for resource in rule["resources"]:
                    found[resource] |= set(rule["verbs"])
    return dict(found)


def documented() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for line in (ROOT / "docs" / "security.md").read_text().splitlines():
        if match := ROW.match(line):
            for resource in re.findall(r"`([a-z/]+)`", match[1]):
                assert resource not in found
                found[resource] = set(match[2].split(", "))
    return found


def test_every_right_is_explained() -> None:
    assert documented() == granted()
