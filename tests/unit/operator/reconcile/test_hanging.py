"""Traffic goes back within 3 s of need while one kind of call never gets an answer."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.operator.fake.faults import Call, Effect
from tests.unit.operator.fake.harness import NAMESPACE, Loop

from maraudersmap_operator.cluster.client import REQUEST_TIMEOUT_SECONDS
from maraudersmap_operator.cluster.kinds import (
    AUTOSCALER,
    CONFIG_MAP,
    CONTROLLER_REVISION,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    ENDPOINT_SLICE,
    EVENT,
    HTTP_ROUTE,
    JOB,
    MARAUDERSMAP,
    NETWORK_POLICY,
    NODE,
    POD,
    REPLICA_SET,
    SECRET,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
    Kind,
)

CHILDREN = (
    AUTOSCALER, CONFIG_MAP, CONTROLLER_REVISION, DEPLOYMENT, DISRUPTION_BUDGET, HTTP_ROUTE, JOB, NETWORK_POLICY, SECRET,
    SERVICE, SERVICE_ACCOUNT, STATEFUL_SET,
)  # fmt: skip
READ = (
    CONFIG_MAP, CONTROLLER_REVISION, DEPLOYMENT, ENDPOINT_SLICE, EVENT, HTTP_ROUTE, JOB, MARAUDERSMAP, NODE, POD, REPLICA_SET,
    SECRET, SERVICE,
)  # fmt: skip
WRITTEN: dict[str, tuple[Kind, ...]] = {
    "all children": CHILDREN,
    "HTTPRoute": (HTTP_ROUTE,),
    "Event": (EVENT,),
    "status": (MARAUDERSMAP,),
}
RESTORED = 3
EVERYTHING = {
    "replicas": 2,
    "autoscaling": {"enabled": True, "minReplicas": 2, "maxReplicas": 5},
    "cache": {"disabled": False, "evaluation": {}},
    "config": {"configMapRefs": [{"name": "owl"}]},
    "gateway": {"parentRefs": [{"name": "gate"}]},
    "rollout": {"bakeSeconds": 60, "minReadySeconds": 1},
}


async def baking(loop: Loop, **spec: Any) -> tuple[str, str]:
    """A candidate that has all traffic; the stable revision's name and its own."""
    loop.server.served.add(HTTP_ROUTE)
    owl = {"metadata": {"name": "owl", "namespace": NAMESPACE}, "data": {"OWL": "Hedwig"}}
    loop.server.create(CONFIG_MAP, owl, manager="kubectl")
    await loop.create(**{**EVERYTHING, **spec})
    stable = loop.stable
    loop.good()
    await loop.until(lambda: loop.candidate.get("step") == "Baking" and len(loop.endpoints()) >= 2, 120)
    return stable, str(loop.candidate["revision"])


async def restored(loop: Loop, stable: str, candidate: str) -> None:
    # when: its containers end, with words to be masked
    loop.controllers.kubelet.broken |= {p["metadata"]["name"] for p in loop.pods(candidate)}
    # then: a second until they have ended, and what is promised
    assert await loop.until(lambda: loop.selected == stable, 60) <= 1 + RESTORED


@pytest.mark.parametrize("kind", READ, ids=lambda kind: kind.kind)
async def test_reads_that_hang_hold_no_traffic_on_dead_pods(kind: Kind) -> None:
    async with Loop() as loop:
        stable, candidate = await baking(loop)
        loop.faults.add(Effect.TIMEOUT, kind=kind, only_reads=True, seconds=REQUEST_TIMEOUT_SECONDS)
        await restored(loop, stable, candidate)


@pytest.mark.parametrize("what", WRITTEN)
@pytest.mark.parametrize("effect", [Effect.TIMEOUT, Effect.LOST])
async def test_writes_that_hang_hold_no_traffic_on_dead_pods(effect: Effect, what: str) -> None:
    """Something has to be written just then: someone has touched every child, and the resource is edited."""

    def hangs(call: Call) -> bool:
        return call.kind in WRITTEN[what] and (call.kind, call.verb) != (SERVICE, "patch")

    async with Loop() as loop:
        stable, candidate = await baking(loop)
        loop.faults.add(effect, only_writes=True, seconds=REQUEST_TIMEOUT_SECONDS, when=hangs)
        touched(loop)
        loop.edit(networkPolicy={"enabled": False})
        await loop.run(2)
        await restored(loop, stable, candidate)


def touched(loop: Loop) -> None:
    """One label of each child is someone else's now."""
    patch = {"metadata": {"labels": {"app.kubernetes.io/component": "other"}}}
    for kind in CHILDREN:
        for obj in loop.all(kind):
            if kind is not JOB and "app.kubernetes.io/managed-by" in (obj["metadata"].get("labels") or {}):
                loop.server.merge(kind, NAMESPACE, obj["metadata"]["name"], patch, manager="kubectl-label")
