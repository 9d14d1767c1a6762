"""A route whose part of the spec is not understood keeps its shape; the candidate's share of it goes back all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.unit.operator.fake import schema
from tests.unit.operator.fake.faults import Effect
from tests.unit.operator.fake.harness import API, NAMESPACE, Loop

from maraudersmap_operator.cluster.kinds import HTTP_ROUTE

PREVIEW = f"{API}-preview"
SPEC: dict[str, Any] = {
    "gateway": {"parentRefs": [{"name": "gate"}], "hostnames": ["map.example"]},
    "service": {"port": 8080},
    "rollout": {
        "strategy": "Canary",
        "steps": [{"share": 30, "pause": True}],
        "minReadySeconds": 1,
        "bakeSeconds": 5,
    },
}
# In the place of the parts that the route is made of, whole or with a field more.
STRANGE: dict[str, dict[str, Any]] = {
    "gateway": {"gateway": "enchanted"},
    "gateway's field": {"gateway": {"rules": ["enchanted"], "hostnames": ["owl.example"]}},
    "service": {"service": "enchanted"},
    "both": {"gateway": "enchanted", "service": "enchanted"},
}
NOT_UNDERSTOOD = pytest.mark.parametrize("change", STRANGE.values(), ids=STRANGE.keys())


@pytest.fixture
async def loop() -> AsyncIterator[Loop]:
    """A candidate with a share of the requests."""
    async with Loop() as started:
        started.server.served.add(HTTP_ROUTE)
        await started.create(**SPEC)
        started.good()
        await started.until(lambda: share(started) == 30, 60)
        await started.run(5)
        yield started


def share(loop: Loop) -> int:
    """Percent of the route's requests that the candidate gets."""
    [weight] = [b["weight"] for b in backends(loop) if b["name"] == PREVIEW]
    return int(weight)


def backends(loop: Loop) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = loop.get(HTTP_ROUTE, API)["spec"]["rules"][0]["backendRefs"]
    return found


def shape(loop: Loop) -> Any:
    """All of the route but its weights."""
    spec = loop.get(HTTP_ROUTE, API)["spec"]
    for backend in spec["rules"][0]["backendRefs"]:
        del backend["weight"]
    return spec


def is_set(loop: Loop, change: dict[str, Any]) -> None:
    """By someone, under a definition that has other shapes for these parts; this operator has just started."""
    newer = schema.declared()
    for part in change:
        newer["properties"]["spec"]["properties"][part] = {"x-kubernetes-preserve-unknown-fields": True}
    loop.server.upgrade(newer)
    loop.edit(**change)
    loop.restart()


@NOT_UNDERSTOOD
async def test_the_route_stays_as_it_is(loop: Loop, change: dict[str, Any]) -> None:
    before, selected = loop.get(HTTP_ROUTE, API)["spec"], loop.selected
    # when
    is_set(loop, change)
    await loop.run(30)
    # then
    assert loop.get(HTTP_ROUTE, API)["spec"] == before
    assert (loop.selected, loop.candidate["step"]) == (selected, "Sharing")
    assert len(loop.endpoints(PREVIEW)) > 0


@NOT_UNDERSTOOD
@pytest.mark.parametrize("why", ["bad", "aborted"])
async def test_a_candidate_that_goes_back_loses_its_share_before_its_pods(
    loop: Loop, change: dict[str, Any], why: str
) -> None:
    before, candidate = shape(loop), str(loop.candidate["revision"])
    is_set(loop, change)
    await loop.run(5)
    lost: list[int] = []
    loop.every_tick.append(lambda: lost.append(share(loop) if not loop.pods(candidate) else 0))
    # when
    if why == "bad":
        loop.controllers.kubelet.broken |= {p["metadata"]["name"] for p in loop.pods(candidate)}
    else:
        loop.ask("abort")
    # then
    await loop.until(lambda: share(loop) == 0, 10)
    await loop.until(lambda: bool(loop.rejected) and not loop.pods(candidate), 60)
    assert not any(lost)
    assert shape(loop) == before
    # and once it is understood again, it is as asked for
    loop.edit(
        gateway=SPEC["gateway"] | {"rules": None, "hostnames": ["owl.example"]}, service=SPEC["service"]
    )
    await loop.until(lambda: shape(loop) == before | {"hostnames": ["owl.example"]}, 60)


async def test_no_route_is_made_of_a_part_that_is_not_understood(loop: Loop) -> None:
    loop.server.delete(HTTP_ROUTE, NAMESPACE, API)
    # when
    is_set(loop, STRANGE["gateway's field"])
    await loop.run(30)
    # then
    assert loop.find(HTTP_ROUTE, API) is None
    assert loop.condition("ChildrenApplied")["status"] == "True"


async def test_what_an_unread_route_may_lead_to_stays(loop: Loop) -> None:
    candidate = str(loop.candidate["revision"])
    loop.restart()
    fault = loop.faults.add(Effect.STATUS, status=403, kind=HTTP_ROUTE)
    # when
    loop.ask("abort")
    await loop.run(30)
    # then
    assert share(loop) == 30
    assert len(loop.endpoints(PREVIEW)) > 0
    loop.faults.active.remove(fault)
    await loop.until(lambda: share(loop) == 0 and not loop.pods(candidate), 60)
