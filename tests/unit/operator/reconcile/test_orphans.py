"""What has lost its owner and is ours by its labels is adopted, and not made again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.unit.operator.fake.harness import NAME, NAMESPACE, Loop

from maraudersmap_operator.cluster import Manifest
from maraudersmap_operator.cluster.kinds import (
    CONFIG_MAP,
    CONTROLLER_REVISION,
    JOB,
    MARAUDERSMAP,
    REPLICA_SET,
)
from maraudersmap_operator.resource.names import ANNOTATION_IMAGE, LABEL_MANAGED_BY, LABEL_REVISION


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


def edit_record(loop: Loop, revision: str, change: Callable[[Manifest], object]) -> None:
    def edit(record: Manifest) -> None:
        change(record["metadata"])

    loop.server.edit(CONTROLLER_REVISION, NAMESPACE, f"{NAME}-{revision}", edit)


DRIFT: dict[str, Callable[[Manifest], object]] = {
    "revision label removed": lambda meta: meta["labels"].pop(LABEL_REVISION),
    "revision label edited": lambda meta: meta["labels"].update({LABEL_REVISION: "other"}),
    "managed-by removed": lambda meta: meta["labels"].pop(LABEL_MANAGED_BY),
    "owner removed": lambda meta: meta.pop("ownerReferences"),
    "image removed": lambda meta: meta["annotations"].pop(ANNOTATION_IMAGE),
}


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("drift", DRIFT)
async def test_a_record_gets_its_labels_and_owner_again(drift: str, restarted: bool) -> None:
    async with Loop() as loop:
        await loop.create()
        first = loop.stable
        before = loop.get(CONTROLLER_REVISION, f"{NAME}-{first}")
        # when
        edit_record(loop, first, DRIFT[drift])
        if restarted:
            loop.restart()
        await loop.run(30)
        # then
        record = loop.get(CONTROLLER_REVISION, f"{NAME}-{first}")
        for part in ("uid", "labels", "annotations", "ownerReferences"):
            assert record["metadata"].get(part) == before["metadata"][part]
        version = loop.version()
        await loop.run(60)
        assert loop.version() == version
        # and the revision can be gone back to, and goes with its resource
        loop.good()
        await loop.until(lambda: loop.phase == "Ready" and loop.stable != first, 180)
        loop.ask("rollback-to", f"{first}/t")
        await loop.until(lambda: loop.stable == first, 180)
        loop.server.delete(MARAUDERSMAP, NAMESPACE, NAME)
        await loop.run(30)
        assert not loop.all(CONTROLLER_REVISION)


async def test_a_record_without_its_label_can_be_gone_back_to_while_its_repair_is_refused() -> None:
    async with Loop() as loop:
        await loop.create()
        first = loop.stable
        loop.good()
        await loop.until(lambda: loop.phase == "Ready" and loop.stable != first, 180)
        edit_record(loop, first, DRIFT["revision label removed"])
        loop.server.admission.deny(
            lambda r: r.kind is CONTROLLER_REVISION and r.verb == "update", "records are not to be edited"
        )
        loop.ask("rollback-to", f"{first}/t")
        await loop.until(lambda: loop.stable == first, 180)
        assert "ControllerRevision" in loop.condition("ChildrenApplied")["message"]


async def test_other_owners_of_a_record_stay_its_owners() -> None:
    other = {"apiVersion": "v1", "kind": "ConfigMap", "name": "other", "uid": "other-uid"}
    async with Loop() as loop:
        await loop.create()
        loop.server.create(
            CONFIG_MAP, {"metadata": {"name": "other", "namespace": NAMESPACE}}, manager="kubectl"
        )
        other["uid"] = loop.get(CONFIG_MAP, "other")["metadata"]["uid"]
        edit_record(loop, loop.stable, lambda meta: meta.update(ownerReferences=[other]))
        await loop.run(30)
        owners = loop.get(CONTROLLER_REVISION, f"{NAME}-{loop.stable}")["metadata"]["ownerReferences"]
        assert {o["kind"] for o in owners} == {"ConfigMap", "MaraudersMap"}


async def test_who_keeps_relabelling_a_record_is_not_fought_at_full_speed() -> None:
    async with Loop() as loop:
        await loop.create()
        edits = [0]

        def again() -> None:
            record = loop.get(CONTROLLER_REVISION, f"{NAME}-{loop.stable}")
            if LABEL_REVISION in record["metadata"]["labels"]:
                edit_record(loop, loop.stable, DRIFT["revision label removed"])
                edits[0] += 1

        loop.every_tick.append(again)
        await loop.run(120)
        assert 1 < edits[0] < 12
        assert loop.condition("Contested")["status"] == "True"


async def test_a_copy_of_a_record_under_another_name_is_no_record_of_its_revision() -> None:
    async with Loop() as loop:
        await loop.create()
        copy = loop.get(CONTROLLER_REVISION, f"{NAME}-{loop.stable}")
        kept = {part: copy["metadata"][part] for part in ("labels", "ownerReferences")}
        copy["metadata"] = {"name": f"{NAME}-copy", "namespace": NAMESPACE, **kept}
        copy["metadata"]["labels"] = {**kept["labels"], LABEL_REVISION: "copy"}
        loop.server.create(CONTROLLER_REVISION, copy, manager="kubectl")
        await loop.run(10)
        assert loop.get(CONTROLLER_REVISION, f"{NAME}-copy")["metadata"]["labels"][LABEL_REVISION] == "copy"
        assert loop.condition("ChildrenApplied")["status"] == "True"
