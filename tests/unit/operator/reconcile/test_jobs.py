"""What a migrations Job and its pod show together."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from maraudersmap_operator.cluster import Key, Store
from maraudersmap_operator.cluster.kinds import JOB, MARAUDERSMAP, POD
from maraudersmap_operator.reconcile.reading.jobs import migration_facts
from maraudersmap_operator.rollout import JobState, MigrationFacts

KEY = Key("demo", "map")
REVISION = "abc"
NAME = f"map-migrate-{REVISION}-1"
ENDED_AT = "2026-01-01T00:00:09Z"
COMPLETE = {"type": "Complete", "status": "True", "lastTransitionTime": "2026-01-01T00:00:10Z"}
FAILED = {"type": "Failed", "status": "True", "lastTransitionTime": "2026-01-01T00:00:10Z", "message": "late"}


def meta(name: str, owner: tuple[str, str], **labels: str) -> dict[str, Any]:
    return {
        "name": name, "namespace": "demo", "uid": name, "resourceVersion": "1",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": {
            "app.kubernetes.io/managed-by": "maraudersmap-operator", "app.kubernetes.io/instance": "map",
            "app.kubernetes.io/component": "migrations", "hogwarts.edu/revision": REVISION, **labels,
        },
        "ownerReferences": [{"kind": owner[0], "name": owner[1], "uid": owner[1], "controller": True}],
    }  # fmt: skip


def pod(phase: str, exit_code: int | None, owner: str = NAME, injected: bool = False) -> dict[str, Any]:
    """`exit_code`: None while the migrations run. `injected`: beside them runs a container that never ends."""
    ended = {
        "exitCode": exit_code,
        "reason": "Completed",
        "startedAt": "2026-01-01T00:00:08Z",
        "finishedAt": ENDED_AT,
    }
    running: dict[str, Any] = {"running": {"startedAt": "2026-01-01T00:00:08Z"}}
    states = [running if exit_code is None else {"terminated": ended}, *([running] if injected else [])]
    containers = [
        {"name": name, "restartCount": 0, "ready": False, "state": state}
        for name, state in zip(("migrate", "proxy"), states, strict=False)
    ]
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": meta("pod", ("Job", owner), **{"batch.kubernetes.io/job-name": NAME}),
        "spec": {"containers": [{"name": container["name"]} for container in containers]},
        "status": {"phase": phase, "containerStatuses": containers},
    }  # fmt: skip


def facts(pods: list[dict[str, Any]], *conditions: dict[str, str], job: bool = True) -> MigrationFacts:
    store = Store()
    resource = {"name": "map", "namespace": "demo", "uid": "map", "resourceVersion": "1"}
    store.put(
        MARAUDERSMAP, {"apiVersion": MARAUDERSMAP.api_version, "kind": "MaraudersMap", "metadata": resource}
    )
    made_job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta(NAME, ("MaraudersMap", "map"))}
    if job:
        store.put(JOB, {**made_job, "status": {"conditions": list(conditions)}})
    for made in pods:
        store.put(POD, made)  # which keeps no more of a pod than somebody reads
    found = migration_facts(store, KEY, REVISION, store.children(KEY, POD), {"lost"}, "", None)
    assert found is not None
    return found


@pytest.mark.parametrize("phase", ["Running", "Succeeded"])
def test_a_pod_that_ended_well_is_the_end_of_its_job(phase: str) -> None:
    """Which the Job itself reports two seconds later; the kubelet reports the container before the pod."""
    found = facts([pod(phase, 0)])
    assert found.state is JobState.COMPLETE
    assert found.finished_at == datetime(2026, 1, 1, 0, 0, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    "pods",
    [
        [],
        [pod("Running", None)],
        [pod("Running", 0, injected=True)],
        [pod("Failed", 1)],
        [pod("Succeeded", 0, owner="other")],
    ],
    ids=[
        "none",
        "one that runs",
        "one in which something else still runs",
        "one that failed: the Job judges that",
        "one of another Job",
    ],
)
def test_no_other_pod_is(pods: list[dict[str, Any]]) -> None:
    assert facts(pods).state is JobState.RUNNING


def test_what_was_done_before_the_deadline_is_done() -> None:
    """The Job's own runs until its controller has seen the end of the pod."""
    assert facts([pod("Succeeded", 0)], FAILED).state is JobState.COMPLETE
    assert facts([pod("Failed", 1)], FAILED).state is JobState.FAILED


def test_without_its_pod_the_job_is_asked() -> None:
    assert facts([], COMPLETE).state is JobState.COMPLETE
    assert facts([], FAILED).state is JobState.FAILED


def test_a_job_that_failed_migrates_for_as_long_as_its_pod_runs() -> None:
    """At the Job's deadline its pod is granted its grace period; on a node that is lost it runs for no one."""
    assert facts([pod("Running", None)], FAILED).state is JobState.RUNNING
    assert facts([{**pod("Running", None), "spec": {"nodeName": "lost"}}], FAILED).state is JobState.FAILED


def test_a_pod_that_its_job_has_left_behind_still_migrates() -> None:
    found = facts([orphan("Running", None)], job=False)
    assert (found.state, found.attempt, [p.name for p in found.pods]) == (JobState.RUNNING, 1, ["pod"])
    assert "pod pod still runs" in found.message
    assert facts([orphan("Running", None)], FAILED).state is JobState.RUNNING


@pytest.mark.parametrize("ended", [("Succeeded", 0), ("Failed", 1), ("Running", 0)])
def test_one_that_has_ended_holds_up_no_other_attempt(ended: tuple[str, int]) -> None:
    with pytest.raises(AssertionError):
        facts([orphan(*ended)], job=False)


def orphan(phase: str, exit_code: int | None) -> dict[str, Any]:
    made = pod(phase, exit_code)
    return {**made, "metadata": {k: v for k, v in made["metadata"].items() if k != "ownerReferences"}}


def test_a_job_that_someone_suspends_is_not_reported_as_running() -> None:
    """By hand, or by a queue that every Job of the cluster goes through: that is what is waited for."""
    suspended = {"type": "Suspended", "status": "True", "lastTransitionTime": "2026-01-01T00:00:01Z"}
    assert "suspended" in facts([], suspended).message
    assert facts([], suspended | {"status": "False"}).message == ""
