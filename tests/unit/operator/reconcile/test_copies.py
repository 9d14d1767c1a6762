"""The copies of ConfigMaps that pods of a revision in use read: without one, the next pod cannot start."""

from __future__ import annotations

import pytest
from tests.unit.operator.fake.harness import NAME, NAMESPACE, Loop

from maraudersmap_operator.cluster.kinds import CONFIG_MAP, CONTROLLER_REVISION

SOURCE = "owl"


async def with_newer_content_wanted(loop: Loop, *, record: bool = True) -> str:
    """Stable was made with the first content, no rollout may begin; the copy that its pods read."""
    meta = {"name": SOURCE, "namespace": NAMESPACE}
    loop.server.create(CONFIG_MAP, {"metadata": meta, "data": {"OWL": "Hedwig"}}, manager="kubectl")
    await loop.create(config={"configMapRefs": [{"name": SOURCE}]})
    loop.edit(rollout={"paused": True})
    await loop.run(5)
    if not record:
        loop.server.admission.forbid(
            lambda r: r.kind is CONTROLLER_REVISION and r.verb == "create", "exceeded quota"
        )
        loop.server.delete(CONTROLLER_REVISION, NAMESPACE, f"{NAME}-{loop.stable}")
    set_content(loop, "Errol")
    await loop.run(30)
    template = loop.deployments()[loop.stable]["spec"]["template"]
    return str(template["spec"]["containers"][0]["envFrom"][0]["configMapRef"]["name"])


def set_content(loop: Loop, owl: str) -> None:
    loop.server.merge(CONFIG_MAP, NAMESPACE, SOURCE, {"data": {"OWL": owl}}, manager="kubectl")
    loop.ask("touched")


@pytest.mark.parametrize("restarted", [False, True])
async def test_what_running_pods_read_stays_although_no_record_names_it(restarted: bool) -> None:
    async with Loop() as loop:
        copy = await with_newer_content_wanted(loop, record=False)
        if restarted:
            loop.restart()
        await loop.run(200)
        assert loop.find(CONFIG_MAP, copy) is not None


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_lost_copy_is_reported_with_the_remedy(restarted: bool) -> None:
    async with Loop() as loop:
        copy = await with_newer_content_wanted(loop)
        assert loop.condition("ChildrenApplied")["status"] == "True"
        # when
        loop.server.delete(CONFIG_MAP, NAMESPACE, copy)
        if restarted:
            loop.restart()
        # then
        await loop.until(lambda: loop.condition("ChildrenApplied")["status"] == "False", 30)
        found = loop.condition("ChildrenApplied")
        assert found["reason"] == "ConfigMapNotFound"
        assert copy in found["message"]
        assert loop.stable in found["message"]
        assert f"{SOURCE!r}" in found["message"]
        # and it follows what is wanted: nothing is written meanwhile
        await loop.run(120)
        version = loop.version()
        await loop.run(60)
        assert loop.version() == version
        # and the remedy is one
        set_content(loop, "Hedwig")
        await loop.until(lambda: loop.find(CONFIG_MAP, copy) is not None, 200)
        await loop.until(lambda: loop.condition("ChildrenApplied")["status"] == "True", 30)


async def test_a_rollout_of_the_newer_content_ends_it_too() -> None:
    async with Loop() as loop:
        copy = await with_newer_content_wanted(loop)
        loop.server.delete(CONFIG_MAP, NAMESPACE, copy)
        await loop.until(lambda: loop.condition("ChildrenApplied")["status"] == "False", 30)
        first = loop.stable
        loop.edit(rollout={"paused": False})
        await loop.until(lambda: loop.stable != first and loop.phase == "Ready", 300)
        assert loop.condition("ChildrenApplied")["status"] == "True"


async def test_a_copy_that_only_lost_its_labels_is_not_missing() -> None:
    async with Loop() as loop:
        copy = await with_newer_content_wanted(loop)
        labels = {"metadata": {"labels": {"app.kubernetes.io/managed-by": None}}}
        loop.server.merge(CONFIG_MAP, NAMESPACE, copy, labels, manager="kubectl-label")
        loop.restart()
        await loop.run(60)
        assert loop.condition("ChildrenApplied")["status"] == "True"
        assert loop.find(CONFIG_MAP, copy) is not None
