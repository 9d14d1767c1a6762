"""What the real loop shows of a resource, from its first rollout to its end."""

from __future__ import annotations

from prometheus_client.exposition import generate_latest
from tests.unit.operator.fake.harness import NAME, NAMESPACE, Loop

from maraudersmap_operator.cluster.kinds import MARAUDERSMAP


def value(loop: Loop, name: str, **labels: str) -> float | None:
    return loop.operator.metrics.registry.get_sample_value(name, labels)


def of_resource(loop: Loop, name: str, **labels: str) -> float | None:
    return value(loop, f"maraudersmap_resource_{name}", namespace=NAMESPACE, maraudersmap=NAME, **labels)


async def test_the_metrics_follow_a_resource_from_its_first_rollout_to_its_end() -> None:
    async with Loop() as loop:
        # given: a first rollout
        await loop.create(autoscaling={"enabled": True, "minReplicas": 3, "maxReplicas": 7})
        await loop.until(lambda: loop.phase == "Ready")
        await loop.run(5)
        # then
        assert value(loop, "maraudersmap_rollout_duration_seconds_count", outcome="Promoted") == 1
        assert of_resource(loop, "phase", phase="Ready") == 1
        assert of_resource(loop, "max_replicas") == 7
        assert of_resource(loop, "desired_replicas") == of_resource(loop, "ready_replicas") == 3
        # when: a bad one is taken back
        loop.bad("crash")
        await loop.until(lambda: of_resource(loop, "rollout_started_timestamp_seconds") is not None)
        await loop.until(lambda: loop.phase == "RolledBack")
        # then
        assert of_resource(loop, "phase", phase="RolledBack") == 1
        assert of_resource(loop, "phase", phase="Ready") is None
        assert of_resource(loop, "rollbacks_total") == 1
        assert of_resource(loop, "last_rejected_timestamp_seconds", reason="CrashLoop") is not None
        assert (
            (of_resource(loop, "last_restore_seconds") or 0)
            >= (of_resource(loop, "last_detect_seconds") or 0)
            > 0
        )
        assert of_resource(loop, "rollout_started_timestamp_seconds") is None
        # and the count by phase agrees
        assert value(loop, "maraudersmap_info", phase="RolledBack") == 1
        # when: it goes
        loop.server.delete(MARAUDERSMAP, NAMESPACE, NAME)
        await loop.run(5)
        # then
        assert b'maraudersmap="' not in generate_latest(loop.operator.metrics.registry)
