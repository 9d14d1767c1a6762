"""What Gateways and the objects that they follow do to users and to a rollout: stories of the whole loop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

from tests.unit.operator.fake.controllers.gateways import Gateways
from tests.unit.operator.fake.harness import API, NAMESPACE, Loop

from maraudersmap_operator.cluster.kinds import HTTP_ROUTE, SERVICE
from maraudersmap_operator.resource.names import LABEL_REVISION

from .test_cases import RESTORED, always, in_the_bake, names

PREVIEW = f"{API}-preview"
GATEWAY = {"parentRefs": [{"name": "gate"}]}
HALF = {"strategy": "Canary", "steps": [{"share": 50, "holdSeconds": 300}]}


def share(loop: Loop) -> int:
    """Percent of the Gateway's requests that the preview Service gets."""
    [_, preview] = loop.get(HTTP_ROUTE, API)["spec"]["rules"][0]["backendRefs"]
    weight: int = preview["weight"]
    return weight


@asynccontextmanager
async def behind_a_gateway(**spec: Any) -> AsyncIterator[Loop]:
    """A resource that is Ready."""
    async with Loop() as loop:
        loop.server.served.add(HTTP_ROUTE)
        await loop.create(gateway=GATEWAY, **spec)
        yield loop


async def sharing(loop: Loop) -> None:
    """A good candidate has half of the Gateway's requests."""
    loop.good()
    await loop.until(lambda: loop.candidate.get("step") == "Sharing" and share(loop) == 50, 120)
    await loop.run(5)


def led_nowhere(loop: Loop) -> list[int]:
    """For how many seconds in a row, from now on, requests are sent to the preview Service and no pod is behind it."""
    spells = [0]

    def look() -> None:
        if share(loop) and not loop.endpoints(PREVIEW):
            spells[-1] += 1
        elif spells[-1]:
            spells.append(0)

    loop.every_tick.append(look)
    return spells


# --- the share of a Gateway's requests leads to pods, or is none ------------------------------------------------------
async def test_a_share_returns_to_stable_when_the_preview_service_is_gone() -> None:
    async with behind_a_gateway(rollout=HALF) as loop:
        # given
        await sharing(loop)
        spells = led_nowhere(loop)
        # when
        refused = loop.server.admission.deny(
            lambda r: r.kind is SERVICE and r.verb == "create", "no new Services"
        )
        loop.server.delete(SERVICE, NAMESPACE, PREVIEW)
        # then
        await loop.run(60)
        assert share(loop) == 0
        assert max(spells) <= RESTORED
        assert loop.candidate["step"] == "Sharing"
        assert "preview Service" in loop.status["message"]
        # and when it may be made again
        loop.server.admission.lift(refused)
        await loop.until(lambda: bool(loop.endpoints(PREVIEW)), 130)
        await loop.run(3)
        assert share(loop) == 0  # the Gateway has yet to hear of them
        await loop.until(lambda: share(loop) == 50, 20)
        assert max(spells) <= RESTORED


async def test_a_share_does_not_come_and_go_with_every_edit_of_the_preview_services_selector() -> None:
    async with behind_a_gateway(rollout=HALF) as loop:
        # given
        await sharing(loop)
        spells, shares = led_nowhere(loop), [share(loop)]
        loop.every_tick.append(lambda: shares.append(share(loop)))
        # when
        for _ in range(30):
            loop.server.merge(
                SERVICE, NAMESPACE, PREVIEW, {"spec": {"selector": {"extra": "key"}}}, manager="kubectl-patch"
            )
            await loop.run(5)
        # then
        assert max(spells) <= RESTORED
        moves = sum(before != after for before, after in pairwise(shares))
        assert moves == 1
        # and when that is over
        await loop.until(lambda: share(loop) == 50, 130)


async def test_a_share_stays_while_the_operator_is_exchanged() -> None:
    async with behind_a_gateway(rollout=HALF) as loop:
        # given
        await sharing(loop)
        always(loop, lambda: share(loop) == 50, "the share stays")
        # when
        loop.restart()
        # then
        await loop.run(30)


# --- a Gateway that does not answer keeps no verdict back -------------------------------------------------------------
def silence_gateways(loop: Loop) -> None:
    """Their controller is away: they go on with the version of the route that they have."""
    loop.controllers.off.add(Gateways)
    loop.edit(gateway={"hostnames": ["map.hogwarts.example"]})


async def test_a_good_revision_is_done_although_the_gateways_controller_is_away() -> None:
    async with behind_a_gateway() as loop:
        # given
        before = loop.stable
        silence_gateways(loop)
        await loop.run(70)
        # when
        loop.good()
        # then: it had no share of the Gateway's requests
        await loop.until(lambda: loop.stable != before, 120)
        await loop.run(5)
        assert set(loop.deployments()) == {loop.stable}


async def test_a_bad_revision_enters_the_ledger_although_the_gateways_controller_is_away() -> None:
    async with behind_a_gateway() as loop:
        # given
        silence_gateways(loop)
        await loop.run(70)
        revision = await in_the_bake(loop)
        # when
        loop.controllers.kubelet.unready |= names(loop.pods(revision))
        # then
        await loop.until(lambda: bool(loop.rejected), 60)
        assert loop.rejected[0]["reason"] == "NotReadyAfterPromotion"
        # and what a Gateway may send requests to stays until it is known not to
        await loop.run(60)
        assert revision in loop.deployments()
        assert loop.get(SERVICE, PREVIEW)["spec"]["selector"][LABEL_REVISION] == revision
        loop.controllers.off.discard(Gateways)
        await loop.until(lambda: revision not in loop.deployments(), 30)


# --- what an earlier implementation of a Gateway has left behind ------------------------------------------------------
async def test_a_canary_goes_through_beside_the_word_of_a_gateways_predecessor() -> None:
    async with behind_a_gateway(rollout={"strategy": "Canary", "steps": [{"share": 50}]}) as loop:
        # given: another implementation has taken the Gateway over, and the route has been changed since
        loop.controllers.gateways.predecessor = True
        loop.edit(gateway={"hostnames": ["map.hogwarts.example"]})
        await loop.run(70)
        assert loop.condition("RouteReady")["status"] == "True"
        before = loop.stable
        # when
        loop.good()
        # then
        await loop.until(lambda: loop.stable != before, 180)
        # and a bad one goes back
        loop.bad("ready-then-dies:20")
        await loop.until(lambda: bool(loop.rejected), 180)
