"""A part of the spec that this release does not understand, and that someone has set: what is there stays as it is, and what
runs is protected. Unknown is neither a default nor absent."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.operator.fake import schema
from tests.unit.operator.fake.harness import API, NAMESPACE, Loop
from tests.unit.operator.fake.patches import copied

from maraudersmap_operator.children import Images, Owner
from maraudersmap_operator.cluster.kinds import (
    AUTOSCALER,
    CONFIG_MAP,
    CONTROLLER_REVISION,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    INGRESS,
    JOB,
    NETWORK_POLICY,
    SECRET,
    SERVICE,
    STATEFUL_SET,
)
from maraudersmap_operator.reconcile.apply.desired import foundation, routing, surroundings
from maraudersmap_operator.resource import MaraudersMapSpec
from maraudersmap_operator.rollout import Autoscaled

KINDS = (
    AUTOSCALER, CONFIG_MAP, CONTROLLER_REVISION, DEPLOYMENT, DISRUPTION_BUDGET, INGRESS, JOB, NETWORK_POLICY, SECRET, SERVICE,
    STATEFUL_SET,
)  # fmt: skip
SPEC: dict[str, Any] = {
    "replicas": 6,
    "ingress": {"host": "map.example", "className": "nginx", "tls": {"secretName": "tls"}},
    "service": {"type": "LoadBalancer", "loadBalancerSourceRanges": ["10.0.0.0/8"]},
}
ALONE = {"minReplicas": 6, "maxReplicas": 9, "enabled": True}
# A shape that no part of today's has, except for the image: that is a string.
STRANGE = dict.fromkeys(schema.declared()["properties"]["spec"]["properties"], "enchanted") | {
    "image": {"digest": "sha256:1"},
    "pullPolicy": "Enchanted",
}


def another(part: str) -> dict[str, Any]:
    """A definition that has another shape for a part."""
    found = schema.declared()
    found["properties"]["spec"]["properties"][part] = {"x-kubernetes-preserve-unknown-fields": True}
    return found


def children_of(loop: Loop) -> dict[tuple[str, str], Any]:
    found = {}
    for kind in KINDS:
        for obj in loop.all(kind):
            body = {k: v for k, v in copied(obj).items() if k not in ("metadata", "status")}
            found[kind.kind, obj["metadata"]["name"]] = body
    return found


def _shown(loop: Loop) -> dict[str, Any]:
    """What a status shows of what is there."""
    conditions = ("Available", "DatabaseReady", "MigrationsReady", "ChildrenApplied", "RolledBack")
    shown = {kind: loop.condition(kind)["reason"] for kind in conditions}
    return shown | {key: loop.status[key] for key in ("url", "selector", "replicas")}


@pytest.mark.parametrize("autoscaled", [False, True], ids=["sized", "autoscaled"])
@pytest.mark.parametrize("part", STRANGE)
async def test_nothing_changes(part: str, autoscaled: bool) -> None:
    async with Loop() as loop:
        await loop.create(**SPEC, **({"autoscaling": ALONE} if autoscaled else {}))
        before, shown = children_of(loop), _shown(loop)
        # when
        loop.server.upgrade(another(part))
        loop.edit(**{part: STRANGE[part]})
        loop.restart()
        await loop.run(30)
        # then
        assert children_of(loop) == before
        assert _shown(loop) == shown
        assert loop.condition("Stalled")["reason"] == "UnknownField"
        assert f"spec.{part}: " in loop.status["message"]


async def test_parts_that_do_not_go_together_leave_everything_as_it_is() -> None:
    """This release forbids what another may allow: that is no single part's fault."""
    async with Loop() as loop:
        await loop.create(**SPEC)
        before = children_of(loop)
        # when
        loop.edit(gateway={"parentRefs": [{"name": "platform-9"}]})
        await loop.run(30)
        # then
        assert children_of(loop) == before
        assert loop.condition("Stalled")["reason"] == "UnknownField"


async def test_an_external_database_stays_external() -> None:
    async with Loop() as loop:
        secret = {
            "metadata": {"name": "owl-post", "namespace": NAMESPACE},
            "stringData": {"url": "postgresql://db"},
        }
        loop.server.create(SECRET, secret, manager="kubectl")
        external = {"secretRef": {"name": "owl-post", "key": "url"}}
        await loop.create(database={"evaluation": None, "external": external})
        shown = _shown(loop)
        # when
        loop.server.upgrade(another("database"))
        loop.edit(database="enchanted")
        loop.restart()
        await loop.run(30)
        # then
        assert _shown(loop) == shown
        assert shown["DatabaseReady"] == "External"
        assert not loop.all(STATEFUL_SET)


async def test_what_runs_is_protected_though_the_image_is_not_known() -> None:
    async with Loop() as loop:
        await loop.create()
        stable = loop.stable
        loop.bad("ready-then-dies:15")
        await loop.until(lambda: loop.candidate.get("step") == "Baking", 60)
        assert loop.selected != stable
        # when
        loop.server.upgrade(another("image"))
        loop.edit(image={"digest": "sha256:1"})
        loop.restart()
        # then
        await loop.until(lambda: loop.selected == stable, 60)
        await loop.until(lambda: bool(loop.rejected), 60)
        assert loop.ready(stable) == 3


@pytest.mark.parametrize("part", ["service", "replicas", "suspend"])
async def test_what_someone_deletes_is_made_again(part: str) -> None:
    async with Loop() as loop:
        await loop.create()
        loop.server.upgrade(another(part))
        loop.edit(**{part: "enchanted"})
        await loop.run(5)
        # when
        loop.server.delete(SERVICE, NAMESPACE, API)
        loop.server.delete(DEPLOYMENT, NAMESPACE, f"{API}-{loop.stable}")
        # then
        await loop.until(lambda: len(loop.endpoints()) == 3, 60)


async def test_a_candidate_that_waits_is_neither_promoted_nor_given_up() -> None:
    """Which deadline is meant, and how long the bake, is not known."""
    async with Loop() as loop:
        await loop.create()
        stable = loop.stable
        loop.good()
        await loop.until(lambda: loop.candidate.get("step") == "Baking", 60)
        candidate = loop.candidate["revision"]
        # when
        loop.server.upgrade(another("rollout"))
        loop.edit(rollout="enchanted")
        await loop.run(2400, step=20)
        # then
        assert (loop.stable, loop.candidate["revision"], loop.rejected) == (stable, candidate, [])
        assert loop.ready(stable) == loop.ready(candidate) == 3


async def test_a_suspended_one_stays_suspended() -> None:
    async with Loop() as loop:
        await loop.create(suspend=False)
        loop.edit(suspend=True)
        await loop.until(lambda: not loop.pods(), 60)
        # when
        loop.server.upgrade(another("suspend"))
        loop.edit(suspend="enchanted")
        loop.restart()
        await loop.run(60)
        # then
        assert not loop.pods()


async def test_a_resumed_one_gets_pods_though_their_number_is_not_known() -> None:
    async with Loop() as loop:
        await loop.create()
        loop.edit(suspend=True)
        await loop.until(lambda: not loop.pods(), 60)
        loop.server.upgrade(another("replicas"))
        # when
        loop.edit(replicas="enchanted", suspend=False)
        # then
        await loop.until(lambda: len(loop.endpoints()) > 0, 60)


class Read(MaraudersMapSpec):
    """Keeps which parts are read."""

    def __getattribute__(self, name: str) -> Any:
        if name in MaraudersMapSpec.model_fields:
            READ.add(MaraudersMapSpec.model_fields[name].alias or name)
        return super().__getattribute__(name)


READ: set[str] = set()


@pytest.mark.parametrize("part", STRANGE)
def test_no_child_is_made_of_a_part_that_is_not_understood(part: str) -> None:
    owner, images = Owner("map", NAMESPACE, "u-1"), Images(postgres="postgres:16", redis="redis:7")
    evaluation: dict[str, Any] = {"evaluation": {}}
    spec = Read.model_validate(
        {"image": "map:1", "database": evaluation, "cache": evaluation, "autoscaling": ALONE}
    )
    READ.clear()
    list(foundation(owner, spec, images, {}, "ops", unknown={part}))
    list(routing(owner, spec, "abc", {part}))
    list(surroundings(owner, spec, Autoscaled("abc"), "abc", {part}))
    assert part not in READ
    assert READ
