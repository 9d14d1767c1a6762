"""Pods of the migrations Job that an admission refuses: the revision's doing, or would it refuse any?"""

from __future__ import annotations

from collections.abc import Callable

from tests.unit.operator.fake.admission import Request
from tests.unit.operator.fake.harness import NAMESPACE, Loop

from maraudersmap_operator.cluster.kinds import JOB, POD


def migrations(request: Request) -> bool:
    labels = request.obj["metadata"].get("labels") or {}
    made = request.kind is POD and request.verb == "create"
    return made and labels.get("app.kubernetes.io/component") == "migrations"


def of_the_bad_one(request: Request) -> bool:
    return migrations(request) and "MISBEHAVE" in str(request.obj)


async def refused(forbid: Callable[[Loop], object]) -> Loop:
    """A candidate whose migrations get no pod, five minutes later."""
    async with Loop() as loop:
        await loop.create(replicas=1, rollout={"minReadySeconds": 1, "bakeSeconds": 5})
        forbid(loop)
        loop.bad("never-ready")
        await loop.run(300)
        return loop


async def test_a_policy_that_admits_the_migrations_of_stable_rejects_the_revision() -> None:
    loop = await refused(lambda loop: loop.server.admission.deny(of_the_bad_one, "not this one"))
    [entry] = loop.rejected
    assert entry["reason"] == "AdmissionRefused"
    assert "not this one" in entry["message"]
    assert entry["detectSeconds"] >= 30


async def test_a_policy_that_admits_no_migrations_rejects_nobody() -> None:
    loop = await refused(lambda loop: loop.server.admission.deny(migrations, "none at all"))
    assert not loop.rejected
    assert loop.status["history"][0]["outcome"] == "Withdrawn"


async def test_a_quota_rejects_nobody() -> None:
    loop = await refused(lambda loop: loop.server.admission.quota(NAMESPACE, pods="2"))
    assert not loop.rejected
    assert len(loop.all(JOB)) >= 1


async def test_a_job_that_may_not_be_made_is_one_attempt_and_tried_less_and_less_often() -> None:
    """Each pass would otherwise ask for the next attempt, a Job of another name, that no pause holds up."""
    asked: list[str] = []

    def refuse(request: Request) -> bool:
        mine = request.kind is JOB and request.verb == "create"
        if mine:
            asked.append(request.obj["metadata"]["name"])
        return mine

    async with Loop() as loop:
        await loop.create(replicas=1, rollout={"minReadySeconds": 1, "bakeSeconds": 5})
        loop.server.admission.forbid(refuse, "no Jobs today")
        loop.good()
        await loop.run(60)
        assert loop.candidate["memory"]["migrations"]["attempt"] == 1
        assert len(set(asked)) == 1
        assert len(asked) <= 6  # after 5 s, 10 s, 20 s ...
        assert "no Jobs today" in str(loop.status["conditions"])
        loop.server.admission.rules.clear()
        assert await loop.until(lambda: "candidate" not in loop.status, 300)
        assert loop.status["history"][0]["outcome"] == "Promoted"
