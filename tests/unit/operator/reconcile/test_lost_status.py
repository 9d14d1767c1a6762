"""A resource that comes back without its status (from a backup, or emptied by hand) while its pods serve users."""

from __future__ import annotations

import pytest
from tests.unit.operator.fake.harness import NAMESPACE, Loop, copied
from tests.unit.operator.fake.invariants import Invariants
from tests.unit.operator.reconcile.test_cases import user_object

from maraudersmap_operator.cluster.kinds import CONFIG_MAP, DEPLOYMENT, MARAUDERSMAP, SECRET

STRATEGIES = ("BlueGreen", "Canary", "Rolling")


def lose_status(loop: Loop) -> None:
    obj = copied(loop.resource)
    obj["status"] = {}
    loop.server.update(MARAUDERSMAP, obj, manager="kubectl-edit", subresource="status")
    # From now on; what the lost status had learned is gone.
    Invariants(loop)


def always_answered(loop: Loop) -> None:
    def check() -> None:
        assert loop.endpoints(), loop.described()

    loop.every_tick.append(check)


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_a_bad_candidate_is_still_rejected(strategy: str) -> None:
    async with Loop() as loop:
        # given
        await loop.create(rollout={"strategy": strategy})
        always_answered(loop)
        stable = loop.stable
        loop.bad("crash")
        await loop.until(lambda: loop.candidate.get("step") == "Witnesses", 60)
        # when
        lose_status(loop)
        # then
        await loop.until(lambda: bool(loop.rejected) and not loop.candidate, 180)
        assert loop.stable == loop.selected == stable
        assert len(loop.events("StatusLost")) == 1
        await loop.run(120)
        assert len(loop.rejected) == 1
        assert loop.selected == stable


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_what_was_rejected_is_tried_once_more_and_costs_nobody_anything(strategy: str) -> None:
    async with Loop() as loop:
        # given
        await loop.create(rollout={"strategy": strategy})
        always_answered(loop)
        stable = loop.stable
        loop.bad("crash")
        await loop.until(lambda: bool(loop.rejected) and not loop.candidate, 120)
        rejected = loop.rejected[0]["revision"]
        # when
        lose_status(loop)
        # then
        await loop.until(lambda: bool(loop.rejected) and not loop.candidate, 180)
        assert [r["revision"] for r in loop.rejected] == [rejected]
        assert loop.stable == loop.selected == stable


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_a_candidate_that_has_all_traffic_is_watched_again(strategy: str) -> None:
    async with Loop() as loop:
        # given
        await loop.create(rollout={"strategy": strategy})
        always_answered(loop)
        stable = loop.stable
        loop.good()
        await loop.until(lambda: loop.candidate.get("step") == "Baking", 240)
        await loop.run(5)
        good = str(loop.candidate["revision"])
        # when
        lose_status(loop)
        await loop.run(5)
        # then
        assert loop.selected == good
        assert (loop.stable, loop.candidate.get("revision"), loop.candidate.get("step")) == (
            stable,
            good,
            "Baking",
        )
        assert stable in loop.deployments()
        await loop.until(lambda: loop.phase == "Ready" and loop.stable == good, 180)


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_one_that_dies_under_traffic_is_still_gone_back_from(strategy: str) -> None:
    async with Loop() as loop:
        # given
        await loop.create(rollout={"strategy": strategy})
        always_answered(loop)
        stable = loop.stable
        loop.bad("ready-then-dies:30")
        await loop.until(lambda: loop.candidate.get("step") in ("Baking", "Sharing"), 240)
        # when
        lose_status(loop)
        # then
        await loop.until(lambda: bool(loop.rejected) and not loop.candidate, 240)
        assert loop.stable == loop.selected == stable


async def test_nothing_but_the_status_is_written_where_nothing_was_on() -> None:
    async with Loop() as loop:
        # given
        await loop.create()
        await loop.run(60)
        stable = loop.stable
        pods = {p["metadata"]["uid"] for p in loop.pods()}
        # when
        lose_status(loop)
        await loop.until(lambda: loop.phase == "Ready", 60)
        await loop.run(30)
        # then
        assert loop.stable == stable
        assert {p["metadata"]["uid"] for p in loop.pods()} == pods


async def test_pods_that_were_restarted_for_a_secret_are_not_restarted_for_its_being_forgotten() -> None:
    async with Loop() as loop:
        # given
        reads = {"name": "VAULT", "valueFrom": {"secretKeyRef": {"name": "key", "key": "k"}}}
        user_object(loop, SECRET, "key", stringData={"k": "first"})
        await loop.create(config={"env": [reads]})
        loop.server.merge(SECRET, NAMESPACE, "key", {"stringData": {"k": "second"}}, manager="kubectl")
        await loop.until(lambda: bool(loop.events("SecretsChanged")), 400)
        await loop.run(120)
        pods = {p["metadata"]["uid"] for p in loop.pods()}
        # when
        lose_status(loop)
        await loop.until(lambda: loop.phase == "Ready", 60)
        await loop.run(120)
        # then
        assert {p["metadata"]["uid"] for p in loop.pods()} == pods


async def test_an_undo_that_was_over_is_not_repeated() -> None:
    async with Loop() as loop:
        # given
        await loop.create()
        first = loop.stable
        loop.good()
        await loop.until(lambda: loop.phase == "Ready" and loop.stable != first, 180)
        loop.ask("rollback-to", f"{first}/1")
        await loop.until(lambda: loop.stable == first and not loop.candidate, 180)
        loop.good()
        await loop.until(lambda: loop.phase == "Ready" and loop.stable != first, 180)
        third = loop.stable
        # when
        lose_status(loop)
        await loop.run(180)
        # then
        assert loop.stable == loop.selected == third
        assert not loop.events("RollingBackTo")[1:]


async def test_an_undo_that_holds_goes_on_holding() -> None:
    async with Loop() as loop:
        # given
        await loop.create()
        first = loop.stable
        loop.good()
        await loop.until(lambda: loop.phase == "Ready" and loop.stable != first, 180)
        loop.ask("rollback-to", f"{first}/1")
        await loop.until(lambda: loop.stable == first and not loop.candidate, 180)
        # when
        lose_status(loop)
        await loop.run(180)
        # then
        assert loop.stable == loop.selected == first


async def test_it_is_taken_up_once_what_the_spec_asks_for_is_known() -> None:
    """The ConfigMap that makes the target is away when the operator starts: a phase is stored meanwhile."""
    async with Loop() as loop:
        # given
        owl = {"metadata": {"name": "owl", "namespace": NAMESPACE}, "data": {"OWL": "Hedwig"}}
        loop.server.create(CONFIG_MAP, owl, manager="kubectl")
        await loop.create(config={"configMapRefs": [{"name": "owl"}]})
        always_answered(loop)
        stable = loop.stable
        loop.bad("crash")
        await loop.until(lambda: loop.candidate.get("step") == "Witnesses", 60)
        # when
        loop.restart()
        loop.server.delete(CONFIG_MAP, NAMESPACE, "owl")
        lose_status(loop)
        await loop.run(20)
        assert loop.status.get("phase")
        loop.server.create(CONFIG_MAP, owl, manager="kubectl")
        # then
        await loop.until(lambda: bool(loop.rejected) and not loop.candidate, 300)
        assert loop.stable == loop.selected == stable


async def test_what_serves_alone_is_protected_before_it_is_known_what_the_spec_asks_for() -> None:
    async with Loop() as loop:
        # given
        owl = {"metadata": {"name": "owl", "namespace": NAMESPACE}, "data": {"OWL": "Hedwig"}}
        loop.server.create(CONFIG_MAP, owl, manager="kubectl")
        await loop.create(config={"configMapRefs": [{"name": "owl"}]})
        await loop.until(lambda: loop.phase == "Ready")
        stable = loop.stable
        loop.server.delete(CONFIG_MAP, NAMESPACE, "owl")
        # when
        loop.restart()
        lose_status(loop)
        await loop.until(lambda: loop.stable == stable, 60)
        loop.server.delete(DEPLOYMENT, NAMESPACE, loop.deployments()[stable]["metadata"]["name"])
        # then
        await loop.until(lambda: loop.ready(stable) == 3, 60)
        assert loop.selected == stable
