"""A child that the store does not have is created without being asked for, and found when it is there already."""

from __future__ import annotations

from tests.unit.operator.fake.harness import NAMESPACE, Loop

from maraudersmap_operator.cluster.kinds import CONTROLLER_REVISION, NETWORK_POLICY

MANAGED_BY = "app.kubernetes.io/managed-by"
ONE_REPLICA = {"replicas": 1, "rollout": {"minReadySeconds": 1}}


async def test_a_new_resource_costs_no_reads_of_children_that_are_not_there() -> None:
    async with Loop() as loop:
        loop.apply(**ONE_REPLICA)
        await loop.until(lambda: loop.phase == "Ready", 180)
        calls = loop.operator.cluster.calls
        created = {kind for verb, kind in calls if verb == "create"} - {"Event"}
        assert {"Service", "Deployment", "NetworkPolicy", "Job"} <= created
        asked = {kind: n for (verb, kind), n in calls.items() if verb == "get" and kind in created}
        # Generated Secrets are read for their content, the other two before pods are taken away.
        assert asked.keys() <= {"Secret", "Service", "Deployment"}, asked


async def test_a_child_without_our_labels_is_found_where_nothing_new_is_admitted() -> None:
    """A quota refuses an object before the API server looks whether its name is taken."""
    async with Loop() as loop:
        loop.apply(**ONE_REPLICA)
        await loop.until(lambda: loop.phase == "Ready", 180)
        [policy] = [p for p in loop.all(NETWORK_POLICY) if p["metadata"]["name"].endswith("-api")]
        name, before = policy["metadata"]["name"], policy["metadata"]["uid"]
        # given
        unlabelled = {"metadata": {"labels": {MANAGED_BY: None}}}
        loop.server.merge(NETWORK_POLICY, NAMESPACE, name, unlabelled, manager="someone")
        loop.server.admission.quota(NAMESPACE, **{"count/networkpolicies.networking.k8s.io": "0"})
        # when: an operator starts that has never seen the policy with its labels
        loop.restart()
        # then
        await loop.until(lambda: MANAGED_BY in loop.get(NETWORK_POLICY, name)["metadata"]["labels"], 60)
        await loop.until(lambda: loop.condition("ChildrenApplied")["status"] == "True", 60)
        assert loop.get(NETWORK_POLICY, name)["metadata"]["uid"] == before


async def test_a_record_of_someone_else_is_not_written_over() -> None:
    """Records are applied, which would change a foreign object if its data could be changed."""
    async with Loop() as loop:
        loop.apply(**ONE_REPLICA)
        await loop.until(lambda: loop.phase == "Ready", 180)
        [ours] = [r for r in loop.all(CONTROLLER_REVISION) if r["metadata"]["name"].endswith(loop.stable)]
        theirs = {
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": {"name": ours["metadata"]["name"], "namespace": NAMESPACE},
            "revision": 7,
            "data": {"theirs": True},
        }
        loop.server.delete(CONTROLLER_REVISION, NAMESPACE, ours["metadata"]["name"])
        loop.server.create(CONTROLLER_REVISION, theirs, manager="someone")
        loop.restart()
        await loop.until(lambda: loop.condition("ChildrenApplied")["status"] == "False", 120)
        assert loop.get(CONTROLLER_REVISION, ours["metadata"]["name"])["data"] == {"theirs": True}
