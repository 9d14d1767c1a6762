"""A restart of the operator changes nothing that users read."""

from __future__ import annotations

from tests.unit.operator.fake.faults import Effect
from tests.unit.operator.fake.harness import NAMESPACE, Loop

from maraudersmap_operator.cluster.kinds import CONFIG_MAP, DEPLOYMENT

REFERS = {"replicas": 2, "config": {"configMapRefs": [{"name": "owl"}]}}


def owl(loop: Loop) -> None:
    """What the spec refers to."""
    body = {"metadata": {"name": "owl", "namespace": NAMESPACE}, "data": {"OWL": "Hedwig"}}
    loop.server.create(CONFIG_MAP, body, manager="kubectl")


def phases(loop: Loop) -> list[tuple[str, str]]:
    """Filled with each (phase, Ready) that is seen from now on; the phase is empty while it is of an earlier generation."""
    seen: list[tuple[str, str]] = []

    def look() -> None:
        now = (loop.phase, str(loop.condition("Ready").get("status")))
        if not seen or seen[-1] != now:
            seen.append(now)

    loop.every_tick.append(look)
    return seen


async def test_a_ready_resource_stays_ready_while_its_references_are_read() -> None:
    async with Loop() as loop:
        owl(loop)
        await loop.create(**REFERS)
        await loop.run(120)
        version, seen = loop.version(), phases(loop)
        loop.restart()
        await loop.run(30)
        assert seen == [("Ready", "True")]
        assert loop.version() == version, "nothing was written"


async def test_an_edit_that_rolls_nothing_out_leaves_it_ready() -> None:
    async with Loop() as loop:
        owl(loop)
        await loop.create(**REFERS)
        seen = phases(loop)
        loop.faults.add(Effect.SLOW, verb="get", kind=CONFIG_MAP, name="owl", seconds=0.6)
        loop.edit(rollout={"progressDeadlineSeconds": 900})
        await loop.until(
            lambda: loop.status["observedGeneration"] == loop.resource["metadata"]["generation"], 30
        )
        assert seen == [("", "True"), ("Ready", "True")]


async def test_what_has_happened_meanwhile_is_reported_as_soon_as_they_are_read() -> None:
    async with Loop() as loop:
        owl(loop)
        await loop.create(**REFERS)
        name = loop.deployments()[loop.stable]["metadata"]["name"]
        loop.controllers.kubelet.unready |= {p["metadata"]["name"] for p in loop.pods(loop.stable)}
        loop.restart()
        await loop.until(lambda: loop.phase == "Degraded", 10)
        assert loop.get(DEPLOYMENT, name)["spec"]["replicas"] == 2


async def test_a_reference_that_cannot_be_read_is_reported() -> None:
    async with Loop() as loop:
        owl(loop)
        await loop.create(**REFERS)
        loop.server.delete(CONFIG_MAP, NAMESPACE, "owl")
        loop.restart()
        await loop.until(lambda: loop.phase == "Stalled", 10)
        assert "owl" in loop.condition("Ready")["message"]
