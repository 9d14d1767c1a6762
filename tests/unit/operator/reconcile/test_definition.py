"""This operator beside a custom resource definition of another release: what it stores, and what it dares."""

from __future__ import annotations

import json
from typing import Any

from tests.unit.operator.fake import schema
from tests.unit.operator.fake.client import FakeCluster
from tests.unit.operator.fake.faults import Effect
from tests.unit.operator.fake.harness import NAME, NAMESPACE, Loop
from tests.unit.operator.fake.patches import copied

from maraudersmap_operator.cluster.kinds import MARAUDERSMAP

LOST = "status.stable.memory.pods"


def older() -> dict[str, Any]:
    """The definition of v0.1.0."""
    return schema.declared(schema.FIRST_RELEASE)


def without(*path: str) -> dict[str, Any]:
    """Today's definition but for one field of the status."""
    found = schema.declared()
    node = found["properties"]["status"]
    for part in path[:-1]:
        node = node["properties"][part]
    del node["properties"][path[-1]]
    return found


async def test_what_runs_stays_ready_on_an_older_definition() -> None:
    async with Loop() as loop:
        await loop.create()
        # when
        loop.server.upgrade(older())
        loop.restart()
        await loop.run(30)
        # then
        assert loop.phase == "Ready"
        assert "no place for status.candidate." in loop.condition("DefinitionOlder")["message"]
        assert not loop.operator.queue.errors
        # and nothing is written for ever
        writes, version = loop.operator.cluster.writes, loop.version()
        await loop.run(300, step=5)
        assert (loop.operator.cluster.writes, loop.version()) == (writes, version)


async def test_no_rollout_starts_on_an_older_definition_and_it_starts_once_that_is_put_right() -> None:
    async with Loop() as loop:
        await loop.create()
        stable, deployments = loop.stable, set(loop.deployments())
        loop.server.upgrade(older())
        loop.restart()
        # when
        loop.good()
        await loop.run(120)
        # then
        assert (loop.stable, loop.selected, set(loop.deployments())) == (stable, stable, deployments)
        assert loop.phase == "Stalled"
        assert loop.condition("Stalled")["reason"] == "DefinitionOlder"
        assert "crds/" in loop.status["message"]
        # when the definition of this release is applied, to the operator that runs
        loop.server.upgrade(schema.declared())
        await loop.until(lambda: loop.phase == "Ready" and loop.stable != stable, 300)
        # then
        assert not loop.condition("DefinitionOlder")


async def test_a_new_resource_waits_for_the_definition() -> None:
    async with Loop(declared=older()) as loop:
        loop.apply()
        await loop.run(120)
        assert not loop.deployments()
        assert loop.condition("Ready")["reason"] == "DefinitionOlder"


async def test_a_rollout_under_way_is_taken_back_but_not_on() -> None:
    """A bad one is rejected and remembered; a good one waits in its bake."""
    async with Loop() as loop:
        await loop.create()
        stable = loop.stable
        loop.bad("ready-then-dies:15")
        await loop.until(lambda: loop.candidate.get("step") == "Baking", 60)
        bad = loop.candidate["revision"]
        # when
        loop.server.upgrade(older())
        loop.restart()
        # then
        await loop.until(lambda: bool(loop.rejected), 120)
        assert loop.rejected[0]["revision"] == bad
        assert loop.selected == stable


async def test_a_good_candidate_keeps_its_way_back() -> None:
    async with Loop() as loop:
        await loop.create()
        stable = loop.stable
        loop.good()
        await loop.until(lambda: loop.candidate.get("step") == "Baking", 60)
        # when
        loop.server.upgrade(older())
        loop.restart()
        await loop.run(300, step=2)
        # then
        assert loop.stable == stable
        assert loop.candidate["step"] == "Baking"
        assert loop.ready(stable) == 3
        # and it goes its way afterwards
        loop.server.upgrade(schema.declared())
        await loop.until(lambda: loop.phase == "Ready" and loop.stable != stable, 300)


async def test_protection_goes_on_though_every_status_is_refused() -> None:
    """Neither the schema nor a status that is taken: traffic goes back all the same."""
    async with Loop() as loop:
        await loop.create()
        stable = loop.stable
        loop.bad("ready-then-dies:15")
        await loop.until(lambda: loop.candidate.get("step") == "Baking", 60)
        loop.server.upgrade(older())
        loop.faults.add(Effect.STATUS, status=403, verb="schema")
        loop.restart()
        # then
        await loop.until(lambda: loop.selected == stable, 90)
        await loop.until(lambda: bool(loop.rejected), 90)


async def test_a_definition_put_back_under_a_running_operator_is_noticed() -> None:
    async with Loop() as loop:
        await loop.create()
        stable = loop.stable
        loop.server.upgrade(without("stable", "memory", "pods"))
        # when: nothing has been read again yet
        loop.good()
        await loop.run(90)
        # then
        assert loop.stable == loop.selected == stable
        assert LOST in loop.condition("DefinitionOlder")["message"]


async def test_a_schema_that_cannot_be_read_stops_no_rollout() -> None:
    async with Loop() as loop:
        loop.faults.add(Effect.STATUS, status=403, verb="schema")
        await loop.create()
        stable = loop.stable
        loop.good()
        await loop.until(lambda: loop.phase == "Ready" and loop.stable != stable, 300)
        assert not loop.condition("DefinitionOlder")


async def test_the_schema_is_read_once() -> None:
    async with Loop() as loop:
        await loop.create()
        loop.good()
        await loop.until(lambda: loop.phase == "Ready", 300)
        assert loop.operator.cluster.calls["schema", MARAUDERSMAP.kind] == 1


async def test_an_unknown_value_is_left_out() -> None:
    """A word that the definition does not list: answered with 422, not 500."""
    narrow = schema.declared()
    words = narrow["properties"]["status"]["properties"]["phase"]["enum"]
    words.remove("RolledBack")
    async with Loop() as loop:
        await loop.create()
        stable = loop.stable
        loop.server.upgrade(narrow)
        # when
        loop.bad("crash")
        await loop.until(lambda: bool(loop.rejected) or bool(loop.condition("DefinitionOlder")), 120)
        await loop.run(60)
        # then
        assert loop.selected == stable
        assert "status.phase=RolledBack" in loop.condition("DefinitionOlder")["message"]


async def test_smaller_bounds_are_kept_to() -> None:
    tight = schema.declared()
    parts = tight["properties"]["status"]["properties"]
    parts["history"]["maxItems"], parts["message"]["maxLength"] = 1, 20
    async with Loop(declared=tight) as loop:
        await loop.create()
        loop.good()
        await loop.until(lambda: loop.phase == "Ready" and len(loop.revisions()) == 2, 300)
        assert [h["revision"] for h in loop.status["history"]] == [loop.stable]
        assert len(loop.status["message"]) == 20


# --- a newer release has been here ------------------------------------------------------------------------------------
def newer() -> dict[str, Any]:
    found = schema.declared()
    status = found["properties"]["status"]["properties"]
    text = {"type": "string"}
    status["portkey"] = text
    status["stable"]["properties"]["portkey"] = text
    status["rejected"]["items"]["properties"]["portkey"] = text
    status["candidate"]["properties"]["portkey"] = text
    status["candidate"]["properties"]["step"]["enum"].append("Apparating")
    status["phase"]["enum"].append("Apparating")
    return found


async def _by_a_newer_operator(loop: Loop, **change: Any) -> None:
    """The same field manager: every release is one."""
    seen = loop.resource
    status = copied(seen["status"])
    for path, value in change.items():
        node = status
        *parts, last = path.split("__")
        for part in parts:
            node = node[int(part) if part.isdigit() else part]
        node[last] = value
    cluster = FakeCluster(loop.server)
    meta = seen["metadata"]
    await cluster.apply_status(NAMESPACE, NAME, meta["uid"], status, version=meta["resourceVersion"])


async def test_fields_of_a_newer_operator_are_carried_through() -> None:
    async with Loop(declared=newer()) as loop:
        await loop.create()
        loop.bad("crash")
        await loop.until(lambda: loop.phase == "RolledBack", 60)
        loop.operators.clear()
        await _by_a_newer_operator(
            loop, portkey="boot", stable__portkey="goblet", rejected__0__portkey="newspaper"
        )
        # when
        loop.restart()
        loop.good()
        await loop.until(lambda: bool(loop.candidate), 60)
        # then
        assert loop.status["portkey"] == "boot"
        assert loop.status["stable"]["portkey"] == "goblet"
        assert loop.rejected[0]["portkey"] == "newspaper"
        # and another stable revision is another one
        await loop.until(lambda: loop.phase == "Ready", 300)
        assert "portkey" not in loop.status["stable"]
        assert loop.rejected[0]["portkey"] == "newspaper"
        assert loop.status["portkey"] == "boot"


async def test_a_candidate_that_cannot_be_read_is_kept_and_none_starts_beside_it() -> None:
    async with Loop(declared=newer()) as loop:
        await loop.create()
        stable = loop.stable
        loop.good()
        await loop.until(lambda: loop.candidate.get("step") == "Witnesses", 60)
        loop.operators.clear()
        await _by_a_newer_operator(loop, candidate__step="Apparating", phase="Apparating")
        left = loop.candidate
        # when
        loop.restart()
        await loop.run(60)
        # then
        assert loop.candidate == left
        assert loop.stable == loop.selected == stable
        assert loop.condition("Stalled")["reason"] == "StatusNewer"
        assert not loop.operator.queue.errors, json.dumps([str(e) for e in loop.operator.queue.errors])


async def test_a_wrong_spec_beside_such_a_status_is_reported() -> None:
    async with Loop(declared=newer()) as loop:
        await loop.create()
        loop.operators.clear()
        await _by_a_newer_operator(loop, phase="Apparating")
        _without_image(loop)
        # when
        loop.restart()
        await loop.run(10)
        # then
        assert loop.condition("Stalled")["reason"] == "UnknownField"
        assert loop.status["message"].startswith("spec.image: is required")
        assert loop.phase == "Pending"


async def test_a_wrong_spec_of_which_nothing_runs_is_reported() -> None:
    async with Loop() as loop:
        loop.operators.clear()
        loop.apply()
        _without_image(loop)
        # when
        loop.restart()
        await loop.run(10)
        # then
        assert loop.condition("Stalled")["reason"] == "InvalidSpec"
        assert loop.phase == "Stalled"
        assert not loop.deployments()


def _without_image(loop: Loop) -> None:
    spec = loop.server.schema["properties"]["spec"]
    spec["required"] = [part for part in spec["required"] if part != "image"]
    loop.edit(image=None)
