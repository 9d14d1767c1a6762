"""Resources as the API server returns them, in the situations that the plugin has to explain."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from maraudersmap_operator.cli.snapshot import Snapshot, happening_of, pod_of, record_of, snapshot_of
from maraudersmap_operator.resource.status_model import rfc3339, rfc3339_micro

Object = dict[str, Any]

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
NAMESPACE, NAME = "owlery", "map"
GOOD, BAD = "registry.example/api:1.4", "registry.example/api:1.5"
STABLE, NEXT = "bcdfgh24", "zxwvts56"
TOKEN = "20260302T093000Z-abcdef"
PODS_READY = "2 of 2 pods of revision bcdfgh24 are ready"


def before(seconds: float) -> str:
    return rfc3339(NOW - timedelta(seconds=seconds))


def before_micro(seconds: float) -> str:
    return rfc3339_micro(NOW - timedelta(seconds=seconds))


def condition(kind: str, status: str, reason: str, message: str = "", seconds: float = 300) -> Object:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": 1,
        "lastTransitionTime": before(seconds),
    }


def stable(revision: str = STABLE, image: str = GOOD) -> Object:
    return {"revision": revision, "image": image, "since": before(3600)}


def candidate(step: str = "Witnesses", **more: Any) -> Object:
    moments = {
        "startedAt": before_micro(40),
        "stepStartedAt": before_micro(12),
    }
    memory = {"progress": {"progressedAt": before_micro(12)}}
    return {"revision": NEXT, "image": BAD, "step": step, "memory": memory, **moments, **more}


def rejected(**more: Any) -> Object:
    return {
        "revision": NEXT,
        "image": BAD,
        "reason": "CrashLoop",
        "message": "containers ended 5 times; the last one with exit code 78 (Error)",
        "rejectedAt": before(90),
        "detectSeconds": 19.4,
        "restoreSeconds": 19.9,
        **more,
    }


def ended(outcome: str, revision: str, image: str, seconds: float, reason: str = "") -> Object:
    return {
        "revision": revision,
        "image": image,
        "outcome": outcome,
        "reason": reason,
        "startedAt": before(seconds + 20),
        "endedAt": before(seconds),
        "durationSeconds": 19.9,
    }


def resource(status: Object | None = None, *, generation: int = 1, image: str = GOOD, **spec: Any) -> Object:
    given: Object = {
        "apiVersion": "hogwarts.edu/v1alpha1",
        "kind": "MaraudersMap",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "uid": "u-map", "generation": generation},
        "spec": {"image": image, "database": {"evaluation": {}}, **spec},
    }
    if status is not None:
        given["status"] = {"observedGeneration": generation, **status}
    return given


def healthy(**more: Any) -> Object:
    """The status of a resource whose spec's revision is stable."""
    return {
        "phase": "Ready",
        "message": PODS_READY,
        "conditions": [
            condition("Ready", "True", "StableServing", PODS_READY),
            condition("Reconciling", "False", "Ready"),
            condition("Stalled", "False", "Ready"),
            condition("Available", "True", "PodsReady", PODS_READY),
            condition("RolledBack", "False", "NotRejected"),
        ],
        "stable": stable(),
        "serving": STABLE,
        "replicas": {"desired": 2, "ready": 2, "updated": 2},
        "history": [ended("Promoted", STABLE, GOOD, 3600)],
        "url": "http://map-api.owlery.svc",
        **more,
    }


def rolled_back(**more: Any) -> Object:
    entry = rejected(**more)
    message = f"{BAD} was rolled back ({entry['reason']}: {entry['message']}); {GOOD} serves"
    return healthy(
        phase="RolledBack",
        message=message,
        conditions=[
            condition("Ready", "False", "RolledBack", message, 90),
            condition("Stalled", "True", "RolledBack", message, 90),
            condition("Available", "True", "PodsReady", PODS_READY),
            condition("Progressing", "False", "Idle"),
            condition("RolledBack", "True", entry["reason"], entry["message"], 90),
        ],
        target=NEXT,
        rejected=[entry],
        history=[
            ended("RolledBack", NEXT, BAD, 90, entry["reason"]),
            ended("Promoted", STABLE, GOOD, 3600),
        ],
    )


def on_trial(step: str = "Witnesses", **more: Any) -> Object:
    message = f"{BAD} is on trial: {step}"
    phase = "Baking" if step == "Baking" else "RollingOut"
    return healthy(
        phase=phase,
        message=message,
        conditions=[condition("Ready", "False", phase, message, 40)],
        candidate=candidate(step, **more),
        serving=NEXT if step == "Baking" else STABLE,
    )


def held(reason: str = "QuotaExceeded", **more: Any) -> Object:
    hold = {
        "revision": NEXT,
        "reason": reason,
        "message": "exceeded quota: pods=10",
        "attempts": 2,
        "retryAt": before(-45),
        **more,
    }
    message = "exceeded quota: pods=10; tried 2 times, the next try follows"
    return healthy(
        phase="Pending",
        message=message,
        conditions=[condition("Ready", "False", "QuotaExceeded", message)],
        hold=hold,
    )


def without_its_database() -> Object:
    """The stable revision's pods run, and say that they are not ready; the database is one that the operator does not run."""
    message = "0 of 2 pods of revision bcdfgh24 are ready"
    return healthy(
        phase="Degraded",
        message=message,
        conditions=[
            condition("Ready", "False", "Degraded", message, 60),
            condition("Available", "False", "NoReadyPods", "no ready pod of the Service", 60),
            condition("DatabaseReady", "True", "External"),
        ],
        replicas={"desired": 2, "ready": 0, "updated": 2},
    )


def sent_back() -> Object:
    message = f"{GOOD} serves, asked for by hogwarts.edu/rollback-to, until the spec's pods change"
    return healthy(
        phase="RolledBack",
        message=message,
        conditions=[
            condition("Ready", "False", "RolledBack", message, 60),
            condition("RolledBack", "True", "RolledBackTo", "hogwarts.edu/rollback-to asked for it", 60),
        ],
        pin={"revision": STABLE, "against": NEXT},
    )


def from_a_newer_operator() -> Object:
    """With a phase, a step, and an outcome that are not known here, and a field that has become something else."""
    return on_trial("Levitating") | {
        "phase": "Enchanted",
        "message": "registry.example/api:1.5 is being enchanted",
        "history": [ended("Enchanted", NEXT, BAD, 30), ended("Promoted", STABLE, GOOD, 3600)],
        "tokens": ["of another shape"],
    }


def pod(revision: str, number: int, *, ready: bool = True, restarts: int = 0, **state: Any) -> Object:
    return {
        "metadata": {
            "name": f"map-api-{revision}-{number}",
            "uid": f"u-{revision}-{number}",
            "namespace": NAMESPACE,
            "creationTimestamp": before(200 + number),
            "labels": labels(revision),
        },
        "spec": {"nodeName": f"node-{number}"},
        "status": {
            "conditions": [
                {"type": "PodScheduled", "status": "True"},
                {"type": "Ready", "status": "True" if ready else "False"},
            ],
            "containerStatuses": [
                {"restartCount": restarts, "ready": ready, "state": state or {"running": {}}}
            ],
        },
    }


def labels(revision: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/instance": NAME,
        "app.kubernetes.io/component": "api",
        "app.kubernetes.io/managed-by": "maraudersmap-operator",
        "hogwarts.edu/revision": revision,
    }


def record(revision: str, number: int, image: str, level: str = "info") -> Object:
    env = [{"name": "LOG_LEVEL", "value": level}, {"name": "PORT", "value": "4001"}]
    return {
        "metadata": {"name": f"map-{revision}", "namespace": NAMESPACE, "labels": labels(revision)},
        "revision": number,
        "data": {
            "image": image,
            "inputs": {"image": image, "database": {"evaluation": {}}},
            "template": {
                "metadata": {"labels": labels(revision)},
                "spec": {"containers": [{"name": "api", "image": image, "env": env}]},
            },
        },
    }


def event(reason: str, message: str, seconds: float, kind: str = "Normal", count: int = 1) -> Object:
    return {
        "involvedObject": {"kind": "MaraudersMap", "name": NAME, "uid": "u-map"},
        "type": kind,
        "reason": reason,
        "message": message,
        "count": count,
        "lastTimestamp": before(seconds),
    }


RECORDS = (record(STABLE, 1, GOOD), record(NEXT, 2, BAD, "debug"))
SERVING = (pod(STABLE, 1), pod(STABLE, 2, restarts=1))


def snapshot(
    given: Object,
    pods: tuple[Object, ...] | None = SERVING,
    records: tuple[Object, ...] | None = RECORDS,
    events: tuple[Object, ...] = (),
    notes: tuple[str, ...] = (),
) -> Snapshot:
    seen = snapshot_of(given)
    return replace(
        seen,
        pods=None if pods is None else tuple(map(pod_of, pods)),
        records=None if records is None else tuple(map(record_of, records)),
        happenings=tuple(map(happening_of, events)),
        notes=(*seen.notes, *notes),
    )
