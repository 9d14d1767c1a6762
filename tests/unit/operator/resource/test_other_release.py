"""A status of the first release is read by this one with nothing forgotten, and the other way round.

recorded/v0.1.0 has that release's custom resource definition, and statuses that its operator has stored on a real cluster.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from tests.unit.operator.fake import schema
from tests.unit.operator.fake.harness import NAME, NAMESPACE, Loop
from tests.unit.operator.fake.patches import copied

from maraudersmap_operator.cluster.kinds import MARAUDERSMAP
from maraudersmap_operator.resource.crd import status_schema
from maraudersmap_operator.resource.moved import MOVED
from maraudersmap_operator.resource.names import MANAGER
from maraudersmap_operator.resource.other_release import dump, read_status
from maraudersmap_operator.resource.status_candidate import Step

FOLDER = schema.FIRST_RELEASE.parent
STEPS = [json.loads(line) for line in (FOLDER / "steps.jsonl").read_text(encoding="utf-8").splitlines()]
RECORDED: dict[str, dict[str, Any]] = {
    **{p.stem: json.loads(p.read_text(encoding="utf-8")) for p in sorted(FOLDER.glob("*.json"))},
    **{one["name"]: one["status"] for one in STEPS},
}


def leaves(value: Any, path: str = "status") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}[{index}]")
    else:
        yield path, value


def at(node: Any, path: str) -> Any:
    """What stands at that path; None when nothing does."""
    for key in path.split("."):
        node = node.get(key) if isinstance(node, dict) else None
    return node


def test_there_are_statuses_of_every_kind() -> None:
    assert {"ready", "baking", "on-trial", "rolled-back", "ready-with-a-ledger"} < RECORDED.keys()
    assert {s["candidate"]["step"] for s in RECORDED.values() if "candidate" in s} == set(Step)


@pytest.mark.parametrize("recorded", RECORDED)
def test_this_release_reads_all_that_the_first_one_has_stored(recorded: str) -> None:
    stored = RECORDED[recorded]
    status, left_out = read_status(stored)
    assert left_out == ()
    understood = dict(leaves(dump(status)))
    assert {path: understood.get(path) for path, _ in leaves(stored)} == dict(leaves(stored))


def test_each_field_of_the_first_release_is_declared_where_it_was() -> None:
    """And takes every value that it took."""

    def moved(old: dict[str, Any], new: dict[str, Any], path: str) -> Iterator[str]:
        for key, part in (old.get("properties") or {}).items():
            there = (new.get("properties") or {}).get(key)
            if there is None or there.get("type") != part.get("type"):
                yield f"{path}.{key}"
            else:
                yield from moved(part, there, f"{path}.{key}")
        if not set(old.get("enum") or ()) <= set(new.get("enum") or ()):
            yield path
        if "items" in old:
            yield from moved(old["items"], new.get("items") or {}, f"{path}[]")
        # What a release has not stored cannot be required of it.
        if not set(new.get("required") or ()) <= set(old.get("required") or ()):
            yield f"{path}, which needs more than it did"

    first = schema.declared(schema.FIRST_RELEASE)["properties"]["status"]
    assert list(moved(first, status_schema(), "status")) == []


async def test_the_first_release_can_read_what_this_one_stores() -> None:
    """It ignores fields that it does not know; every value it knows of is one of its own."""
    first = schema.declared(schema.FIRST_RELEASE)
    seen: set[str] = set()

    def readable() -> None:
        resource = copied(loop.resource)
        schema.prune(first, resource)
        schema.check(first, MARAUDERSMAP, resource)
        for old, new in MOVED.items():
            assert at(resource["status"], f"candidate.{old}") == at(loop.status, f"candidate.{new}")
        seen.add(f"{loop.status.get('phase')} {loop.candidate.get('step', '')}")

    async with Loop() as loop:
        loop.every_tick.append(readable)
        loop.apply()
        await loop.until(lambda: loop.phase == "Ready", 120)
        loop.bad("crash")
        await loop.until(lambda: loop.phase == "RolledBack", 120)
        loop.good(rollout={"strategy": "Canary"})
        await loop.until(lambda: loop.phase == "Ready", 400)
        loop.bad("no-such-image")
        loop.edit(rollout={"paused": True})
        await loop.run(60)
    assert {"Ready ", "RolledBack ", "RollingOut Witnesses", "RollingOut Sharing", "Baking Baking"} <= seen, (
        seen
    )


async def test_a_visit_of_the_first_release_in_the_middle_of_a_rollout_forgets_nothing() -> None:
    """It writes what it knows where it knows it, and the same field manager's apply takes all else away."""
    async with Loop() as loop:
        await loop.create()
        loop.bad("crash")
        await loop.until(lambda: bool(at(loop.candidate, "memory.failures.terminations")), 60)
        before, visited = loop.candidate, copied(loop.resource)
        # when
        schema.prune(schema.declared(schema.FIRST_RELEASE), visited)
        version = visited["metadata"]["resourceVersion"]
        loop.server.apply_status(NAMESPACE, NAME, visited["status"], manager=MANAGER, version=version)
        assert not {"memory", "verdict"} & loop.candidate.keys()
        loop.restart()
        await loop.until(lambda: "memory" in loop.candidate, 10)
        # then
        assert loop.candidate["startedAt"] == before["startedAt"]
        for path in (
            "failures.firstAttemptAt",
            "failures.firstFailureAt",
            "controlGroup.pods",
            "migrations.attempt",
        ):
            assert at(loop.candidate["memory"], path) == at(before["memory"], path) is not None
        counted = {r["pod"]: r["count"] for r in at(loop.candidate, "memory.failures.terminations")}
        assert all(counted[r["pod"]] >= r["count"] for r in at(before, "memory.failures.terminations"))
        await loop.until(lambda: bool(loop.rejected), 120)
        assert loop.rejected[0]["reason"] == "CrashLoop"


def new_fields(
    now: dict[str, Any], then: dict[str, Any], path: str = "spec"
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Those of `now` that `then` has no place for, by path."""
    known = then.get("properties") or {}
    for name, field in (now.get("properties") or {}).items():
        if name in known:
            yield from new_fields(field, known[name], f"{path}.{name}")
        else:
            yield f"{path}.{name}", field
    if "items" in now and "items" in then:
        yield from new_fields(now["items"], then["items"], f"{path}[]")


def test_no_field_that_the_first_release_does_not_know_is_filled_in() -> None:
    """Its operator refuses what it does not know: an older one beside this definition must not meet it unasked."""
    now = yaml.safe_load(schema.CRD.read_text(encoding="utf-8"))
    then = yaml.safe_load(schema.FIRST_RELEASE.read_text(encoding="utf-8"))
    specs = [d["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] for d in (now, then)]
    found = dict(new_fields(*specs))
    assert found
    assert [path for path, field in found.items() if "default" in field] == []
