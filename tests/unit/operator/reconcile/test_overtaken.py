"""What a pass has decided and could not carry out, since its call failed or a newer pass overtook it, is asked for again."""

from __future__ import annotations

from tests.unit.operator.fake.harness import Loop

from maraudersmap_operator.cluster.kinds import CONTROLLER_REVISION, JOB
from maraudersmap_operator.resource.names import ANNOTATION_MIGRATED

QUICK = {"minReadySeconds": 1, "bakeSeconds": 5}


def marked(loop: Loop, revision: str) -> bool:
    return any(
        ANNOTATION_MIGRATED in (record["metadata"].get("annotations") or {})
        for record in loop.all(CONTROLLER_REVISION)
        if record["metadata"]["labels"].get("hogwarts.edu/revision") == revision
    )


async def test_that_migrations_are_done_is_noted_late_rather_than_never() -> None:
    """Without the note, going back to the revision would migrate again, with an image older than the schema."""
    async with Loop() as loop:
        await loop.create(replicas=1, rollout=QUICK)
        loop.good()
        await loop.until(lambda: "revision" in loop.candidate, 60)
        candidate = str(loop.candidate["revision"])
        fault = loop.faults.add(verb="merge", kind=CONTROLLER_REVISION)
        await loop.until(lambda: loop.candidate.get("step") not in (None, "Migrating"), 120)
        assert not marked(loop, candidate)
        loop.faults.active.remove(fault)
        await loop.until(lambda: "candidate" not in loop.status, 300)
        assert loop.stable == candidate
        assert marked(loop, candidate)


async def test_migrations_of_a_revision_that_is_no_longer_asked_for_end_though_the_first_deletion_fails() -> (
    None
):
    async with Loop() as loop:
        await loop.create(replicas=1, rollout=QUICK)
        running = {job["metadata"]["name"] for job in loop.all(JOB)}
        loop.bad("migrate-hangs")
        await loop.until(lambda: bool(set(loop.jobs()) - running), 60)
        [left] = set(loop.jobs()) - running
        fault = loop.faults.add(verb="delete", kind=JOB)
        loop.good()
        await loop.run(10)
        assert left in loop.jobs()
        loop.faults.active.remove(fault)
        await loop.until(lambda: left not in loop.jobs(), 120)


async def test_a_try_after_failed_migrations_is_made_though_its_first_creation_fails() -> None:
    async with Loop() as loop:
        await loop.create(replicas=1, rollout=QUICK)
        loop.bad("migrate-fails")
        await loop.until(lambda: bool(loop.rejected), 120)
        tried = set(loop.jobs())
        fault = loop.faults.add(verb="create", kind=JOB)
        loop.ask("retry", "1")
        await loop.run(20)
        assert set(loop.jobs()) == tried
        loop.faults.active.remove(fault)
        await loop.until(lambda: bool(set(loop.jobs()) - tried), 120)
