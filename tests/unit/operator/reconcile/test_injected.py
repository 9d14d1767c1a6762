"""Containers that somebody put into our pods: seen, named, and never counted as the revision's own."""

from __future__ import annotations

from typing import Any

import pytest

from maraudersmap_operator.cluster.kinds import POD
from maraudersmap_operator.cluster.slim import slim
from maraudersmap_operator.reconcile.reading.pods import pod_facts

API = {
    "name": "api",
    "restartCount": 0,
    "ready": True,
    "state": {"running": {"startedAt": "2026-01-01T00:00:04Z"}},
}
CRASHED = {"exitCode": 7, "reason": "Error", "finishedAt": "2026-01-01T00:00:03Z"}
BACK_OFF = {
    "name": "proxy",
    "restartCount": 4,
    "ready": False,
    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
    "lastState": {"terminated": CRASHED},
}
RUNNING: dict[str, Any] = {"restartCount": 0, "ready": False, "started": True, "state": {"running": {}}}
WAITING = {
    "name": "api",
    "restartCount": 0,
    "ready": False,
    "state": {"waiting": {"reason": "PodInitializing"}},
}
MIGRATED = {
    "name": "migrate",
    "restartCount": 0,
    "ready": False,
    "state": {"terminated": CRASHED | {"exitCode": 0}},
}


def pod(
    mains: list[dict[str, Any]], inits: tuple[dict[str, Any], ...] = (), helpers: tuple[str, ...] = ()
) -> Any:
    return {
        "metadata": {"uid": "u", "name": "p", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"initContainers": [{"name": h, "restartPolicy": "Always"} for h in helpers]},
        "status": {"containerStatuses": mains, "initContainerStatuses": list(inits)},
    }


def test_a_sidecar_that_crashes_is_not_the_applications_end() -> None:
    facts = pod_facts(pod([API, BACK_OFF]))
    assert facts.termination_count == 0
    assert facts.own_ready
    assert facts.last_terminations == ()
    assert (
        "the container proxy: CrashLoopBackOff: back-off 40s; its last run ended with exit code 7"
        in facts.injected
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (pod([WAITING], (RUNNING | {"name": "vault"},)), "the init container vault still runs"),
        (pod([WAITING], (RUNNING | {"name": "mesh"},), helpers=("mesh",)), ""),
        (
            pod([WAITING], (RUNNING | {"name": "mesh", "started": False},), helpers=("mesh",)),
            "the container mesh has not started up",
        ),
        (pod([API, RUNNING | {"name": "proxy"}]), "the container proxy is not ready"),
        (pod([API], (RUNNING | {"name": "mesh"},), helpers=("mesh",)), "the container mesh is not ready"),
        (
            pod([MIGRATED, RUNNING | {"name": "proxy"}]),
            "the container proxy still runs, although the work is done",
        ),
        (pod([API]), ""),
    ],
)
def test_what_keeps_the_pod_is_named(given: Any, words: str) -> None:
    """As the store keeps the pod."""
    assert pod_facts(slim(POD, given)).injected == words


def test_own_container_knows_since_when_it_has_run() -> None:
    """The earliest start that the kubelet still reports; none before it has one."""
    assert pod_facts(pod([WAITING])).ran_since is None
    ran = pod_facts(
        pod([API | {"lastState": {"terminated": CRASHED | {"startedAt": "2026-01-01T00:00:02Z"}}}])
    ).ran_since
    assert ran is not None
    assert ran.second == 2
