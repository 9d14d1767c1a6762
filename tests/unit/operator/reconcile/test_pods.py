"""Pods as a real kubelet (1.34) reports them, and the facts read from them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from maraudersmap_operator.reconcile.reading.pods import pod_facts


def pod(
    containers: list[dict[str, Any]], *, inits: list[dict[str, Any]] | None = None, **status: Any
) -> dict[str, Any]:
    return {
        "metadata": {"uid": "u", "name": "p", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "status": {"containerStatuses": containers, "initContainerStatuses": inits or [], **status},
    }


ENDED = {
    "exitCode": 1,
    "reason": "Error",
    "startedAt": "2026-01-01T00:00:02Z",
    "finishedAt": "2026-01-01T00:00:03Z",
}


def test_waiting_in_back_off_counts_one_termination_more_than_restarts() -> None:
    """restartCount grows only when the next attempt starts."""
    state = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    facts = pod_facts(
        pod([{"name": "api", "restartCount": 1, "state": state, "lastState": {"terminated": ENDED}}])
    )
    assert facts.termination_count == 2
    assert facts.waiting_reason == "CrashLoopBackOff"
    assert facts.last_terminations[0].exit_code == 1


def test_running_again_after_a_restart() -> None:
    """One restart, up now: one termination."""
    running = {"running": {"startedAt": "2026-01-01T00:00:04Z"}}
    facts = pod_facts(
        pod([{"name": "api", "restartCount": 1, "state": running, "lastState": {"terminated": ENDED}}])
    )
    assert facts.termination_count == 1
    assert not facts.down


def test_exit_zero_of_a_server_counts() -> None:
    """A server that ends, however politely, is down."""
    ended = ENDED | {"exitCode": 0, "reason": "Completed"}
    facts = pod_facts(
        pod([{"name": "api", "restartCount": 0, "ready": False, "state": {"terminated": ended}}])
    )
    assert facts.termination_count == 1


def test_finished_init_container_is_no_termination() -> None:
    """It has done its work."""
    done = {
        "name": "i",
        "restartCount": 0,
        "ready": True,
        "state": {"terminated": ENDED | {"exitCode": 0, "reason": "Completed"}},
    }
    facts = pod_facts(pod([{"name": "api", "restartCount": 0, "state": {"running": {}}}], inits=[done]))
    assert facts.termination_count == 0


def test_container_that_never_started_has_no_start_time() -> None:
    """StartError (a bad command): the kubelet writes the epoch."""
    ended = {
        "exitCode": 128,
        "reason": "StartError",
        "startedAt": "1970-01-01T00:00:00Z",
        "finishedAt": "2026-01-01T00:00:03Z",
    }
    facts = pod_facts(pod([{"name": "api", "restartCount": 0, "state": {"terminated": ended}}]))
    assert facts.last_terminations[0].started_at is None
    assert facts.last_terminations[0].finished_at is not None


def test_eviction_and_drain_say_nothing_about_the_revision() -> None:
    """By the pod's reason, or by its DisruptionTarget condition."""
    assert pod_facts(pod([], reason="Evicted", phase="Failed")).disrupted
    target = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
    assert pod_facts(pod([], conditions=[target])).disrupted
    assert not pod_facts(pod([])).disrupted


def test_unschedulable_pod_carries_the_schedulers_words() -> None:
    """0/3 nodes are available ..."""
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
    assert pod_facts(pod([], conditions=[condition])).unschedulable == "0/3 nodes"


def test_ready_pod_knows_since_when() -> None:
    """From its Ready condition."""
    condition = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:09Z"}
    facts = pod_facts(pod([], conditions=[condition]))
    assert facts.ready
    assert facts.ready_since is not None
    assert facts.ready_since.second == 9


def test_an_evicted_pod_has_ended_and_a_leaving_one_says_when() -> None:
    """The first takes no room, the second none once its grace period is over; the kubelet may never remove it."""
    gone = pod([], phase="Failed", reason="Evicted")
    assert pod_facts(gone).ended
    assert not pod_facts(gone).takes_room(datetime(2026, 1, 1, tzinfo=UTC))
    leaving = pod([], phase="Running")
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:40Z"
    facts = pod_facts(leaving)
    assert facts.terminating
    assert facts.takes_room(datetime(2026, 1, 1, 0, 0, 39, tzinfo=UTC))
    assert not facts.takes_room(datetime(2026, 1, 1, 0, 0, 40, tzinfo=UTC))


@pytest.mark.parametrize("reason", ["Unknown", "ContainerStatusUnknown"])
def test_a_run_that_no_one_has_seen_end_is_no_termination(reason: str) -> None:
    """As containerd reports what ran when its node was reset, and the kubelet what it cannot find any more."""
    lost = ENDED | {"exitCode": 255, "reason": reason}
    running = {"running": {"startedAt": "2026-01-01T00:00:04Z"}}
    facts = pod_facts(
        pod([{"name": "api", "restartCount": 1, "state": running, "lastState": {"terminated": lost}}])
    )
    assert (facts.termination_count, facts.all_ends, facts.last_terminations) == (0, 1, ())
    assert facts.was_reset
