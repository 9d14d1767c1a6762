"""What has gone wrong on real clusters, each as a story of the whole loop: given, when, then.

The numbers are those of a list of such cases; each stands for a kind of fault.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.unit.operator.fake import schema
from tests.unit.operator.fake.faults import Effect
from tests.unit.operator.fake.harness import API, NAME, NAMESPACE, Loop
from tests.unit.operator.fake.patches import copied

from maraudersmap_operator.cluster import Manifest
from maraudersmap_operator.cluster.kinds import (
    CONFIG_MAP,
    CONTROLLER_REVISION,
    DEPLOYMENT,
    EVENT,
    HTTP_ROUTE,
    INGRESS,
    MARAUDERSMAP,
    NETWORK_POLICY,
    POD,
    SECRET,
    SERVICE,
    STATEFUL_SET,
    Kind,
)

HOST = {"host": "map.hogwarts.example"}
POSTGRES = f"{NAME}-postgres"
# Restored within this many seconds of need; put right within those.
RESTORED = 3
PUT_RIGHT = 5
AT_ONCE = 2


@asynccontextmanager
async def well(**spec: Any) -> AsyncIterator[Loop]:
    """A resource that is Ready."""
    async with Loop() as loop:
        await loop.create(**spec)
        yield loop


def always(loop: Loop, holds: Callable[[], bool], what: str) -> None:
    """From now on, at every moment."""

    def check() -> None:
        assert holds(), f"{what}: {loop.described()}"

    loop.every_tick.append(check)


def agree(loop: Loop) -> bool:
    """Status and Service name the same revision."""
    return str(loop.status.get("serving", "")) == loop.selected


def names(pods: list[Manifest]) -> set[str]:
    return {p["metadata"]["name"] for p in pods}


def user_object(loop: Loop, kind: Kind, name: str, **body: Any) -> None:
    obj = {"metadata": {"name": name, "namespace": NAMESPACE}, **body}
    loop.server.create(kind, obj, manager="kubectl-client-side-apply")


async def in_the_bake(loop: Loop) -> str:
    """A good candidate has all traffic and bakes; its revision."""
    loop.good()
    await loop.until(lambda: loop.candidate.get("step") == "Baking", 120)
    revision = str(loop.candidate["revision"])
    await loop.until(lambda: loop.selected == revision and len(loop.endpoints()) == 3, 30)
    return revision


# --- O1, O2: safety does not wait for anything else -------------------------------------------------------------------
async def test_o1_a_refused_ingress_holds_no_good_revision_up() -> None:
    async with well() as loop:
        # given
        loop.server.admission.quota(NAMESPACE, **{"count/ingresses.networking.k8s.io": "0"})
        always(loop, lambda: agree(loop), "status and Service agree")
        before = loop.stable
        # when
        loop.good(ingress=HOST)
        # then
        await loop.until(lambda: loop.stable not in ("", before), 180)
        await loop.until(lambda: not loop.candidate, 120)
        applied = loop.condition("ChildrenApplied")
        assert applied["status"] == "False"
        assert "Ingress" in applied["message"]
        assert "exceeded quota" in applied["message"]
        # and when it may be made
        loop.server.admission.quotas.clear()
        await loop.until(lambda: loop.phase == "Ready" and loop.find(INGRESS, API) is not None, 180)


async def test_o1_a_refused_ingress_makes_no_verdict_forgotten() -> None:
    async with well() as loop:
        # given
        loop.server.admission.quota(NAMESPACE, **{"count/ingresses.networking.k8s.io": "0"})
        always(loop, lambda: agree(loop), "status and Service agree")
        stable = loop.stable
        # when
        loop.bad("crash", ingress=HOST)
        # then
        await loop.until(lambda: bool(loop.rejected) and not loop.candidate, 60)
        await loop.run(300)
        assert loop.stable == loop.selected == stable
        assert len(loop.rejected) == 1
        assert [h["outcome"] for h in loop.status["history"]].count("RolledBack") == 1
        assert len(loop.events("RolledBack")) == 1


async def test_o2_a_refused_policy_holds_no_traffic_on_dead_pods() -> None:
    async with well() as loop:
        # given
        stable = loop.stable
        candidate = await in_the_bake(loop)
        loop.server.admission.deny(
            lambda r: r.kind is NETWORK_POLICY and r.verb in ("create", "update"), "no policies today"
        )
        loop.server.delete(NETWORK_POLICY, NAMESPACE, API)
        await loop.tick()
        # when
        loop.controllers.kubelet.unready |= names(loop.pods(candidate))
        # then
        assert (
            await loop.until(lambda: loop.selected == stable and len(loop.endpoints()) == 3, 10) <= RESTORED
        )


# --- O3, O5: what others edit -----------------------------------------------------------------------------------------
async def test_o3_an_edited_port_comes_back() -> None:
    async with well() as loop:
        # when
        port = [{"op": "replace", "path": "/spec/ports/0/port", "value": 8080}]
        loop.server.patch(SERVICE, NAMESPACE, API, port, manager="kubectl-patch")
        # then
        await loop.until(lambda: loop.get(SERVICE, API)["spec"]["ports"][0]["port"] == 80, PUT_RIGHT)
        assert len(loop.get(SERVICE, API)["spec"]["ports"]) == 1
        await loop.until(lambda: loop.phase == "Ready", PUT_RIGHT)


async def test_o5_what_others_add_goes_and_then_it_is_quiet() -> None:
    async with well() as loop:
        # given
        deployment = loop.deployments()[loop.stable]["metadata"]["name"]
        selector = loop.get(SERVICE, API)["spec"]["selector"]
        # when
        extra = {"spec": {"selector": {"extra": "key"}}}
        loop.server.merge(SERVICE, NAMESPACE, API, extra, manager="kubectl-patch")
        env = [
            {
                "op": "add",
                "path": "/spec/template/spec/containers/0/env/-",
                "value": {"name": "FOO", "value": "b"},
            }
        ]
        loop.server.patch(DEPLOYMENT, NAMESPACE, deployment, env, manager="kubectl-set")
        # then
        await loop.until(lambda: loop.get(SERVICE, API)["spec"]["selector"] == selector, PUT_RIGHT)
        await loop.until(lambda: "FOO" not in json.dumps(loop.get(DEPLOYMENT, deployment)["spec"]), PUT_RIGHT)
        await loop.until(lambda: loop.phase == "Ready" and len(loop.pods()) == 3, 60)
        await loop.run(30)
        quiet_since = loop.version()
        await loop.run(120)
        assert loop.version() == quiet_since


@pytest.mark.parametrize(
    "change",
    [
        {"updateStrategy": {"type": "OnDelete", "rollingUpdate": None}},
        {"updateStrategy": {"rollingUpdate": {"partition": 1}}},
        {"minReadySeconds": 3600},
        {"ordinals": {"start": 1}},
    ],
    ids=str,
)
async def test_o5_the_database_follows_its_template_again(change: Manifest) -> None:
    """Else no wish and no repair reaches its pod any more, or a pod of another name, with no data, takes its place."""
    async with well() as loop:
        spec = loop.get(STATEFUL_SET, POSTGRES)["spec"]
        loop.server.merge(STATEFUL_SET, NAMESPACE, POSTGRES, {"spec": change}, manager="kubectl-patch")
        assert loop.get(STATEFUL_SET, POSTGRES)["spec"] != spec
        await loop.until(lambda: loop.get(STATEFUL_SET, POSTGRES)["spec"] == spec, PUT_RIGHT)


# --- O4: the store does not forget the living -------------------------------------------------------------------------
async def test_o4_a_lost_label_is_no_death() -> None:
    async with well(autoscaling={"enabled": True, "minReplicas": 2, "maxReplicas": 6}) as loop:
        # given
        name = loop.deployments()[loop.stable]["metadata"]["name"]
        await loop.run(5)
        # when
        label = {"metadata": {"labels": {"app.kubernetes.io/managed-by": None}}}
        loop.server.merge(DEPLOYMENT, NAMESPACE, name, label, manager="kubectl-label")
        # then
        await loop.until(
            lambda: "app.kubernetes.io/managed-by" in loop.get(DEPLOYMENT, name)["metadata"]["labels"],
            PUT_RIGHT,
        )
        await loop.until(lambda: loop.phase == "Ready", PUT_RIGHT)
        # and it is looked after as before: later drift is seen, the autoscaler decides about pods
        loop.controllers.autoscaler.wanted[f"{API}-hpa"] = 5
        loop.server.merge(DEPLOYMENT, NAMESPACE, name, {"spec": {"paused": True}}, manager="kubectl-rollout")
        await loop.until(lambda: "paused" not in loop.get(DEPLOYMENT, name)["spec"], PUT_RIGHT)
        await loop.run(30)
        assert loop.get(DEPLOYMENT, name)["spec"]["replicas"] == 5
        assert loop.phase == "Ready"


# --- O6: unread is not changed ----------------------------------------------------------------------------------------
async def test_o6_a_missing_config_map_starts_nothing() -> None:
    async with Loop() as loop:
        # given: A, then B, then back to A
        user_object(loop, CONFIG_MAP, "owl", data={"OWL": "Hedwig"})
        await loop.create(config={"configMapRefs": [{"name": "owl"}]})
        first = loop.stable
        loop.good()
        await loop.until(lambda: loop.phase == "Ready" and loop.stable != first, 180)
        loop.ask("rollback-to", f"{first}/token")
        await loop.until(lambda: loop.stable == first and not loop.candidate, 180)
        always(loop, lambda: loop.selected == first, "what was asked for serves")
        always(loop, lambda: not loop.candidate, "nothing rolls out")
        # when
        loop.server.delete(CONFIG_MAP, NAMESPACE, "owl")
        loop.edit(config={"logLevel": "info"})
        loop.ask("touched")
        await loop.run(20)
        # then
        assert "owl" in json.dumps(loop.status["conditions"]) + loop.status["message"]
        # and when it is back
        user_object(loop, CONFIG_MAP, "owl", data={"OWL": "Hedwig"})
        await loop.run(120)


# --- O7: the bake holds what other stages hold ------------------------------------------------------------------------
async def test_o7_a_candidate_deleted_in_the_bake_leaves_no_outage() -> None:
    async with well() as loop:
        # given
        candidate = await in_the_bake(loop)
        # when
        loop.server.delete(DEPLOYMENT, NAMESPACE, loop.deployments()[candidate]["metadata"]["name"])
        # then: rebuilt, or back
        await loop.run(2)
        assert await loop.until(lambda: bool(loop.endpoints()), 10) <= PUT_RIGHT
        always(loop, lambda: bool(loop.endpoints()), "someone answers")
        await loop.until(lambda: loop.phase in ("Ready", "RolledBack"), 400)


async def test_o7_a_paused_bake_stays_a_bake() -> None:
    async with well() as loop:
        # given
        candidate = await in_the_bake(loop)
        # when
        loop.edit(rollout={"paused": True})
        await loop.run(200)
        # then
        assert loop.candidate["revision"] == candidate
        assert loop.candidate["step"] == "Baking"
        # and it ends when it may
        loop.edit(rollout={"paused": False})
        await loop.until(lambda: loop.stable == candidate, 120)


# --- O9, O10: objects are counted for what they are -------------------------------------------------------------------
async def test_o9_an_evicted_pod_takes_no_room() -> None:
    async with well(rollout={"strategy": "Rolling"}) as loop:
        # given
        stable = loop.stable
        victim = sorted(names(loop.pods()))[0]
        loop.controllers.kubelet.fail_pod(NAMESPACE, victim, "Evicted")
        await loop.until(lambda: loop.ready() == 3, 30)
        assert loop.find(POD, victim) is not None
        # when
        loop.good()
        # then
        await loop.until(lambda: loop.phase == "Ready" and loop.stable != stable, 300)


async def test_o10_another_pull_secret_exchanges_no_pod() -> None:
    async with Loop() as loop:
        # given
        user_object(loop, SECRET, "registry", stringData={".dockerconfigjson": "{}"})
        await loop.create(pullSecrets=[{"name": "registry"}])
        before = names(loop.pods())
        # when
        patch = {"stringData": {".dockerconfigjson": '{"auths": {}}'}}
        loop.server.merge(SECRET, NAMESPACE, "registry", patch, manager="kubectl-patch")
        await loop.run(400)
        # then
        assert names(loop.pods()) == before
        assert loop.phase == "Ready"


# --- O12: Ready speaks of what is there ------------------------------------------------------------------------------
async def test_o12_a_wrong_password_shows_and_costs_no_working_pod() -> None:
    async with Loop() as loop:
        # given
        user_object(loop, SECRET, "db", stringData={"url": "postgresql://map:right@db:5432/map"})
        external = {"secretRef": {"name": "db", "key": "url"}}
        await loop.create(database={"evaluation": None, "external": external})
        working = names(loop.pods())
        always(loop, lambda: working <= names(loop.pods()), "pods that work are kept")
        # when: pods that start from now on cannot sign in
        patch = {"stringData": {"url": "postgresql://map:wrong@db:5432/map"}}
        loop.server.merge(SECRET, NAMESPACE, "db", patch, manager="kubectl-patch")
        loop.controllers.kubelet.crashes = lambda pod: pod["metadata"]["name"] not in working
        # then
        await loop.until(lambda: len(loop.pods()) > 3, 300)
        assert await loop.until(lambda: loop.condition("Ready")["status"] == "False", 60) <= 60
        assert loop.phase == "Degraded"
        assert "the map is torn" in loop.status["message"] or "CrashLoop" in loop.status["message"]
        await loop.run(60)
        assert len(loop.endpoints()) == 3


# --- O13: one odd object wedges nothing -------------------------------------------------------------------------------
async def test_o13_a_lost_record_is_written_again() -> None:
    async with well() as loop:
        # given
        stable = loop.stable
        loop.server.delete(CONTROLLER_REVISION, NAMESPACE, f"{NAME}-{stable}")
        await loop.run(2)
        # when
        loop.good()
        # then
        await loop.until(lambda: loop.phase == "Ready" and loop.stable != stable, 180)
        assert stable in loop.revisions()


def made_of(**container: Any) -> Manifest:
    """A pod template with something odd in its container."""
    return {"metadata": {"labels": {}}, "spec": {"containers": [{"name": "api", **container}]}}


@pytest.mark.parametrize("whose", ["stable", "candidate"])
@pytest.mark.parametrize(
    "data",
    [
        "text",
        {"inputs": None},
        {"inputs": []},
        {"template": "text"},
        {"template": {"metadata": None, "spec": None}},
        {"template": {"metadata": {"labels": {}}, "spec": {"containers": [None]}}},
        {"template": {"metadata": {"labels": {}}, "spec": {}}},
        {"template": made_of(env=[None])},
        {"template": made_of(env=[{"name": "A", "valueFrom": {"secretKeyRef": {"key": "k"}}}])},
        {"template": made_of(envFrom=[{"configMapRef": "text"}])},
        {"template": made_of(startupProbe="text")},
    ],
    ids=str,
)
async def test_o13_a_record_made_by_hand_ends_no_pass(data: Any, whose: str) -> None:
    async with well() as loop:
        # given
        good = await in_the_bake(loop)
        revision = good if whose == "candidate" else loop.stable
        record = copied(loop.get(CONTROLLER_REVISION, f"{NAME}-{revision}"))
        loop.server.delete(CONTROLLER_REVISION, NAMESPACE, f"{NAME}-{revision}")
        # when: as someone would who restores it from what they have kept
        made = {k: record["metadata"][k] for k in ("name", "namespace", "labels", "ownerReferences")}
        odd = {**record["data"], **data} if isinstance(data, dict) else data
        loop.server.create(CONTROLLER_REVISION, {**record, "metadata": made, "data": odd}, manager="kubectl")
        # then
        await loop.until(lambda: loop.stable == good, 180)
        loop.bad()
        await loop.until(lambda: bool(loop.rejected), 180)
        await loop.until(lambda: loop.phase == "RolledBack", 30)
        assert len(loop.endpoints()) == 3


async def test_o13_an_undone_revision_stays_undone_without_a_record_of_what_serves() -> None:
    async with well() as loop:
        # given
        first = loop.stable
        loop.good()
        await loop.until(lambda: loop.stable not in ("", first), 200)
        loop.ask("rollback-to", f"{first}/t")
        await loop.until(lambda: loop.stable == first and not loop.candidate, 200)
        # when
        loop.server.delete(CONTROLLER_REVISION, NAMESPACE, f"{NAME}-{first}")
        # then
        await loop.run(60)
        assert loop.stable == loop.selected == first
        assert not loop.candidate
        assert loop.status["pin"]["revision"] == first
        assert first in loop.revisions()


async def test_o13_an_undo_in_mid_rollout_keeps_what_it_was_made_of() -> None:
    """Its record comes back from what runs, not from the spec, which asks for another revision."""
    async with well() as loop:
        # given
        first = loop.stable
        loop.good()
        await loop.until(lambda: loop.stable not in ("", first) and first not in loop.deployments(), 200)
        loop.ask("rollback-to", f"{first}/t")
        await loop.until(lambda: loop.ready(first) == 2, 60)
        # when
        loop.server.delete(CONTROLLER_REVISION, NAMESPACE, f"{NAME}-{first}")
        # then
        await loop.until(lambda: loop.stable == first and not loop.candidate, 200)
        assert "VARIANT" not in json.dumps(loop.get(CONTROLLER_REVISION, f"{NAME}-{first}")["data"])


async def test_o13_a_candidate_goes_on_without_its_record_while_the_spec_cannot_be_read() -> None:
    """It is deployed and has the users: its record comes back from what runs."""
    async with Loop() as loop:
        # given
        user_object(loop, CONFIG_MAP, "owl", data={"OWL": "Hedwig"})
        await loop.create(config={"configMapRefs": [{"name": "owl"}]})
        good = await in_the_bake(loop)
        loop.server.delete(CONFIG_MAP, NAMESPACE, "owl")
        loop.ask("touched")
        await loop.until(lambda: "owl" in loop.status["message"], 20)
        always(loop, lambda: loop.selected == good, "what bakes serves")
        # when
        loop.server.delete(CONTROLLER_REVISION, NAMESPACE, f"{NAME}-{good}")
        # then
        await loop.until(lambda: loop.stable == good, 100)
        assert good in loop.revisions()


async def test_o13_nothing_is_undone_to_a_broken_record() -> None:
    """Nothing could be made of it: that is reported at once, instead of a rollout that gets nowhere again and again."""
    async with well() as loop:
        # given
        first = loop.stable
        loop.good()
        await loop.until(lambda: loop.stable not in ("", first) and first not in loop.deployments(), 200)
        record = copied(loop.get(CONTROLLER_REVISION, f"{NAME}-{first}"))
        loop.server.delete(CONTROLLER_REVISION, NAMESPACE, f"{NAME}-{first}")
        made = {k: record["metadata"][k] for k in ("name", "namespace", "labels", "ownerReferences")}
        odd = {**record["data"], "template": made_of(env=[None])}
        loop.server.create(CONTROLLER_REVISION, {**record, "metadata": made, "data": odd}, manager="kubectl")
        # when
        loop.ask("rollback-to", f"{first}/t")
        await loop.run(5)
        # then
        assert loop.events("UnknownRevision")
        assert not loop.candidate
        assert loop.phase == "Ready"


# --- O14: pruning follows the spec in every phase ---------------------------------------------------------------------
async def test_o14_what_is_no_longer_asked_for_goes_after_a_rollback() -> None:
    async with well(ingress=HOST) as loop:
        # given
        loop.bad("crash")
        await loop.until(lambda: loop.phase == "RolledBack", 60)
        assert loop.find(INGRESS, API) is not None
        # when
        loop.edit(ingress=None)
        # then
        await loop.until(lambda: loop.find(INGRESS, API) is None, PUT_RIGHT)


# --- O15: a newer custom resource definition --------------------------------------------------------------------------
async def test_o15_a_default_of_a_newer_release_stops_nothing() -> None:
    async with well() as loop:
        # given
        newer = schema.declared()
        newer["properties"]["spec"]["properties"]["portkey"] = {"type": "string", "default": "boot"}
        loop.server.upgrade(newer)
        loop.restart()
        assert loop.resource["spec"]["portkey"] == "boot"
        # when
        loop.bad("crash")
        # then
        await loop.until(lambda: loop.phase == "RolledBack", 60)
        loop.good()
        await loop.until(lambda: loop.phase == "Ready", 180)
        assert "portkey" in loop.condition("FieldsIgnored")["message"]


# --- O16: only the parents that the spec names count ------------------------------------------------------------------
async def test_o16_an_old_parent_of_the_route_counts_for_nothing() -> None:
    async with Loop() as loop:
        # given
        loop.server.served.add(HTTP_ROUTE)
        loop.controllers.gateways.foreign = "an-earlier-gateway"
        await loop.create(gateway={"parentRefs": [{"name": "gate"}]})
        stable = loop.stable
        # when
        loop.good()
        # then
        await loop.until(lambda: loop.stable not in ("", stable), 240)
        # and a bad one is rejected
        loop.bad("crash")
        await loop.until(lambda: loop.phase == "RolledBack", 120)


# --- O17: what is asked wins over what was recorded -------------------------------------------------------------------
async def test_o17_a_longer_deadline_reaches_the_pods() -> None:
    async with well(rollout={"progressDeadlineSeconds": 60}) as loop:
        # given
        loop.bad("slow-start:90")
        await loop.until(lambda: bool(loop.rejected) or bool(loop.status.get("hold")), 400)
        # when
        loop.edit(rollout={"progressDeadlineSeconds": 300})
        loop.ask("retry")
        # then
        await loop.until(lambda: loop.phase == "Ready", 400)


# --- O18: unfenced writes ---------------------------------------------------------------------------------------------
async def test_o18_a_former_leader_undoes_nothing() -> None:
    async with well() as loop:
        # given: one leader falls asleep in the middle of a rollout, another one rolls back
        former = loop.operator
        loop.bad("crash")
        await loop.until(lambda: bool(loop.candidate), 10)
        for watch in former.watches.of.values():
            watch.frozen = True
        asleep = loop.operators.pop()
        loop.restart()
        await loop.until(lambda: loop.phase == "RolledBack", 60)
        ledger, stable = loop.rejected, loop.stable
        # when: the former one goes on from what it knew, and nothing has made it stop
        loop.operators.insert(0, asleep)
        await loop.run(120)
        # then
        assert loop.rejected == ledger
        assert loop.selected == loop.stable == stable
        assert not loop.pods(ledger[0]["revision"])


# --- O19: secrets stay secret -----------------------------------------------------------------------------------------
async def test_o19_a_password_in_the_last_words_is_masked() -> None:
    async with well() as loop:
        # given
        password = base64.b64decode(loop.get(SECRET, POSTGRES)["data"]["password"]).decode()
        loop.controllers.kubelet.last_words = lambda pod: f"cannot sign in with {password} at db"
        loop.last_log_line = f"cannot sign in with {password} at db"
        # when
        loop.bad("crash")
        await loop.until(lambda: loop.phase == "RolledBack", 60)
        # then
        own = [e for e in loop.all(EVENT) if e["involvedObject"]["kind"] == MARAUDERSMAP.kind]
        assert own
        assert password not in json.dumps(own)
        assert password not in json.dumps(loop.status)
        assert "cannot sign in" in json.dumps(loop.status)


# --- O20: an answer lost ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("number", range(1, 9))
async def test_o20_a_lost_answer_loses_no_news(number: int) -> None:
    async with well() as loop:
        # given: one of the writes of the status is stored and never answered
        left = [number]

        def this_one(call: Any) -> bool:
            left[0] -= 1
            return left[0] == 0

        loop.faults.add(Effect.LOST, verb="apply_status", when=this_one)
        # when
        loop.bad("crash")
        await loop.until(lambda: loop.phase == "RolledBack", 90)
        await loop.run(10)
        # then
        [event] = loop.events("RolledBack")
        assert event["count"] == 1
        counted = loop.operator.metrics.registry.get_sample_value(
            "maraudersmap_rollbacks_total", {"reason": "CrashLoop"}
        )
        assert counted == 1


# --- O21: spelling is no change ---------------------------------------------------------------------------------------
NUMBER = pytest.mark.xfail(strict=True, reason="the CRD refuses a fraction as a number")


@pytest.mark.parametrize("cpu", ["0.5", "500m", pytest.param(0.5, marks=NUMBER, id="number")])
async def test_o21_another_spelling_of_the_default_rolls_nothing_out(cpu: Any) -> None:
    async with well() as loop:
        # given
        revisions = loop.revisions()
        # when
        loop.edit(resources={"requests": {"cpu": cpu}})
        await loop.run(30)
        # then
        assert loop.revisions() == revisions
        assert loop.phase == "Ready"


# --- O22: twice is once -----------------------------------------------------------------------------------------------
async def test_o22_promote_twice_skips_no_bake() -> None:
    async with well(rollout={"autoPromote": False, "bakeSeconds": 300}) as loop:
        # given
        stable = loop.stable
        loop.good()
        await loop.until(lambda: loop.phase == "Paused" or "promote" in str(loop.status.get("message")), 120)
        await loop.run(5)
        step = loop.candidate["step"]
        # when
        loop.ask("promote", f"{step}/first")
        await loop.tick(1)
        loop.ask("promote", f"{step}/second")
        # then
        await loop.until(lambda: loop.candidate.get("step") == "Baking", 60)
        await loop.run(100)
        assert loop.candidate["step"] == "Baking"
        assert loop.stable == stable
        await loop.until(lambda: loop.stable != stable, 300)


# --- O23: a StatefulSet does not heal itself --------------------------------------------------------------------------
async def test_o23_a_running_database_keeps_its_image() -> None:
    async with well() as loop:
        # given
        [pod] = [p for p in loop.all(POD) if p["metadata"]["name"] == f"{POSTGRES}-0"]
        # when
        loop.use_images(postgres="no-such-registry.invalid/postgres:17")
        loop.restart()
        await loop.run(120)
        # then
        assert (
            loop.get(STATEFUL_SET, POSTGRES)["spec"]["template"]["spec"]["containers"][0]["image"]
            == "postgres:16"
        )
        assert loop.get(POD, f"{POSTGRES}-0")["metadata"]["uid"] == pod["metadata"]["uid"]
        assert loop.phase == "Ready"


async def test_o23_a_pod_that_blocks_its_own_repair_goes() -> None:
    async with Loop(postgres="no-such-registry.invalid/postgres:17") as loop:
        # given
        loop.apply()
        await loop.run(60)
        assert "DatabaseNotReady" in json.dumps(loop.status["conditions"])
        # when
        loop.use_images(postgres="postgres:16")
        loop.restart()
        # then
        await loop.until(lambda: loop.phase == "Ready", 180)


# --- a quiet resource is not asleep -----------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", [SERVICE, NETWORK_POLICY], ids=lambda kind: kind.kind)
async def test_a_deleted_child_of_a_quiet_resource_with_references_comes_back(kind: Kind) -> None:
    """Its passes only compare what was seen with what is seen now: a deletion that is still to be looked into is a change."""
    async with Loop() as loop:
        # given: quiet
        user_object(loop, CONFIG_MAP, "owl", data={"OWL": "Hedwig"})
        await loop.create(config={"configMapRefs": [{"name": "owl"}]})
        await loop.run(130)
        # when
        loop.server.delete(kind, NAMESPACE, API)
        # then
        await loop.until(lambda: loop.find(kind, API) is not None, PUT_RIGHT)


@pytest.mark.parametrize("value", [None, "other"])
async def test_o23_a_database_pod_that_its_stateful_set_has_let_go_makes_room(value: str | None) -> None:
    async with well() as loop:
        # when
        labels = {"metadata": {"labels": {"app.kubernetes.io/component": value}}}
        loop.server.merge(POD, NAMESPACE, f"{POSTGRES}-0", labels, manager="kubectl-label")
        # then
        await loop.until(lambda: loop.condition("DatabaseReady")["status"] == "False", 30)
        await loop.until(lambda: loop.condition("DatabaseReady")["status"] == "True", 120)
        assert loop.get(POD, f"{POSTGRES}-0")["metadata"]["ownerReferences"]


async def test_o23_a_database_pod_that_is_about_to_be_adopted_stays() -> None:
    async with well() as loop:
        # given
        before = loop.get(POD, f"{POSTGRES}-0")["metadata"]["uid"]
        # when
        loop.server.delete(STATEFUL_SET, NAMESPACE, POSTGRES, orphan=True)
        await loop.run(60)
        # then
        assert loop.get(POD, f"{POSTGRES}-0")["metadata"]["uid"] == before
