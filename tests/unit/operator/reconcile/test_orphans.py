"""What has lost its owner and is ours by its labels is adopted, and not made again."""

from __future__ import annotations

from tests.unit.operator.fake.harness import NAME, NAMESPACE, Loop

from maraudersmap_operator.cluster.kinds import JOB, MARAUDERSMAP, REPLICA_SET


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


async def test_a_replica_set_that_its_deployment_has_let_go_holds_no_removal_up() -> None:
    """Someone has relabelled stable's: its pods go on answering users, and are no rejected candidate's."""
    async with Loop() as loop:
        await loop.create()
        stable = loop.stable
        [held] = loop.all(REPLICA_SET)
        other = {"metadata": {"labels": {"app.kubernetes.io/component": "other"}}}
        loop.server.merge(REPLICA_SET, NAMESPACE, held["metadata"]["name"], other, manager="kubectl-label")
        await loop.until(lambda: len(loop.pods(stable)) > 3, 60)
        # when
        loop.bad("crash")
        await loop.until(lambda: bool(loop.rejected), 120)
        # then
        await loop.until(lambda: set(loop.deployments()) == {stable}, 60)
        loop.good()
        await loop.until(lambda: loop.phase == "Ready" and loop.stable != stable, 300)
