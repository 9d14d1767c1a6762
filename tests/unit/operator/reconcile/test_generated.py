"""Secrets that the operator generates: a value counts only once it is known to be stored."""

from __future__ import annotations

from typing import cast

import pytest

from maraudersmap_operator.children import Owner
from maraudersmap_operator.cluster import Cluster, Conflict, Kind, Manifest
from maraudersmap_operator.reconcile.apply.generated import ensure_generated_secrets
from maraudersmap_operator.resource import parse


class Fleeting:
    """A Secret of an earlier resource of the name: there when a new one is to be made, gone when it is looked at."""

    def __init__(self) -> None:
        self.made: list[str] = []

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        return None

    async def create(self, manifest: Manifest) -> Manifest:
        self.made.append(manifest["metadata"]["name"])
        raise Conflict("already exists", 409)


async def test_a_password_that_was_not_stored_is_used_nowhere() -> None:
    """The application's Secret repeats it and is never rewritten: the API could not sign in to its database for ever."""
    meta = {"name": "map", "namespace": "demo", "uid": "u"}
    spec = parse({"metadata": meta, "spec": {"image": "a:1", "database": {"evaluation": {}}}}).spec
    cluster = Fleeting()
    with pytest.raises(Conflict):
        await ensure_generated_secrets(cast("Cluster", cluster), Owner("map", "demo", "u"), spec, ())
    assert cluster.made == ["map-postgres"]
