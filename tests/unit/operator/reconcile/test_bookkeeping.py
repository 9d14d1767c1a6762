"""The operator's own notes on its children: someone edits or removes them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.operator.fake.harness import API, NAMESPACE, Loop

from maraudersmap_operator.cluster.kinds import (
    AUTOSCALER,
    DEPLOYMENT,
    INGRESS,
    NETWORK_POLICY,
    SERVICE,
    STATEFUL_SET,
)
from maraudersmap_operator.resource.names import ANNOTATION_DIGEST, ANNOTATION_OWNED

HPA = f"{API}-hpa"
KINDS = (SERVICE, DEPLOYMENT, INGRESS, NETWORK_POLICY, STATEFUL_SET)
EXPOSED = {"host": "map.hogwarts.example", "annotations": {"example.net/limit": "10"}}


def without(annotation: str, value: str | None = None) -> dict[str, Any]:
    return {"metadata": {"annotations": {annotation: value}}}


def ingress_annotations(loop: Loop) -> dict[str, str]:
    found: dict[str, str] = loop.get(INGRESS, API)["metadata"]["annotations"]
    return found


@pytest.mark.parametrize("repaired", [True, False])
async def test_an_autoscaler_held_in_an_exchange_goes_on_afterwards(repaired: bool) -> None:
    """That holding it was ours, and not the user's wish, is known by that note, or by managedFields where it cannot be put
    back before the exchange is over."""
    scaling = {"enabled": True, "minReplicas": 3, "maxReplicas": 6}
    async with Loop() as loop:
        await loop.create(autoscaling=scaling, rollout={"strategy": "Rolling"})
        first = loop.stable
        loop.good()
        await loop.until(lambda: "behavior" in loop.get(AUTOSCALER, HPA)["spec"], 200)
        # when
        loop.server.merge(AUTOSCALER, NAMESPACE, HPA, without(ANNOTATION_OWNED), manager="kubectl-annotate")
        refused = lambda r: r.kind is AUTOSCALER and r.verb == "update"  # noqa: E731
        rule = None if repaired else loop.server.admission.deny(refused, "not now")
        # then
        await loop.until(lambda: loop.stable != first and not loop.candidate, 300)
        if rule:
            loop.server.admission.lift(rule)
        await loop.until(lambda: "behavior" not in loop.get(AUTOSCALER, HPA)["spec"], 200)


async def test_a_users_own_scaling_behaviour_stays() -> None:
    async with Loop() as loop:
        await loop.create(autoscaling={"enabled": True, "minReplicas": 3, "maxReplicas": 6})
        behavior = {"scaleDown": {"stabilizationWindowSeconds": 60}}
        loop.server.merge(
            AUTOSCALER, NAMESPACE, HPA, {"spec": {"behavior": behavior}}, manager="kubectl-edit"
        )
        await loop.run(10)
        loop.server.merge(AUTOSCALER, NAMESPACE, HPA, without(ANNOTATION_DIGEST), manager="kubectl-annotate")
        loop.edit(autoscaling={"maxReplicas": 7})
        await loop.until(lambda: loop.get(AUTOSCALER, HPA)["spec"]["maxReplicas"] == 7, 30)
        found = loop.get(AUTOSCALER, HPA)["spec"]["behavior"]["scaleDown"]
        assert found["stabilizationWindowSeconds"] == 60


async def test_an_annotation_that_the_spec_has_no_more_goes() -> None:
    async with Loop() as loop:
        await loop.create(ingress=EXPOSED)
        loop.server.merge(INGRESS, NAMESPACE, API, without("example.net/anothers", "yes"), manager="another")
        await loop.run(5)
        # when
        loop.server.merge(INGRESS, NAMESPACE, API, without(ANNOTATION_OWNED), manager="kubectl-annotate")
        await loop.run(5)
        loop.edit(ingress={"annotations": None})
        # then
        await loop.until(lambda: "example.net/limit" not in ingress_annotations(loop), 30)
        assert ingress_annotations(loop)["example.net/anothers"] == "yes"


@pytest.mark.parametrize("value", [None, "edited"])
@pytest.mark.parametrize("note", [ANNOTATION_DIGEST, ANNOTATION_OWNED])
async def test_notes_are_put_right_and_that_moves_nothing_else(note: str, value: str | None) -> None:
    async with Loop() as loop:
        await loop.create(ingress=EXPOSED)
        children = {
            (kind, o["metadata"]["name"]): (o["metadata"]["annotations"].get(note), o["spec"])
            for kind in KINDS
            for o in loop.all(kind)
        }
        # when
        for kind, name in children:
            loop.server.merge(kind, NAMESPACE, name, without(note, value), manager="kubectl-annotate")
        await loop.run(10)
        # then
        for (kind, name), (before, spec) in children.items():
            found = loop.get(kind, name)
            assert found["metadata"]["annotations"].get(note) == before, (kind.kind, name)
            assert found["spec"] == spec, (kind.kind, name)
        version = loop.version()
        await loop.run(60)
        assert loop.version() == version


async def test_who_takes_the_notes_away_as_well_is_not_fought_at_full_speed() -> None:
    """A tool that puts the whole object back as it knows it."""
    async with Loop() as loop:
        await loop.create()
        patch = {**without(ANNOTATION_DIGEST), "spec": {"publishNotReadyAddresses": True}}
        written = []

        def again() -> None:
            if not loop.get(SERVICE, API)["spec"].get("publishNotReadyAddresses"):
                written.append(loop.server.merge(SERVICE, NAMESPACE, API, patch, manager="another"))

        loop.every_tick.append(again)
        await loop.run(120)
        assert len(written) < 12
        assert loop.condition("Contested")["status"] == "True"


async def test_what_a_webhook_adds_to_our_own_writes_stays() -> None:
    """managedFields have it as ours."""

    def add(obj: dict[str, Any]) -> None:
        obj["metadata"].setdefault("annotations", {})["example.net/policy"] = "checked"

    async with Loop() as loop:
        rule = loop.server.admission.mutate(lambda r: r.kind is INGRESS and r.verb == "create", add)
        await loop.create(ingress=EXPOSED)
        loop.server.admission.lift(rule)
        loop.edit(ingress={"annotations": {"example.net/limit": "20"}})
        await loop.until(lambda: ingress_annotations(loop)["example.net/limit"] == "20", 30)
        assert ingress_annotations(loop)["example.net/policy"] == "checked"


@pytest.mark.parametrize("change", ["restart", "edit", "note"])
async def test_the_class_that_an_ingress_got_at_its_creation_stays(change: str) -> None:
    """The admission DefaultIngressClass acts on creations alone; without a class no controller would serve the Ingress."""

    def choose(obj: dict[str, Any]) -> None:
        obj["spec"].setdefault("ingressClassName", "owls")

    async with Loop() as loop:
        loop.server.admission.mutate(lambda r: r.kind is INGRESS and r.verb == "create", choose)
        await loop.create(ingress=EXPOSED)
        # when
        if change == "restart":
            loop.restart()
        elif change == "edit":
            loop.edit(ingress={"host": "other.hogwarts.example"})
        else:
            loop.server.merge(INGRESS, NAMESPACE, API, without(ANNOTATION_DIGEST), manager="kubectl-annotate")
        await loop.run(60)
        # then
        assert loop.get(INGRESS, API)["spec"]["ingressClassName"] == "owls"
        # and a class that the spec asks for is as it asks
        loop.edit(ingress={"className": "cats"})
        await loop.until(lambda: loop.get(INGRESS, API)["spec"]["ingressClassName"] == "cats", 30)
        loop.server.merge(
            INGRESS, NAMESPACE, API, {"spec": {"ingressClassName": "rats"}}, manager="kubectl-edit"
        )
        await loop.until(lambda: loop.get(INGRESS, API)["spec"]["ingressClassName"] == "cats", 30)
