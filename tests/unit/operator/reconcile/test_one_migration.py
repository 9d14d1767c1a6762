"""Never two migrations of a revision at once, whatever becomes of the Job."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.unit.operator.fake.harness import NAMESPACE, Loop

from maraudersmap_operator.cluster import Manifest
from maraudersmap_operator.cluster.kinds import JOB, POD
from maraudersmap_operator.resource.names import LABEL_COMPONENT, LABEL_MANAGED_BY, LABEL_REVISION


def running(loop: Loop) -> list[Manifest]:
    return [
        p
        for p in loop.all(POD)
        if p["metadata"]["labels"].get(LABEL_COMPONENT) == "migrations" and p["status"]["phase"] == "Running"
    ]


def unlabelled(*labels: str) -> Callable[[Loop, str], None]:
    def act(loop: Loop, job: str) -> None:
        patch = {"metadata": {"labels": dict.fromkeys(labels)}}
        loop.server.merge(JOB, NAMESPACE, job, patch, manager="kubectl-label")

    return act


def orphaned(loop: Loop, job: str) -> None:
    loop.server.delete(JOB, NAMESPACE, job, orphan=True)


WAYS = {
    "revision label removed": unlabelled(LABEL_REVISION),
    "all of its labels removed": unlabelled(LABEL_REVISION, LABEL_COMPONENT, LABEL_MANAGED_BY),
    "deleted with --cascade=orphan": orphaned,
}


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("way", WAYS)
async def test_a_migration_that_runs_is_the_only_one(way: str, restarted: bool) -> None:
    async with Loop() as loop:
        await loop.create(migrations={"timeoutSeconds": 120})
        loop.edit(config={"env": [{"name": "MISBEHAVE", "value": "migrate-hangs"}]})
        await loop.until(lambda: bool(running(loop)), 60)
        [pod] = running(loop)
        loop.every_tick.append(lambda: most.append(len(running(loop))))
        most: list[int] = []
        # when
        [job] = [j for j in loop.jobs() if loop.candidate["revision"] in j]
        WAYS[way](loop, job)
        if restarted:
            loop.restart()
        await loop.run(60)
        # then
        assert max(most) == 1
        assert [p["metadata"]["uid"] for p in running(loop)] == [pod["metadata"]["uid"]]


async def test_the_next_attempt_follows_when_the_one_that_was_left_behind_has_ended() -> None:
    async with Loop() as loop:
        await loop.create()
        first = loop.stable
        loop.bad("migrate-hangs")
        await loop.until(lambda: bool(running(loop)), 60)
        [pod] = running(loop)
        [job] = [j for j in loop.jobs() if loop.candidate["revision"] in j]
        orphaned(loop, job)
        await loop.run(20)
        assert job not in loop.jobs()
        assert pod["metadata"]["name"] in loop.status["message"]
        loop.server.delete(POD, NAMESPACE, pod["metadata"]["name"])
        await loop.until(lambda: any(loop.candidate["revision"] in j for j in loop.jobs()), 60)
        assert loop.selected == first
