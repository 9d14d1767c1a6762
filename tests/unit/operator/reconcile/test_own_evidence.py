"""Only what a revision itself has done is held against it, and that always is: stories through the store."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.unit.operator.fake.harness import API, NAMESPACE, Loop

from maraudersmap_operator.cluster import Manifest
from maraudersmap_operator.cluster.kinds import DEPLOYMENT, POD, SECRET

from .test_cases import in_the_bake, names, well


def inject_helper(pod: Manifest) -> None:
    """As a mesh does: a native sidecar, which runs beside the application for as long as it does."""
    pod["spec"]["initContainers"] = [{"name": "mesh", "image": "mesh:1", "restartPolicy": "Always"}]


async def test_a_bad_revision_is_rejected_although_a_native_sidecar_runs_beside_it() -> None:
    async with Loop() as loop:
        # given
        loop.server.admission.mutate(lambda r: r.kind is POD and r.verb == "create", inject_helper)
        await loop.create(rollout={"progressDeadlineSeconds": 30})
        # when
        loop.bad("never-ready")
        # then
        await loop.until(lambda: bool(loop.rejected), 120)
        assert [r["reason"] for r in loop.rejected] == ["ProgressDeadlineExceeded"]
        # and that is all
        await loop.run(60)
        assert len(loop.rejected) == 1
        assert loop.phase == "RolledBack"
        assert "hold" not in loop.status


@pytest.mark.parametrize("strategy", ["BlueGreen", "Rolling"])
async def test_nodes_that_are_reset_one_after_the_other_are_nothing_against_a_revision(strategy: str) -> None:
    async with well(rollout={"strategy": strategy, "bakeSeconds": 200}) as loop:
        # given
        revision = await in_the_bake(loop)
        await loop.run(20)
        # when: twice
        for _ in range(2):
            for pod in sorted(names(loop.pods(revision))):
                loop.controllers.kubelet.reset.add(pod)
                await loop.run(20)
        # then
        await loop.until(lambda: loop.stable == revision, 200)
        assert loop.rejected == []
        assert len(loop.status["history"]) == 2


async def test_pods_that_are_all_reset_at_once_are_nothing_against_a_revision() -> None:
    async with well() as loop:
        # given
        revision = await in_the_bake(loop)
        await loop.run(20)
        # when
        loop.controllers.kubelet.reset |= names(loop.pods(revision))
        # then
        await loop.until(lambda: loop.selected != revision, 10)
        await loop.until(lambda: loop.stable == revision, 200)
        assert loop.rejected == []
        assert [h["reason"] for h in loop.status["history"] if h["outcome"] == "Withdrawn"] == ["PodsLost"]


@pytest.mark.parametrize("strategy", ["BlueGreen", "Canary", "Rolling"])
async def test_pods_that_are_kept_out_of_traffic_in_the_bake_are_nothing_against_a_revision(
    strategy: str,
) -> None:
    """A load balancer's readiness gate, or a node that is silent and that the operator may not read: the pods are not ready,
    and their own containers are."""
    async with well(rollout={"strategy": strategy}) as loop:
        # given
        stable, revision = loop.stable, await in_the_bake(loop)
        await loop.run(20)
        # when
        loop.controllers.kubelet.gated |= names(loop.pods(revision))
        # then
        await loop.until(lambda: loop.selected == stable and len(loop.endpoints()) == 3, 60)
        loop.controllers.kubelet.gated.clear()
        await loop.until(lambda: loop.stable == revision, 240)
        assert loop.rejected == []
        assert [h["outcome"] for h in loop.status["history"]] == ["Promoted", "Withdrawn", "Promoted"]


@pytest.mark.parametrize("strategy", ["BlueGreen", "Canary", "Rolling"])
async def test_pods_that_took_the_place_of_others_in_the_bake_and_fall_are_evidence(strategy: str) -> None:
    """Someone restarts them, or a drain moves them: they were ready before users too. Once is enough."""
    async with well(rollout={"strategy": strategy, "bakeSeconds": 120}) as loop:
        # given
        revision = await in_the_bake(loop)
        before = names(loop.pods(revision))
        loop.ask("restart")
        await loop.until(lambda: loop.ready(revision) == 3 and not before & names(loop.pods(revision)), 60)
        # when
        loop.controllers.kubelet.unready |= names(loop.pods(revision))
        # then
        await loop.until(lambda: len(loop.status["history"]) == 2, 60)
        assert [r["reason"] for r in loop.rejected] == ["NotReadyAfterPromotion"]


async def test_a_fall_is_seen_as_one_although_the_operators_clock_is_behind() -> None:
    async with Loop() as loop:
        loop.skew = timedelta(seconds=-20)
        await loop.create(rollout={"strategy": "Rolling"})
        revision = await in_the_bake(loop)
        await loop.run(10)
        loop.controllers.kubelet.unready |= names(loop.pods(revision))
        await loop.until(lambda: len(loop.status["history"]) == 2, 60)
        assert [r["reason"] for r in loop.rejected] == ["NotReadyAfterPromotion"]


async def test_migrations_whose_node_is_reset_are_tried_again() -> None:
    async with well() as loop:
        # given
        before = loop.stable
        loop.edit(config={"env": [{"name": "MISBEHAVE", "value": "migrate-slow:20"}]})
        await loop.until(lambda: loop.candidate.get("step") == "Migrating", 30)
        await loop.run(10)
        # when
        loop.controllers.kubelet.reset |= {
            p["metadata"]["name"]
            for p in loop.all(POD)
            if loop.candidate["revision"] in p["metadata"]["name"]
        }
        # then
        await loop.until(lambda: loop.stable not in ("", before), 240)
        assert loop.rejected == []


async def test_a_nodes_own_trouble_with_an_image_is_nothing_against_it() -> None:
    async with well() as loop:
        # given
        before, until = loop.stable, loop.clock() + timedelta(seconds=60)
        words = (
            'rpc error: code = NotFound desc = failed to pull and unpack image "registry.example/map:2": failed to extract '
            "layer sha256:8032: failed to get reader from content store: content digest sha256:2729: not found"
        )
        loop.controllers.kubelet.pull_error = lambda image: (
            words if image.endswith(":2") and loop.clock() < until else ""
        )
        # when
        loop.edit(image="registry.example/map:2")
        # then
        await loop.until(lambda: loop.stable != before, 240)
        assert loop.rejected == []


async def test_migrations_whose_pod_someone_deletes_late_are_tried_again() -> None:
    async with well(migrations={"timeoutSeconds": 60}) as loop:
        # given
        before = loop.stable
        loop.edit(config={"env": [{"name": "MISBEHAVE", "value": "migrate-slow:52"}]})
        await loop.until(lambda: loop.candidate.get("step") == "Migrating", 30)
        await loop.run(50)
        # when: as a drain does
        [pod] = [
            p["metadata"]["name"]
            for p in loop.all(POD)
            if loop.candidate["revision"] in p["metadata"]["name"]
        ]
        loop.server.delete(POD, NAMESPACE, pod)
        # then
        await loop.until(lambda: loop.stable not in ("", before), 240)
        assert loop.rejected == []


@pytest.mark.parametrize("strategy", ["BlueGreen", "Canary", "Rolling"])
@pytest.mark.parametrize("autoscaled", [True, False])
async def test_fewer_pods_and_more_again_in_the_bake_are_no_lost_ones(
    strategy: str, autoscaled: bool
) -> None:
    """An autoscaler in a long bake, or a user. The new ones start; none has lost anything."""
    scaling = {"enabled": autoscaled, "minReplicas": 2, "maxReplicas": 8}
    async with well(
        replicas=6, autoscaling=scaling, rollout={"strategy": strategy, "bakeSeconds": 120}
    ) as loop:
        # given
        def want(pods: int) -> None:
            if autoscaled:
                loop.controllers.autoscaler.wanted[f"{API}-hpa"] = pods
            else:
                loop.edit(replicas=pods)

        want(6)
        await loop.until(lambda: loop.ready() == 6, 60)
        loop.bad("slow-start:12")
        await loop.until(lambda: loop.candidate.get("step") == "Baking", 300)
        revision = loop.candidate["revision"]
        # when
        want(2)
        await loop.until(lambda: len(loop.pods(revision)) == 2, 30)
        await loop.run(5)
        want(6)
        # then
        await loop.until(lambda: loop.stable == revision, 200)
        assert [h["outcome"] for h in loop.status["history"]] == ["Promoted", "Promoted"]


async def test_a_lower_maximum_does_not_stop_an_exchange_on_its_way_back() -> None:
    """The real autoscaler takes away what is above its maximum, although its behavior lets it move nothing."""
    scaling = {"enabled": True, "minReplicas": 2, "maxReplicas": 8}
    async with well(autoscaling=scaling, rollout={"strategy": "Rolling", "bakeSeconds": 120}) as loop:
        # given
        stable, wanted = loop.stable, loop.controllers.autoscaler.wanted
        wanted[f"{API}-hpa"] = 6
        await loop.until(lambda: loop.ready() == 6, 60)
        loop.bad("ready-then-dies:15")
        await loop.until(lambda: "verdict" in loop.candidate and loop.selected == "shared", 300)
        # when
        loop.edit(autoscaling={"maxReplicas": 2})
        # then
        await loop.until(lambda: loop.phase == "RolledBack" and loop.selected == stable, 200)
        await loop.until(lambda: loop.ready(stable) == 2, 60)


async def test_a_verdict_outlives_a_suspension_as_it_was() -> None:
    """A service that is suspended on its way back goes back when it is resumed. When the verdict came is known."""
    async with well(rollout={"strategy": "Rolling"}) as loop:
        # given
        loop.bad("ready-then-dies:12")
        await loop.until(lambda: "verdict" in loop.candidate, 200)
        verdict, started = loop.candidate["verdict"], loop.candidate["startedAt"]
        # when
        loop.edit(suspend=True)
        await loop.run(40)
        loop.edit(suspend=False)
        await loop.run(2)
        assert (loop.candidate["verdict"], loop.candidate["startedAt"]) == (verdict, started)
        # then
        await loop.until(lambda: loop.phase == "RolledBack", 100)
        assert 0 < loop.rejected[0]["detectSeconds"] < loop.rejected[0]["restoreSeconds"]
        # and the pod of its migrations, which is all that is left of it, had no part in that
        assert "evidence" not in loop.rejected[0]
        assert loop.ready(loop.stable) == 3


async def test_fewer_pods_wanted_in_an_exchange_move_no_deadline() -> None:
    """The exchange ends at the size that it began with: its pods are more than are wanted by then."""
    async with well(replicas=6, rollout={"strategy": "Rolling", "progressDeadlineSeconds": 60}) as loop:
        loop.good()
        await loop.until(lambda: loop.ready(str(loop.candidate.get("revision", "-"))) == 4, 100)
        loop.controllers.kubelet.unschedulable = lambda pod: "0/2 nodes are available: 2 Insufficient cpu."
        loop.edit(replicas=2)
        await loop.until(lambda: "verdict" in loop.candidate, 90)
        assert loop.candidate["verdict"]["reason"] == "InsufficientCapacity"


async def test_pods_that_a_colleague_takes_away_in_the_bake_are_lost_ones() -> None:
    async with well(replicas=6) as loop:
        loop.bad("slow-start:12")
        await loop.until(lambda: loop.candidate.get("step") == "Baking", 300)
        revision = loop.candidate["revision"]
        await loop.run(5)
        loop.server.scale(DEPLOYMENT, NAMESPACE, f"{API}-{revision}", 1, manager="kubectl")
        await loop.until(lambda: loop.selected != revision, 10)
        assert len(loop.endpoints()) == 6
        assert loop.rejected == []


@pytest.mark.parametrize("by_quota", [False, True])
async def test_pods_to_go_back_to_take_no_room_that_the_candidate_needs(by_quota: bool) -> None:
    """A node goes with a pod of the candidate and with its room, or a quota shrinks: what is left fits all of its pods."""

    def placed() -> int:
        return sum(bool(p["spec"].get("nodeName")) for p in loop.pods())

    async with well(replicas=4, rollout={"strategy": "Rolling", "progressDeadlineSeconds": 60}) as loop:
        loop.good()
        await loop.until(lambda: loop.candidate.get("step") == "Baking", 300)
        stable, revision = loop.stable, loop.candidate["revision"]
        await loop.until(lambda: len(loop.pods()) == 4, 30)
        pod = min(names(loop.pods(revision)))
        loop.controllers.kubelet.unready.add(pod)
        await loop.until(lambda: loop.ready(stable) == 1, 20)
        # when
        if by_quota:
            running = [p for p in loop.all(POD) if p.get("status", {}).get("phase") == "Running"]
            loop.server.admission.quota(NAMESPACE, pods=str(len(running) - 1))
        else:
            loop.controllers.kubelet.unschedulable = lambda pod: (
                "0/1 nodes are available: 1 Insufficient cpu." if placed() >= 4 else ""
            )
        loop.server.delete(POD, NAMESPACE, pod)
        # then
        await loop.until(lambda: loop.stable == revision, 120)
        assert [h["outcome"] for h in loop.status["history"]] == ["Promoted", "Promoted"]


@pytest.mark.parametrize("reads_a_secret", [True, False])
async def test_a_bad_revision_alone_in_a_bake_is_rejected_though_stable_starts_slowly(
    reads_a_secret: bool,
) -> None:
    """An exchange has left stable no pods. Those that start once a pod has fallen are not ready when the verdict comes."""
    slow = {"config": {"env": [{"name": "MISBEHAVE", "value": "slow-start:25"}]}}
    async with Loop() as loop:
        owl = {"metadata": {"name": "owl", "namespace": NAMESPACE}, "stringData": {"key": "1"}}
        loop.server.create(SECRET, owl, manager="kubectl")
        secret = {"jwtSecret": {"secretRef": {"name": "owl", "key": "key"}}} if reads_a_secret else {}
        await loop.create(rollout={"strategy": "Rolling", "bakeSeconds": 120}, **slow, **secret)
        # when
        loop.bad("ready-then-dies:30")
        # then
        await loop.until(lambda: len(loop.status["history"]) == 2, 600)
        assert [r["reason"] for r in loop.rejected] == ["CrashLoop"]
        assert [h["outcome"] for h in loop.status["history"]] == ["RolledBack", "Promoted"]
