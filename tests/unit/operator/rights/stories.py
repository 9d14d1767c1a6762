"""Stories that together make every kind of call the operator ever makes: what they use is what its roles must grant.

Each is short, because each is played once for every right that it is the first to use, without that right. Their waits are
limits: a story that lacks a right may end in an AssertionError.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tests.unit.operator.fake.admission import Request
from tests.unit.operator.fake.faults import Effect
from tests.unit.operator.fake.harness import NAME, NAMESPACE, Loop

from maraudersmap_operator.cluster import Manifest
from maraudersmap_operator.cluster.kinds import (
    AUTOSCALER,
    CONFIG_MAP,
    CONTROLLER_REVISION,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    ENDPOINT_SLICE,
    EVENT,
    HTTP_ROUTE,
    INGRESS,
    JOB,
    MONITORING,
    NETWORK_POLICY,
    POD,
    REPLICA_SET,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
    Kind,
)

POSTGRES = f"{NAME}-postgres"
ABSENT = "no-such-registry.invalid/postgres:17"
SHORT: Manifest = {"bakeSeconds": 5, "minReadySeconds": 1}
EVERYTHING: Manifest = {
    "replicas": 2,
    "ingress": {"host": "map.hogwarts.example"},
    "autoscaling": {"enabled": True, "minReplicas": 2, "maxReplicas": 3},
    "cache": {"disabled": False, "evaluation": {}},
    "config": {"configMapRefs": [{"name": "owl"}]},
    "rollout": SHORT,
}
WATCHED = (
    DEPLOYMENT, REPLICA_SET, STATEFUL_SET, CONTROLLER_REVISION, POD, SERVICE, SERVICE_ACCOUNT, CONFIG_MAP,
    ENDPOINT_SLICE, JOB, AUTOSCALER, DISRUPTION_BUDGET, NETWORK_POLICY, INGRESS,
)  # fmt: skip
PUT_RIGHT = 60

Story = Callable[[Loop], Awaitable[None]]


async def everything_is_made_and_made_again(loop: Loop) -> None:
    """Each child is created; one that is deleted comes back."""
    await _everything(loop)
    for kind in _MADE:
        obj = _own(loop, kind)
        loop.server.delete(kind, NAMESPACE, obj["metadata"]["name"])
        await loop.until(lambda k=kind: bool(loop.all(k)), PUT_RIGHT)  # type: ignore[misc]


async def what_others_change_is_put_right(loop: Loop) -> None:
    """An annotation, a label, a field of each child."""
    await _everything(loop)
    for kind in _MADE:
        name = _own(loop, kind)["metadata"]["name"]
        _label(loop, kind, name, "app.kubernetes.io/component", "other")

        def right(kind: Kind = kind, name: str = name) -> bool:
            labels = (loop.find(kind, name) or {"metadata": {}})["metadata"].get("labels") or {}
            return labels.get("app.kubernetes.io/component") != "other"

        await loop.until(right, PUT_RIGHT)


async def a_lost_label_is_looked_into(loop: Loop) -> None:
    """The watch reports each kind's object as deleted: a read settles it."""
    await _everything(loop)
    for kind in WATCHED:
        name = _own(loop, kind)["metadata"]["name"]
        _label(loop, kind, name, "app.kubernetes.io/managed-by", None)
        await loop.run(2)
        assert loop.operator.store.resource((NAMESPACE, NAME)) is not None  # type: ignore[arg-type]


async def what_nobody_wants_any_more_goes(loop: Loop) -> None:
    """Everything that a spec can stop asking for."""
    await _everything(loop)
    user_object(loop, SECRET, "db", stringData={"url": "postgresql://map:right@db:5432/map"})
    external = {"secretRef": {"name": "db", "key": "url"}}
    loop.edit(
        ingress=None,
        autoscaling={"enabled": False},
        networkPolicy={"enabled": False},
        cache={"disabled": True, "evaluation": None},
        config={"configMapRefs": None},
        database={"evaluation": None, "external": external},
        availability={"podDisruptionBudget": {"enabled": False}},
        rollout={"revisionHistoryLimit": 1},
    )
    for _ in range(3):
        await loop.until(lambda: loop.phase == "Ready" and not loop.candidate, 200)
        loop.good()
        await loop.tick()
    await loop.until(lambda: loop.phase == "Ready" and not loop.candidate, 200)
    gone = (INGRESS, AUTOSCALER, NETWORK_POLICY, STATEFUL_SET, DISRUPTION_BUDGET)
    await loop.until(lambda: not any(loop.all(kind) for kind in gone), PUT_RIGHT)
    await loop.until(lambda: len(loop.revisions()) <= 3, PUT_RIGHT)
    await loop.until(lambda: [c["metadata"]["name"] for c in loop.all(CONFIG_MAP)] == ["owl"], PUT_RIGHT)


async def a_bad_revision_is_judged(loop: Loop) -> None:
    """Twice, so that its Event is counted up."""
    await loop.create(replicas=2, rollout=SHORT)
    loop.bad("crash")
    await loop.until(lambda: loop.phase == "RolledBack", 90)
    assert loop.rejected[0]["evidence"]["logs"]
    loop.ask("retry")
    await loop.until(lambda: bool(loop.candidate), 30)
    await loop.until(lambda: loop.phase == "RolledBack", 120)
    assert any(e.get("count", 1) > 1 for e in loop.all(EVENT))


async def a_pod_that_no_one_admits(loop: Loop) -> None:
    """The cluster is asked whether it would admit stable's."""
    await loop.create(replicas=2, rollout=SHORT)

    def of_the_bad_one(request: Request) -> bool:
        labels = request.obj["metadata"].get("labels") or {}
        api = request.kind is POD and labels.get("app.kubernetes.io/component") == "api"
        return api and request.verb == "create" and "MISBEHAVE" in str(request.obj)

    loop.server.admission.deny(of_the_bad_one, "not this one")
    loop.bad("never-ready")
    await loop.until(lambda: bool(loop.rejected), 300)


async def an_answer_gets_lost(loop: Loop) -> None:
    """The status may be stored all the same: read before anything else."""
    await loop.create(replicas=1, rollout=SHORT)
    loop.faults.add(Effect.LOST, verb="apply_status", times=3)
    loop.bad("crash")
    await loop.until(lambda: loop.phase == "RolledBack", 90)


async def a_node_is_lost(loop: Loop) -> None:
    """Unready pods: is it their node?"""
    await loop.create(replicas=2, rollout=SHORT)
    loop.controllers.kubelet.unready |= {p["metadata"]["name"] for p in loop.pods()[:1]}
    await loop.run(5)


async def a_database_pod_stands_in_its_own_way(loop: Loop) -> None:
    """It never came up, and its StatefulSet waits for it."""
    loop.use_images(postgres=ABSENT)
    loop.restart()
    loop.apply(replicas=1, rollout=SHORT)
    await loop.run(30)
    loop.use_images(postgres="postgres:16")
    loop.restart()
    await loop.until(lambda: loop.phase == "Ready", 120)


async def a_secret_has_lost_a_key(loop: Loop) -> None:
    """A value of the operator's own is made again."""
    await loop.create(replicas=1, rollout=SHORT)
    [name] = [s["metadata"]["name"] for s in loop.all(SECRET) if "jwt-secret" in s.get("data", {})]
    loop.server.merge(SECRET, NAMESPACE, name, {"data": {"jwt-secret": None}}, manager="kubectl-edit")
    loop.good()
    await loop.until(lambda: "jwt-secret" in loop.get(SECRET, name)["data"], PUT_RIGHT)


async def a_route_comes_and_goes(loop: Loop) -> None:
    """Of a Gateway, and other than a watched kind."""
    loop.server.served.add(HTTP_ROUTE)
    await loop.create(replicas=1, rollout=SHORT, gateway={"parentRefs": [{"name": "gate"}]})
    name = _own(loop, HTTP_ROUTE)["metadata"]["name"]
    loop.edit(gateway={"parentRefs": [{"name": "other-gate"}]})
    await loop.until(lambda: "other-gate" in str(loop.get(HTTP_ROUTE, name)["spec"]), PUT_RIGHT)
    loop.server.delete(HTTP_ROUTE, NAMESPACE, name)
    await loop.until(lambda: loop.find(HTTP_ROUTE, name) is not None, 90)
    loop.edit(gateway=None)
    await loop.until(lambda: loop.find(HTTP_ROUTE, name) is None, PUT_RIGHT)


async def monitoring_comes_and_goes(loop: Loop) -> None:
    """Of kinds that are not watched: made, put right, made again, removed."""
    loop.server.served |= set(MONITORING)
    await loop.create(replicas=1, rollout=SHORT)
    for kind in MONITORING:
        await loop.until(lambda k=kind: bool(loop.all(k)), PUT_RIGHT)  # type: ignore[misc]
    loop.edit(monitoring={"labels": {"release": "prometheus"}})
    for kind in MONITORING:

        def labelled(kind: Kind = kind) -> bool:
            return "release" in _own(loop, kind)["metadata"]["labels"]

        await loop.until(labelled, PUT_RIGHT)
    loop.edit(monitoring={"enabled": False})
    await loop.until(lambda: not any(loop.all(kind) for kind in MONITORING), PUT_RIGHT)


async def migrations_are_given_up(loop: Loop) -> None:
    """A Job that still runs goes with its revision."""
    await loop.create(replicas=1, rollout=SHORT)
    loop.bad("migrate-away")
    await loop.until(lambda: len(loop.jobs()) > 1, 60)
    loop.ask("abort")
    await loop.until(lambda: not loop.candidate, 60)


async def a_job_has_lost_its_owner(loop: Loop) -> None:
    """It is adopted, and not made again."""
    await loop.create(replicas=1, rollout=SHORT)
    [job] = loop.all(JOB)
    orphan = loop.get(JOB, job["metadata"]["name"])
    del orphan["metadata"]["ownerReferences"]
    loop.server.update(JOB, orphan, manager="kubectl-edit")
    await loop.until(lambda: bool(loop.all(JOB)[0]["metadata"].get("ownerReferences")), PUT_RIGHT)


STORIES: tuple[Story, ...] = (
    a_node_is_lost,
    a_secret_has_lost_a_key,
    an_answer_gets_lost,
    a_database_pod_stands_in_its_own_way,
    a_bad_revision_is_judged,
    a_pod_that_no_one_admits,
    migrations_are_given_up,
    a_job_has_lost_its_owner,
    a_route_comes_and_goes,
    monitoring_comes_and_goes,
    everything_is_made_and_made_again,
    what_others_change_is_put_right,
    a_lost_label_is_looked_into,
    what_nobody_wants_any_more_goes,
)

_MADE = (
    DEPLOYMENT, STATEFUL_SET, SERVICE, SERVICE_ACCOUNT, CONFIG_MAP, AUTOSCALER, DISRUPTION_BUDGET, NETWORK_POLICY,
    INGRESS,
)  # fmt: skip


async def _everything(loop: Loop) -> None:
    user_object(loop, CONFIG_MAP, "owl", data={"OWL": "Hedwig"})
    await loop.create(**EVERYTHING)


def user_object(loop: Loop, kind: Kind, name: str, **body: Any) -> None:
    obj = {"metadata": {"name": name, "namespace": NAMESPACE}, **body}
    loop.server.create(kind, obj, manager="kubectl-client-side-apply")


def _own(loop: Loop, kind: Kind) -> Manifest:
    """One of the operator's own, or of what its own have made."""
    return next(
        o for o in loop.all(kind) if "app.kubernetes.io/managed-by" in (o["metadata"].get("labels") or {})
    )


def _label(loop: Loop, kind: Kind, name: str, label: str, value: str | None) -> None:
    patch = {"metadata": {"labels": {label: value}}}
    loop.server.merge(kind, NAMESPACE, name, patch, manager="kubectl-label")
