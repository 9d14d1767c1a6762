"""What has lost its owner and is ours by its labels is adopted, and not made again."""

from __future__ import annotations

from tests.unit.operator.fake.harness import NAME, NAMESPACE, Loop

from maraudersmap_operator.cluster.kinds import JOB, MARAUDERSMAP


async def test_migrations_under_way_when_their_resource_is_deleted_and_made_again() -> None:
    """`kubectl delete --cascade=orphan`, as tools do it that move resources about."""
    async with Loop() as loop:
        loop.apply(replicas=1, rollout={"minReadySeconds": 1})
        await loop.until(lambda: bool(loop.jobs()), 60)
        [job] = loop.all(JOB)
        loop.server.delete(MARAUDERSMAP, NAMESPACE, NAME, orphan=True)
        await loop.run(5)
        assert not loop.all(JOB)[0]["metadata"].get("ownerReferences")
        loop.apply(replicas=1, rollout={"minReadySeconds": 1})
        await loop.until(lambda: loop.phase == "Ready", 120)
        [adopted] = loop.all(JOB)
        assert adopted["metadata"]["uid"] == job["metadata"]["uid"]
        [reference] = adopted["metadata"]["ownerReferences"]
        assert reference["uid"] == loop.resource["metadata"]["uid"]
