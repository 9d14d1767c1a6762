"""The Redis that the operator runs: a protected cache and a protected Redis for limits, for revisions made by this release;
the open one of releases before for the revisions that they made, untouched."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from tests.unit.operator.fake.harness import NAME, NAMESPACE, Loop

from maraudersmap_operator import children
from maraudersmap_operator.children import Owner
from maraudersmap_operator.cluster import Manifest
from maraudersmap_operator.cluster.kinds import (
    CONTROLLER_REVISION,
    DEPLOYMENT,
    NETWORK_POLICY,
    SECRET,
    SERVICE,
    Kind,
)
from maraudersmap_operator.resource import MaraudersMapSpec

OPEN, CACHE, LIMITS = f"{NAME}-redis", f"{NAME}-cache", f"{NAME}-limits"
ACCESS = f"{NAME}-cache-access"
EVALUATION = {"disabled": False, "evaluation": {}}
BRIEF = {"bakeSeconds": 10, "minReadySeconds": 1, "revisionHistoryLimit": 2}


def kept(loop: Loop, kind: Kind, *names: str) -> dict[str, tuple[str, Any]]:
    """UID and generation of those that exist: neither changes for what nobody touches."""
    found = {o["metadata"]["name"]: o for o in loop.all(kind)}
    return {
        n: (found[n]["metadata"]["uid"], found[n]["metadata"].get("generation")) for n in names if n in found
    }


def instances(loop: Loop) -> set[str]:
    return set(kept(loop, DEPLOYMENT, OPEN, CACHE, LIMITS))


def environment(loop: Loop, revision: str) -> dict[str, Manifest]:
    template = loop.server.get(CONTROLLER_REVISION, NAMESPACE, f"{NAME}-{revision}")["data"]["template"]
    return {v["name"]: v for v in template["spec"]["containers"][0]["env"]}


def secret(loop: Loop) -> dict[str, str]:
    data = loop.server.get(SECRET, NAMESPACE, ACCESS)["data"]
    return {k: base64.b64decode(v).decode() for k, v in data.items()}


def from_key(name: str, key: str) -> Manifest:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": ACCESS, "key": key}}}


def as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The children of the release before: one open Redis, named by host, no prefix."""

    def environment_before(owner: Owner, spec: MaraudersMapSpec) -> list[Manifest]:
        url = f"redis://{owner.name}-redis.{owner.namespace}.svc:6379/0" if spec.cache.run_here else ""
        return [{"name": "REDIS_URL", "value": url}]

    monkeypatch.setattr(children.environment, "_redis", environment_before)
    monkeypatch.setattr(children, "READ_BY_NEW_REVISIONS", ("redis",))


async def test_a_new_resource_has_a_protected_cache_and_a_redis_that_evicts_nothing() -> None:
    async with Loop() as loop:
        await loop.create(cache=EVALUATION)
        assert instances(loop) == {CACHE, LIMITS}
        env = environment(loop, loop.stable)
        assert env["REDIS_URL"] == from_key("REDIS_URL", "cache-url")
        assert env["LIMITS_REDIS_URL"] == from_key("LIMITS_REDIS_URL", "limits-url")
        values = secret(loop)
        assert values["cache-url"] == f"redis://:{values['password']}@{CACHE}.{NAMESPACE}.svc:6379/0"
        assert values["limits-url"] == f"redis://:{values['password']}@{LIMITS}.{NAMESPACE}.svc:6379/0"
        for name, policy in ((CACHE, "allkeys-lru"), (LIMITS, "noeviction")):
            pod = loop.server.get(DEPLOYMENT, NAMESPACE, name)["spec"]["template"]["spec"]
            [container] = pod["containers"]
            arguments = " ".join(container["args"])
            assert f"--maxmemory-policy {policy}" in arguments
            assert "--requirepass $(REDIS_PASSWORD)" in arguments
            assert "protected-mode" not in arguments
            assert container["env"] == [from_key("REDIS_PASSWORD", "password")]
            assert values["password"] not in json.dumps(pod)


async def test_the_prefix_is_one_for_all_revisions_and_another_for_another_resource() -> None:
    async with Loop() as loop:
        await loop.create(cache=EVALUATION, rollout=BRIEF)
        first = environment(loop, loop.stable)["REDIS_PREFIX"]["value"]
        before = loop.stable
        loop.good()
        await loop.until(lambda: loop.phase == "Ready" and loop.stable != before, 120)
        assert environment(loop, loop.stable)["REDIS_PREFIX"]["value"] == first
    one, same, other = (Owner(NAME, NAMESPACE, uid) for uid in ("uid-1", "uid-1", "uid-2"))
    assert children.environment.redis_prefix(one) == children.environment.redis_prefix(same)
    assert children.environment.redis_prefix(one) != children.environment.redis_prefix(other)
    assert len(children.environment.redis_prefix(Owner("m" * 40, "n" * 63, "uid"))) <= 64


async def test_something_else_in_the_place_of_a_url_ends_no_convergence() -> None:
    """A password with a bracket that someone has pasted unescaped: nothing else of the resource waits for it to be mended."""
    async with Loop() as loop:
        await loop.create(cache=EVALUATION, rollout=BRIEF)
        before = loop.stable
        pasted = {
            "stringData": {"cache-url": "redis://:pa[ss@elsewhere:6379/0"},
            "data": {"limits-url": None},
        }
        loop.server.merge(SECRET, NAMESPACE, ACCESS, pasted, manager="kubectl-edit")
        loop.good()
        await loop.until(lambda: loop.phase == "Ready" and loop.stable not in ("", before), 120)
        values = secret(loop)
        assert values["limits-url"] == f"redis://:{values['password']}@{LIMITS}.{NAMESPACE}.svc:6379/0"


async def test_what_a_user_names_wins() -> None:
    """And is not given twice: a list with the same key twice is refused by server-side apply."""
    reference = {"secretKeyRef": {"name": "their-limits", "key": "url"}}
    env = [
        {"name": "LIMITS_REDIS_URL", "valueFrom": reference},
        {"name": "REDIS_PREFIX_FILE", "value": "/etc/prefix"},
    ]
    spec = MaraudersMapSpec.model_validate(
        {"image": "api:1", "database": {"evaluation": {}}, "config": {"env": env}}
    )
    template = children.pod_template(Owner(NAME, NAMESPACE, "uid"), spec, "bcdfgh24")
    variables = template["spec"]["containers"][0]["env"]
    named = [v for v in variables if v["name"].startswith(("LIMITS_REDIS_URL", "REDIS_PREFIX"))]
    assert named == [env[0], env[1]]


async def test_an_upgrade_of_the_operator_touches_nothing_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Loop() as loop:
        with monkeypatch.context() as release:
            as_before(release)
            await loop.create(cache=EVALUATION, rollout=BRIEF)
            old = loop.stable
            names = (OPEN, f"{NAME}-api-{old}")
            before = [kept(loop, kind, *names) for kind in (DEPLOYMENT, SERVICE, NETWORK_POLICY)]
            pods = {p["metadata"]["uid"] for p in loop.pods()}
            assert instances(loop) == {OPEN}
        # when: the operator of this release takes over
        loop.restart()
        await loop.run(400)
        # then
        assert loop.stable == old
        assert loop.phase == "Ready"
        assert [kept(loop, kind, *names) for kind in (DEPLOYMENT, SERVICE, NETWORK_POLICY)] == before
        assert {p["metadata"]["uid"] for p in loop.pods()} == pods
        assert instances(loop) == {OPEN}
        assert ACCESS not in {s["metadata"]["name"] for s in loop.all(SECRET)}


async def test_old_and_new_revision_have_each_their_own_until_the_old_one_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Loop() as loop:
        with monkeypatch.context() as release:
            as_before(release)
            await loop.create(cache=EVALUATION, rollout=BRIEF)
            old, untouched = loop.stable, kept(loop, DEPLOYMENT, OPEN)
        loop.restart()
        # when: a rollout of this release, first a bad one
        loop.bad("crash")
        await loop.until(lambda: bool(loop.candidate), 30)
        await loop.until(lambda: instances(loop) == {OPEN, CACHE, LIMITS}, 30)
        await loop.until(lambda: loop.phase == "RolledBack", 300)
        assert kept(loop, DEPLOYMENT, OPEN) == untouched
        # when: someone deletes what the old revision reads
        loop.server.delete(DEPLOYMENT, NAMESPACE, OPEN)
        await loop.until(lambda: OPEN in instances(loop), 30)
        # when: a good one
        loop.good()
        await loop.until(lambda: loop.phase == "Ready" and loop.stable != old, 300)
        await loop.until(lambda: instances(loop) == {CACHE, LIMITS}, 120)
        assert OPEN not in {o["metadata"]["name"] for o in (*loop.all(SERVICE), *loop.all(NETWORK_POLICY))}
        # when: the old one is asked for again
        loop.ask("rollback-to", old)
        await loop.until(lambda: OPEN in instances(loop) and loop.stable == old, 300)


async def test_a_lost_key_comes_back_with_the_password_that_is_in_use() -> None:
    async with Loop() as loop:
        await loop.create(cache=EVALUATION)
        before = secret(loop)
        gone = {"data": {"password": None, "limits-url": None}}
        loop.server.merge(SECRET, NAMESPACE, ACCESS, gone, manager="kubectl-patch")
        assert secret(loop).keys() == {"cache-url"}
        loop.good()
        await loop.until(lambda: secret(loop) == before, 60)


async def test_without_evaluation_cache_there_is_none_of_it() -> None:
    reference = {"external": {"secretRef": {"name": "redis", "key": "url"}}}
    for cache, prefixed in ((reference, True), ({"disabled": True}, False)):
        spec = MaraudersMapSpec.model_validate(
            {"image": "api:1", "database": {"evaluation": {}}, "cache": cache}
        )
        template = children.pod_template(Owner(NAME, NAMESPACE, "uid"), spec, "bcdfgh24")
        names = {v["name"] for v in template["spec"]["containers"][0]["env"]}
        assert ("REDIS_PREFIX" in names) is prefixed
        assert "LIMITS_REDIS_URL" not in names


async def test_another_size_of_the_cache_exchanges_no_pod_of_the_api() -> None:
    async with Loop() as loop:
        # given
        await loop.create(cache=EVALUATION)
        stable, pods = loop.stable, {p["metadata"]["uid"] for p in loop.pods()}
        # when
        loop.edit(cache={"evaluation": {"maxMemory": "64Mi"}})
        await loop.run(90)
        # then
        assert loop.phase == "Ready"
        assert (loop.stable, {p["metadata"]["uid"] for p in loop.pods()}) == (stable, pods)
        assert len(loop.revisions()) == 1
        assert "64mb" in json.dumps(loop.server.get(DEPLOYMENT, NAMESPACE, CACHE)["spec"])
