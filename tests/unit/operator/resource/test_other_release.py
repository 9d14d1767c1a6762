"""A status of the first release is read by this one with nothing forgotten, and the other way round.

recorded/v0.1.0 has that release's custom resource definition, and statuses that its operator has stored on a real cluster.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.operator.fake import schema
from tests.unit.operator.fake.harness import Loop
from tests.unit.operator.fake.patches import copied

from maraudersmap_operator.cluster.kinds import MARAUDERSMAP
from maraudersmap_operator.resource.crd import structural
from maraudersmap_operator.resource.definition import Declared
from maraudersmap_operator.resource.other_release import dump, read_status
from maraudersmap_operator.resource.status import MaraudersMapStatus

RECORDED = sorted(schema.FIRST_RELEASE.parent.glob("*.json"))


def leaves(value: Any, path: str = "status") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}[{index}]")
    else:
        yield path, value


def test_there_are_statuses_of_every_kind() -> None:
    assert {p.stem for p in RECORDED} == {"ready", "baking", "on-trial", "rolled-back", "ready-with-a-ledger"}


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda p: p.stem)
def test_this_release_reads_all_that_the_first_one_has_stored(recorded: Path) -> None:
    stored = json.loads(recorded.read_text(encoding="utf-8"))
    status, left_out = read_status(stored)
    assert left_out == ()
    understood = dict(leaves(dump(status)))
    assert {path: understood.get(path) for path, _ in leaves(stored)} == dict(leaves(stored))


def on_trial() -> dict[str, Any]:
    """A status that v0.1.0 has stored in the middle of a rollout."""
    path = schema.FIRST_RELEASE.parent / "on-trial.json"
    stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return stored


def verdict(reason: str) -> dict[str, Any]:
    return {"reason": reason, "message": "seen", "detectedAt": "2026-03-01T12:00:00.000000Z"}


def test_a_verdict_of_the_first_release_is_understood_and_written_in_both_places() -> None:
    stored = on_trial()
    stored["candidate"]["doomed"] = verdict("CrashLoop")
    status, left_out = read_status(stored)
    assert left_out == ()
    assert status.candidate is not None
    assert status.candidate.verdict is not None
    assert status.candidate.verdict.reason == "CrashLoop"
    written = dump(status)["candidate"]
    assert written["verdict"] == written["doomed"]
    assert written["doomed"]["reason"] == "CrashLoop"
    # and nothing differs between what was made here and what was read again
    assert read_status(dump(status))[0] == status


def test_where_both_places_differ_the_first_release_has_written_last() -> None:
    stored = on_trial()
    stored["candidate"] |= {"verdict": verdict("CrashLoop"), "doomed": verdict("StableDisturbed")}
    candidate = read_status(stored)[0].candidate
    assert candidate is not None
    assert candidate.verdict is not None
    assert candidate.verdict.reason == "StableDisturbed"


def test_a_candidate_without_a_verdict_has_one_in_neither_place() -> None:
    written = dump(read_status(on_trial())[0])["candidate"]
    assert not {"verdict", "doomed"} & set(written)


def test_the_first_release_s_definition_keeps_a_verdict() -> None:
    status = copied(schema.declared(schema.FIRST_RELEASE)["properties"]["status"])
    declared = Declared(status)
    assert not [path for path in declared.no_place_for() if "verdict" in path or "doomed" in path]
    stored = on_trial()
    stored["candidate"]["doomed"] = verdict("CrashLoop")
    kept = declared.fit(dump(read_status(stored)[0]), stored)["candidate"]
    assert kept["doomed"]["reason"] == "CrashLoop"
    assert "verdict" not in kept
    # and a definition with neither has no place for it
    del status["properties"]["candidate"]["properties"]["doomed"]
    assert "status.candidate.verdict" in declared.no_place_for()


def test_no_field_has_moved() -> None:
    """Each field of the first release's status is where it was, and takes every value that it took."""

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
    assert list(moved(first, structural(MaraudersMapStatus), "status")) == []


async def test_the_first_release_can_read_what_this_one_stores() -> None:
    """It ignores fields that it does not know; every value it knows of is one of its own."""
    first = schema.declared(schema.FIRST_RELEASE)
    seen: set[str] = set()

    def readable() -> None:
        resource = copied(loop.resource)
        schema.prune(first, resource)
        schema.check(first, MARAUDERSMAP, resource)
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
