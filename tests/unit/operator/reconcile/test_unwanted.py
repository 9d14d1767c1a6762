"""What no watch shows and nobody asks for any more goes, whatever came between."""

from __future__ import annotations

from tests.unit.operator.fake.faults import Effect
from tests.unit.operator.fake.harness import NAME, NAMESPACE, Loop

from maraudersmap_operator.cluster.kinds import CONFIG_MAP, HTTP_ROUTE, MARAUDERSMAP

ROUTE = f"{NAME}-api"
GATEWAY = {"parentRefs": [{"name": "gate"}]}
SHORT = {"bakeSeconds": 5, "minReadySeconds": 1}


async def routed(loop: Loop, **spec: object) -> None:
    loop.server.served.add(HTTP_ROUTE)
    await loop.create(replicas=1, rollout=SHORT, gateway=GATEWAY, **spec)
    assert loop.find(HTTP_ROUTE, ROUTE) is not None


async def test_a_route_goes_although_the_pass_that_saw_the_edit_was_overtaken() -> None:
    """References are read again after each edit, which makes another pass follow at once."""
    async with Loop() as loop:
        owl = {"metadata": {"name": "owl", "namespace": NAMESPACE}, "data": {"OWL": "Hedwig"}}
        loop.server.create(CONFIG_MAP, owl, manager="kubectl")
        await routed(loop, config={"configMapRefs": [{"name": "owl"}]})
        loop.edit(gateway=None)
        await loop.until(lambda: loop.find(HTTP_ROUTE, ROUTE) is None, 10)


async def test_a_route_goes_although_the_operator_that_saw_the_edit_is_gone() -> None:
    async with Loop() as loop:
        await routed(loop)
        loop.faults.add(Effect.STATUS, status=503, verb="delete", kind=HTTP_ROUTE)
        loop.edit(gateway=None)
        await loop.until(lambda: "HTTPRoute" in loop.condition("ChildrenApplied").get("message", ""), 30)
        loop.restart()
        loop.faults.clear()
        await loop.until(lambda: loop.find(HTTP_ROUTE, ROUTE) is None, 30)
        await loop.until(lambda: loop.condition("ChildrenApplied")["status"] == "True", 30)
        # and nothing asks for it again
        await loop.run(5)
        asked = loop.operator.cluster.calls["get", "HTTPRoute"]
        loop.good()
        await loop.until(lambda: loop.phase == "Ready" and not loop.candidate, 120)
        assert loop.operator.cluster.calls["get", "HTTPRoute"] == asked


async def test_a_route_of_someone_else_that_has_the_name_stays() -> None:
    async with Loop() as loop:
        loop.server.served.add(HTTP_ROUTE)
        meta = {"name": ROUTE, "namespace": NAMESPACE}
        theirs = {"metadata": meta, "spec": {"parentRefs": [{"name": "other"}], "rules": []}}
        loop.server.create(HTTP_ROUTE, theirs, manager="kubectl")
        before = loop.get(HTTP_ROUTE, ROUTE)
        await loop.create(replicas=1, rollout=SHORT)
        loop.server.delete(MARAUDERSMAP, NAMESPACE, NAME)
        await loop.run(5)
        after = loop.get(HTTP_ROUTE, ROUTE)
        assert after["spec"] == before["spec"]
        assert after["metadata"]["uid"] == before["metadata"]["uid"]
