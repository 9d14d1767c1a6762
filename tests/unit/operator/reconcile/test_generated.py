"""Secrets that the operator generates: a value counts only once it is known to be stored."""

from __future__ import annotations

import base64
from typing import cast

import pytest
from tests.unit.operator.fake.harness import NAME, NAMESPACE, Loop

from maraudersmap_operator.children import Owner
from maraudersmap_operator.cluster import Cluster, Conflict, Kind, Manifest
from maraudersmap_operator.cluster.kinds import MARAUDERSMAP, SECRET
from maraudersmap_operator.reconcile.apply.generated import ensure_generated_secrets
from maraudersmap_operator.resource import parse

APPLICATION, POSTGRES = f"{NAME}-secrets", f"{NAME}-postgres"
JWT = f"{APPLICATION}/jwt-secret"

OF_THE_USER = {"name": "OWL", "valueFrom": {"secretKeyRef": {"name": "owl", "key": "k"}}}


def value(loop: Loop, name: str, key: str) -> str:
    return base64.b64decode(loop.get(SECRET, name)["data"][key]).decode()


def uids(loop: Loop) -> set[str]:
    return {p["metadata"]["uid"] for p in loop.pods()}


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


@pytest.mark.parametrize("lost", ["the Secret", "its key"])
async def test_a_lost_database_password_comes_back_as_the_url_has_it(lost: str) -> None:
    """The next database without storage is initialised with it, and the API's pods sign in with what the URL has."""
    async with Loop() as loop:
        # given
        await loop.create()
        password, url = value(loop, POSTGRES, "password"), value(loop, APPLICATION, "database-url")
        # when
        if lost == "the Secret":
            loop.server.delete(SECRET, NAMESPACE, POSTGRES)
        else:
            loop.server.merge(SECRET, NAMESPACE, POSTGRES, {"data": {"password": None}}, manager="kubectl")
        loop.ask("touched")
        # then
        await loop.until(lambda: bool((loop.find(SECRET, POSTGRES) or {}).get("data")), 60)
        assert value(loop, POSTGRES, "password") == password
        assert value(loop, APPLICATION, "database-url") == url
        assert loop.condition("ChildrenApplied")["status"] == "True"


async def test_a_password_that_only_someone_elses_url_has_is_not_taken() -> None:
    meta = {"name": NAME, "namespace": NAMESPACE}
    url = "postgresql://marauders:not-ours@elsewhere:5432/marauders"
    async with Loop() as loop:
        loop.server.create(
            SECRET,
            {"metadata": {**meta, "name": APPLICATION}, "stringData": {"database-url": url}},
            manager="kubectl",
        )
        loop.apply()
        await loop.until(lambda: loop.find(SECRET, POSTGRES) is not None, 30)
        assert value(loop, POSTGRES, "password") != "not-ours"


@pytest.mark.parametrize(
    ("lost", "env"), [("the Secret", []), ("its key", []), ("the Secret", [OF_THE_USER])], ids=str
)
async def test_all_pods_sign_with_one_key_after_it_was_lost(lost: str, env: list[Manifest]) -> None:
    """A pod that comes later would sign with the new one, and those that run accept only the old one."""
    async with Loop() as loop:
        # given
        meta = {"name": "owl", "namespace": NAMESPACE}
        loop.server.create(SECRET, {"metadata": meta, "stringData": {"k": "Hedwig"}}, manager="kubectl")
        await loop.create(config={"env": env})
        url, key = value(loop, APPLICATION, "database-url"), value(loop, APPLICATION, "jwt-secret")
        before, least = uids(loop), [3]
        loop.every_tick.append(lambda: least.append(len(loop.endpoints())))
        # when
        if lost == "the Secret":
            loop.server.delete(SECRET, NAMESPACE, APPLICATION)
        else:
            loop.server.merge(
                SECRET, NAMESPACE, APPLICATION, {"data": {"jwt-secret": None}}, manager="kubectl"
            )
        loop.ask("touched")
        # then
        await loop.until(lambda: len(uids(loop)) == 3 and not before & uids(loop), 120)
        await loop.until(lambda: loop.phase == "Ready", 60)
        assert value(loop, APPLICATION, "jwt-secret") != key
        assert value(loop, APPLICATION, "database-url") == url
        assert min(least) == 3
        messages = [e["message"] for e in loop.events("SecretsChanged")]
        assert any(APPLICATION in m and "jwt-secret" in m for m in messages), messages
        # and then it is quiet
        pods = uids(loop)
        await loop.run(60)
        version = loop.version()
        await loop.run(700)
        assert uids(loop) == pods
        assert loop.version() == version


async def test_a_key_that_no_pod_has_read_yet_restarts_none() -> None:
    """A digest that an earlier release has not stored, and the URL that comes when the database becomes the operator's."""
    async with Loop() as loop:
        await loop.create()
        pods = uids(loop)
        status = dict(loop.status)
        assert JWT in status["secrets"]["digests"]
        status["secrets"] = {**status["secrets"], "digests": {}}
        loop.server.write_status(MARAUDERSMAP, NAMESPACE, NAME, status, manager="earlier release")
        loop.restart()
        await loop.run(60)
        assert JWT in loop.status["secrets"]["digests"]
        assert uids(loop) == pods
