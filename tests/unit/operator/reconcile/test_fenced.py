"""What is taken away is what was looked at: someone may be quicker."""

from __future__ import annotations

from tests.unit.operator.fake.faults import Call
from tests.unit.operator.fake.harness import API, NAMESPACE, Loop

from maraudersmap_operator.cluster.kinds import DEPLOYMENT, POD, SERVICE
from maraudersmap_operator.resource.names import LABEL_COMPONENT

DATABASE = "map-postgres-0"


async def test_a_database_pod_that_changes_just_then_is_looked_at_again() -> None:
    async with Loop(postgres="no-such-registry.invalid/postgres:17") as loop:
        loop.apply()
        await loop.run(30)
        there: list[bool] = []

        def changes(call: Call) -> None:
            if call.verb == "delete" and call.kind is POD:
                there.append("deletionTimestamp" not in loop.get(POD, DATABASE)["metadata"])
                if len(there) == 1:
                    patch = {"metadata": {"annotations": {"owl": "Hedwig"}}}
                    loop.server.merge(POD, NAMESPACE, DATABASE, patch, manager="kubelet")

        loop.faults.before.append(changes)
        # when
        loop.use_images(postgres="postgres:16")
        loop.restart()
        # then
        await loop.until(lambda: loop.phase == "Ready", 180)
        assert there == [True, True]


async def test_a_released_database_pod_whose_label_is_back_stays() -> None:
    async with Loop() as loop:
        await loop.create(replicas=1)
        before = loop.get(POD, DATABASE)["metadata"]["uid"]
        labels = loop.get(POD, DATABASE)["metadata"]["labels"]

        def corrects_it(call: Call) -> None:
            if call.verb == "delete" and call.kind is POD:
                patch = {"metadata": {"labels": {LABEL_COMPONENT: labels[LABEL_COMPONENT]}}}
                loop.server.merge(POD, NAMESPACE, DATABASE, patch, manager="kubectl-label")

        loop.faults.before.append(corrects_it)
        # when
        patch = {"metadata": {"labels": {LABEL_COMPONENT: None}}}
        loop.server.merge(POD, NAMESPACE, DATABASE, patch, manager="kubectl-label")
        await loop.run(60)
        # then
        assert loop.get(POD, DATABASE)["metadata"]["uid"] == before
        assert loop.get(POD, DATABASE)["metadata"]["labels"] == labels


async def test_a_deployment_that_has_not_been_seen_shrinks_only_where_traffic_leads() -> None:
    async with Loop() as loop:
        await loop.create(replicas=3)
        deployment = f"{API}-{loop.stable}"
        led: list[str] = []

        def loses_sight(call: Call) -> None:
            """Between the decision and what follows it."""
            if call.verb == "apply_status" and not led:
                loop.operator.store.remove(loop.get(DEPLOYMENT, deployment)["metadata"]["uid"])
                moved = {"spec": {"selector": {"hogwarts.edu/revision": "nowhere"}}}
                loop.server.merge(SERVICE, NAMESPACE, API, moved, manager="kubectl-edit")
            if call.verb == "scale":
                led.append(loop.selected)

        loop.faults.before.append(loses_sight)
        # when
        loop.edit(replicas=2)
        await loop.until(lambda: loop.get(DEPLOYMENT, deployment)["spec"]["replicas"] == 2, 60)
        # then
        assert set(led) == {loop.stable}
