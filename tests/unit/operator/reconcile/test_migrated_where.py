"""Migrated is a revision in one database: in the next, empty one its pods find no tables until its migrations have run again.

The kubelet of these stories lets a pod get ready only in front of the tables of its revision, or of a later one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.unit.operator.fake.harness import NAMESPACE, Loop

from maraudersmap_operator.cluster.kinds import CONTROLLER_REVISION, JOB, POD
from maraudersmap_operator.resource.names import ANNOTATION_MIGRATED, LABEL_REVISION

ROLLOUT = {"minReadySeconds": 1, "bakeSeconds": 20, "progressDeadlineSeconds": 30}


@pytest.fixture
async def loop() -> AsyncIterator[Loop]:
    async with Loop() as started:
        started.controllers.kubelet.minds_tables = True
        yield started


async def serves(loop: Loop, **spec: Any) -> str:
    """The revision that serves, before anything of the story."""
    await loop.create(replicas=1, rollout=ROLLOUT, **spec)
    return loop.stable


async def reaches(loop: Loop, step: str) -> str:
    """The candidate, once it has come so far."""
    await loop.until(lambda: loop.candidate.get("step") == step, 120)
    return str(loop.candidate["revision"])


async def loses_its_data(loop: Loop) -> None:
    loop.server.delete(POD, NAMESPACE, "map-postgres-0")
    await loop.run(5)


async def is_whole(loop: Loop, revision: str) -> None:
    """The revision is stable and answers, and nothing was held against any."""
    await loop.until(lambda: loop.stable == revision and not loop.candidate, 300)
    await loop.until(lambda: bool(loop.endpoints()), 60)
    assert loop.rejected == []


async def edits_away(loop: Loop) -> None:
    """What was on trial is not asked for any more."""
    loop.edit(config=None)
    await loop.until(lambda: not loop.candidate, 60)


async def test_a_candidate_that_is_asked_for_again(loop: Loop) -> None:
    await serves(loop)
    loop.good()
    second = await reaches(loop, "Witnesses")
    config = loop.resource["spec"]["config"]
    await edits_away(loop)
    await loses_its_data(loop)
    # when
    loop.edit(config=config)
    # then
    await is_whole(loop, second)


async def test_a_rejected_one_that_is_tried_again(loop: Loop) -> None:
    first = await serves(loop)
    kubelet = loop.controllers.kubelet
    kubelet.crashes = lambda pod: pod["metadata"]["labels"].get(LABEL_REVISION) not in (None, first)
    loop.good()
    await loop.until(lambda: bool(loop.rejected), 120)
    second = str(loop.rejected[0]["revision"])
    kubelet.crashes = lambda pod: False
    await loses_its_data(loop)
    # when
    loop.ask("retry")
    # then
    await is_whole(loop, second)


async def test_an_earlier_one_that_is_gone_back_to(loop: Loop) -> None:
    await serves(loop)
    loop.good()
    second = await reaches(loop, "Witnesses")
    await edits_away(loop)
    await loses_its_data(loop)
    # when
    loop.ask("rollback-to", f"{second}/1")
    # then
    await is_whole(loop, second)


@pytest.mark.parametrize("strategy", ["BlueGreen", "Canary", "Rolling"])
@pytest.mark.parametrize("step", ["Witnesses", "Baking"])
async def test_a_candidate_on_trial(loop: Loop, step: str, strategy: str) -> None:
    await loop.create(replicas=2, rollout=ROLLOUT | {"strategy": strategy})
    loop.good()
    second = await reaches(loop, step)
    # when
    await loses_its_data(loop)
    # then
    await is_whole(loop, second)


async def test_a_candidate_from_whose_schema_there_is_no_way_back(loop: Loop) -> None:
    first = await serves(loop, migrations={"reversible": False})
    loop.bad("migrate-changes")
    second = await reaches(loop, "Baking")
    # when
    await loses_its_data(loop)
    # then
    await is_whole(loop, second)
    assert f"map-migrate-{first}-2" not in loop.jobs()


async def test_an_earlier_one_on_its_way_back(loop: Loop) -> None:
    first = await serves(loop)
    loop.good()
    await loop.until(lambda: loop.stable != first, 120)
    loop.ask("rollback-to", f"{first}/1")
    assert await reaches(loop, "Baking") == first
    # when
    await loses_its_data(loop)
    # then
    await is_whole(loop, first)


async def test_the_first_one_of_all(loop: Loop) -> None:
    loop.apply(replicas=1, rollout=ROLLOUT)
    first = await reaches(loop, "FullSize")
    # when
    await loses_its_data(loop)
    # then
    await is_whole(loop, first)


async def test_migrations_that_ended_in_a_database_that_went_before_they_were_noted(loop: Loop) -> None:
    await serves(loop)
    fault = loop.faults.add(verb="merge", kind=CONTROLLER_REVISION)
    loop.good()
    second = await reaches(loop, "Witnesses")
    await loses_its_data(loop)
    # when
    loop.faults.active.remove(fault)
    # then
    await is_whole(loop, second)


async def test_what_has_migrated_the_next_database_is_noted_and_not_migrated_again(loop: Loop) -> None:
    first = await serves(loop)
    await loses_its_data(loop)
    await loop.until(lambda: bool(loop.endpoints()), 60)
    assert loop.jobs() == [f"map-migrate-{first}-2"]
    await loop.run(5)  # the Job reports its end later than its pod, and only then it is noted
    loop.good()
    await loop.until(lambda: loop.stable != first, 120)
    # when
    loop.server.delete(JOB, NAMESPACE, f"map-migrate-{first}-2")
    loop.edit(config=None)
    # then
    await is_whole(loop, first)
    assert not [name for name in loop.jobs() if first in name]


@pytest.mark.parametrize("note", ["yes", "2026-03-01T12:00:00", ""])
async def test_a_note_that_someone_has_changed_counts_for_the_first_database(loop: Loop, note: str) -> None:
    first = await serves(loop)
    patch = {"metadata": {"annotations": {ANNOTATION_MIGRATED: note}}}
    loop.server.merge(CONTROLLER_REVISION, NAMESPACE, f"map-{first}", patch, manager="kubectl-annotate")
    await loop.run(5)
    # when
    await loses_its_data(loop)
    # then
    await is_whole(loop, first)
