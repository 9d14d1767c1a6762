"""The roles as they are shipped, right by right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from tests.unit.operator.fake.authorization import Right, rights_in

MANIFESTS = Path(__file__).parents[4] / "manifests" / "operator"
# Every verb by which something is changed.
WRITES = ("create", "update", "patch", "delete")


def documents(name: str) -> Iterator[dict[str, Any]]:
    yield from yaml.safe_load_all((MANIFESTS / "base" / name).read_text())


def granted(name: str) -> frozenset[Right]:
    """What the roles in a file of the base grant."""
    roles = [d for d in documents(name) if d["kind"] in ("ClusterRole", "Role")]
    return frozenset(right for role in roles for right in rights_in(role["rules"]))


GRANTED = granted("role.yaml")
LEASES = granted("role-leader-election.yaml")
