"""Nodes and what runs on them: pods start, become ready, crash and end as their images and environments say.

The variable MISBEHAVE of a container decides, as in the real misbehaving image: `word` or `word:seconds`. Words: crash, oom,
never-ready, ready-then-dies, slow-start, no-such-image, migrate-fails, migrate-hangs, migrate-slow, migrate-away,
migrate-changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from maraudersmap_operator.cluster.kinds import CONFIG_MAP, NODE, POD, SECRET
from maraudersmap_operator.resource.names import LABEL_REVISION

from ..clock import moment, stamp
from ..server import ApiServer
from ..storage import Stored
from .base import Controller, is_ready, with_conditions

Manifest = dict[str, Any]
START_SECONDS = 1.0
READY_SECONDS = 1.0
STOP_SECONDS = 1.0
JOB_SECONDS = 1.0
# From the end of a container that is not started again to the end of its pod.
PHASE_SECONDS = 1.0
LONGEST_BACK_OFF = 300.0
NOTHING_TO_DO = "nothing to do"
NODES = ("node-1", "node-2")


@dataclass(slots=True)
class Life:
    """What the kubelet remembers of one pod's container."""

    created: datetime
    starts_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    restarts: int = 0
    last: Manifest | None = None
    pulls: int = 0
    was_ready: bool = False
    gone_at: datetime | None = None


@dataclass(slots=True)
class Kubelet(Controller):
    server: ApiServer
    unready: set[str] = field(default_factory=set)
    """Names of pods whose readiness probe fails although they run."""
    gated: set[str] = field(default_factory=set)
    """Names of pods whose containers are ready, and a readiness gate that someone has put into them is not met."""
    database_away: bool = False
    minds_tables: bool = False
    """A pod gets ready only in front of a database in which migrations of its revision, or of a later one, have run."""
    broken: set[str] = field(default_factory=set)
    """Names of pods whose containers end when they should run."""
    reset: set[str] = field(default_factory=set)
    """Names of pods whose node is reset, once: how their containers ended no one has seen."""
    hanging: set[str] = field(default_factory=set)
    """Names of pods that take their whole grace period to end."""
    crashes: Callable[[Manifest], bool] = lambda pod: False
    """Pods whose containers end as soon as they start."""
    pull_error: Callable[[str], str] = lambda image: ""
    """What a pull of the image fails with; empty: it works."""
    unschedulable: Callable[[Manifest], str] = lambda pod: ""
    last_words: Callable[[Manifest], str] = lambda pod: "the map is torn"
    """The termination message of a container that crashes."""
    _lives: dict[str, Life] = field(default_factory=dict)
    _tables: dict[str, int] = field(default_factory=dict)
    """By the uid of a database's pod: the number of the latest revision whose migrations have run there."""
    _migrated: dict[str, int] = field(default_factory=dict)
    """The number of each revision."""
    manager = "kubelet"
    timed = True
    clean_at: int = -1

    def sync(self) -> None:
        for name in NODES:
            if self.server.storage.get(NODE, None, name) is None:
                self._register(name)
        pods = self.server.storage.all(POD)
        for pod in pods:
            self._live(pod)
        if len(self._lives) > 2 * len(pods) + 100:
            known = {p.uid for p in pods}
            self._lives = {u: life for u, life in self._lives.items() if u in known}

    def fail_pod(self, namespace: str, name: str, reason: str = "Evicted") -> None:
        """An eviction by the kubelet: the pod stays, Failed."""
        stored = self.server.storage.get(POD, namespace, name)
        assert stored is not None
        now = self.server.clock.stamp()
        wanted = [{"type": "Ready", "status": "False", "reason": "PodFailed"}]
        status = {
            "phase": "Failed",
            "reason": reason,
            "message": "The node was low on resource: memory.",
            "conditions": with_conditions(stored.body, wanted, now),
        }
        self.set_status(stored, status)

    def _register(self, name: str) -> None:
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
        self.server.create(NODE, node, manager=self.manager)
        stored = self.server.storage.get(NODE, None, name)
        assert stored is not None
        body = stored.read()
        body["status"] = {"conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}]}
        self.server.update(NODE, body, manager=self.manager, subresource="status")

    def _live(self, pod: Stored) -> None:
        now = self.server.clock.now
        meta, spec = pod.body["metadata"], pod.body["spec"]
        status = pod.body.get("status") or {}
        if "deletionTimestamp" in meta:
            self._stop(pod, now)
            return
        if status.get("phase") in ("Succeeded", "Failed"):
            return
        life = self._lives.get(pod.uid)
        if life is None:
            life = Life(moment(meta["creationTimestamp"]), now + timedelta(seconds=START_SECONDS))
            self._lives[pod.uid] = life
        if not spec.get("nodeName"):
            if message := self.unschedulable(pod.body):
                wanted = [
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
                ]
                conditions = with_conditions(pod.body, wanted, stamp(now))
                self.set_status(pod, {"phase": "Pending", "conditions": conditions})
                life.starts_at = now + timedelta(seconds=START_SECONDS)
                return
            self._bind(pod)
            return
        self._run(pod, life, now)

    def _bind(self, pod: Stored) -> None:
        """The scheduler's binding, which no client may write."""
        body = pod.read()
        body["metadata"].pop("managedFields", None)
        body["spec"]["nodeName"] = NODES[int(pod.uid[-4:], 10) % len(NODES)]
        body["status"] = {
            "phase": "Pending",
            "conditions": with_conditions(
                pod.body, [{"type": "PodScheduled", "status": "True"}], self.server.clock.stamp()
            ),
        }
        self.server.storage.write(Stored(POD, body, pod.entries), self.server.clock.now)

    def _stop(self, pod: Stored, now: datetime) -> None:
        meta = pod.body["metadata"]
        life = self._lives.setdefault(pod.uid, Life(now, now))
        if life.gone_at is None:
            grace = float(meta.get("deletionGracePeriodSeconds", 0))
            takes = grace if meta["name"] in self.hanging else min(STOP_SECONDS, grace)
            life.gone_at = now + timedelta(seconds=takes)
        if now >= life.gone_at:
            self.server.remove(POD, meta["namespace"], meta["name"])
            del self._lives[pod.uid]

    def _run(self, pod: Stored, life: Life, now: datetime) -> None:
        container = pod.body["spec"]["containers"][0]
        wrong = _misbehaviour(container)
        if life.started_at is None and life.ended_at is None:
            if now < life.starts_at:
                self._report(pod, life, {"waiting": {"reason": "ContainerCreating"}}, ready=False)
                return
            if waiting := self._cannot_start(pod, container, wrong, life, now):
                self._report(pod, life, {"waiting": waiting}, ready=False)
                return
            life.started_at = now
        if life.started_at is not None:
            end = self._end(pod, container, wrong, life, now)
            if end is None:
                ready = self._ready(pod, container, wrong, life, now)
                life.was_ready = life.was_ready or ready
                self._report(pod, life, {"running": {"startedAt": stamp(life.started_at)}}, ready=ready)
                return
            life.last, life.ended_at, life.started_at = end, now, None
        if pod.body["spec"]["restartPolicy"] == "Never":
            self._report_for_good(pod, life, now)
        else:
            self._wait_for_restart(pod, life, now)

    def _report_for_good(self, pod: Stored, life: Life, now: datetime) -> None:
        """The end of the container at once, that of the pod with the next report."""
        assert life.last is not None
        assert life.ended_at is not None
        ended = "Succeeded" if life.last["exitCode"] == 0 else "Failed"
        phase = ended if now >= life.ended_at + timedelta(seconds=PHASE_SECONDS) else ""
        self._report(pod, life, {"terminated": life.last}, ready=False, phase=phase)

    def _wait_for_restart(self, pod: Stored, life: Life, now: datetime) -> None:
        assert life.ended_at is not None
        # The first restart is at once; then 10 s, 20 s, 40 s.
        pause = 0.0 if life.restarts == 0 else min(10.0 * 2 ** (life.restarts - 1), LONGEST_BACK_OFF)
        if now >= life.ended_at + timedelta(seconds=pause + 1):
            life.restarts += 1
            life.started_at, life.ended_at, life.was_ready = now, None, False
            self._report(pod, life, {"running": {"startedAt": stamp(now)}}, ready=False)
        elif pause and now > life.ended_at:
            message = f"back-off {pause:.0f}s restarting failed container"
            self._report(
                pod, life, {"waiting": {"reason": "CrashLoopBackOff", "message": message}}, ready=False
            )
        else:
            self._report(pod, life, {"terminated": life.last}, ready=False)

    def _cannot_start(
        self, pod: Stored, container: Manifest, wrong: dict[str, float], life: Life, now: datetime
    ) -> Manifest | None:
        image = container["image"]
        failed = self.pull_error(image)
        host = image.partition("/")[0]
        if host.endswith(".invalid"):  # a name that no resolver knows (RFC 6761)
            failed = f"failed to do request: dial tcp: lookup {host}: no such host"
        if "no-such-image" in wrong:
            failed = f'failed to pull and unpack image "{image}": failed to resolve reference "{image}": {image}: not found'
        if failed:
            life.pulls += 1
            reason = "ErrImagePull" if life.pulls % 3 == 1 else "ImagePullBackOff"
            back_off = f'Back-off pulling image "{image}": ErrImagePull: {failed}'
            return {"reason": reason, "message": failed if reason == "ErrImagePull" else back_off}
        if missing := self._missing(pod, container):
            return {"reason": "CreateContainerConfigError", "message": missing}
        return None

    def _missing(self, pod: Stored, container: Manifest) -> str:
        namespace = pod.body["metadata"]["namespace"]
        for kind, names in _references(container):
            for name, key in names:
                stored = self.server.storage.get(kind, namespace, name)
                if stored is None:
                    return f'{kind.kind.lower()} "{name}" not found'
                if key and key not in (stored.body.get("data") or {}):
                    return f"couldn't find key {key} in {kind.kind} {namespace}/{name}"
        return ""

    def _end(
        self, pod: Stored, container: Manifest, wrong: dict[str, float], life: Life, now: datetime
    ) -> Manifest | None:
        """How the container ends now; None while it runs."""
        assert life.started_at is not None
        ran = (now - life.started_at).total_seconds()
        name = pod.body["metadata"]["name"]
        code, reason, words = 1, "Error", self.last_words(pod.body)
        if name in self.reset:
            self.reset.remove(name)
            code, reason, words = 255, "Unknown", ""
        elif container["name"] == "migrate":
            if ran < JOB_SECONDS + wrong.get("migrate-slow", 0) or "migrate-hangs" in wrong:
                return None
            code, reason, words = 0, "Completed", NOTHING_TO_DO
            if "migrate-fails" in wrong:
                code, reason, words = 1, "Error", "column is missing"
            elif "migrate-away" in wrong or self.database_away or self._no_database(pod):
                code, reason, words = 75, "Error", "the database cannot be reached"
            else:
                self._make_tables(pod)
                words = "1 migration applied" if "migrate-changes" in wrong else words
        elif "oom" in wrong:
            code, reason, words = 137, "OOMKilled", ""
        elif "ready-then-dies" in wrong:
            if not life.was_ready or ran < READY_SECONDS + wrong["ready-then-dies"]:
                return None
        elif "crash" not in wrong and name not in self.broken and not self.crashes(pod.body):
            # The kubelet gives up on a slow starter when its startup probe has failed often enough.
            probe = container.get("startupProbe") or {}
            patience = float(probe.get("failureThreshold", 3)) * float(probe.get("periodSeconds", 10))
            if not probe or wrong.get("slow-start", 0) <= patience or ran < patience:
                return None
            code, reason, words = 137, "Error", ""
        found = {
            "exitCode": code,
            "reason": reason,
            "startedAt": stamp(life.started_at),
            "finishedAt": stamp(now),
        }
        return found | ({"message": words} if words else {})

    def _ready(
        self, pod: Stored, container: Manifest, wrong: dict[str, float], life: Life, now: datetime
    ) -> bool:
        assert life.started_at is not None
        if (
            "never-ready" in wrong
            or pod.body["metadata"]["name"] in self.unready
            or container["name"] == "migrate"
            or (self.minds_tables and self._newest_tables(pod) < self._number(pod))
        ):
            return False
        delay = READY_SECONDS + wrong.get("slow-start", 0)
        delay += float((container.get("readinessProbe") or {}).get("initialDelaySeconds", 0))
        return (now - life.started_at).total_seconds() >= delay

    def _database(self, pod: Stored) -> Stored | None:
        """The evaluation database's pod that answers in the namespace of the pod."""
        namespace = pod.body["metadata"]["namespace"]
        found = (p for p in self.server.storage.all(POD, namespace) if _is_database(p.body))
        return next(
            (p for p in found if is_ready(p.body) and "deletionTimestamp" not in p.body["metadata"]), None
        )

    def _no_database(self, pod: Stored) -> bool:
        return self.minds_tables and self._database(pod) is None

    def _make_tables(self, pod: Stored) -> None:
        if self.minds_tables and (database := self._database(pod)) is not None:
            revision = (pod.body["metadata"].get("labels") or {}).get(LABEL_REVISION, "")
            self._migrated.setdefault(revision, len(self._migrated) + 1)
            self._tables[database.uid] = max(self._newest_tables(pod), self._number(pod))

    def _newest_tables(self, pod: Stored) -> int:
        database = self._database(pod)
        return self._tables.get(database.uid, 0) if database else 0

    def _number(self, pod: Stored) -> int:
        """In the order in which they first migrated; 0 for what never has."""
        return self._migrated.get((pod.body["metadata"].get("labels") or {}).get(LABEL_REVISION, ""), 0)

    def _report(self, pod: Stored, life: Life, state: Manifest, *, ready: bool, phase: str = "") -> None:
        container = pod.body["spec"]["containers"][0]
        others = pod.body["spec"]["containers"][1:]
        helpers = [
            c for c in pod.body["spec"].get("initContainers") or () if c.get("restartPolicy") == "Always"
        ]
        running = "running" in state or life.restarts > 0 or life.last is not None
        container = {
            "name": container["name"],
            "image": container["image"],
            "ready": ready,
            "restartCount": life.restarts,
            "state": state,
            "lastState": {"terminated": life.last} if life.last and "terminated" not in state else {},
        }
        beside = [
            {
                "name": c["name"],
                "image": c["image"],
                "ready": True,
                "started": True,
                "restartCount": 0,
                "state": {"running": {}},
            }
            for c in (*helpers, *others)
        ]
        let_in = ready and pod.body["metadata"]["name"] not in self.gated
        wanted: list[Manifest] = [
            {"type": "PodScheduled", "status": "True"},
            {"type": "Initialized", "status": "True"},
            {"type": "ContainersReady", "status": str(ready)},
            {"type": "Ready", "status": str(let_in)},
        ]
        status = {
            "phase": phase or ("Running" if running else "Pending"),
            "conditions": with_conditions(pod.body, wanted, self.server.clock.stamp()),
            "containerStatuses": [container, *beside[len(helpers) :]],
        }
        if helpers:
            status["initContainerStatuses"] = beside[: len(helpers)]
        if running:
            status["podIP"] = f"10.1.{int(pod.uid[-6:]) // 250 % 250}.{int(pod.uid[-6:]) % 250 + 1}"
        self.set_status(pod, status)


def _is_database(pod: Manifest) -> bool:
    labels = pod["metadata"].get("labels") or {}
    return labels.get("app.kubernetes.io/component") == "postgres"


def _misbehaviour(container: Manifest) -> dict[str, float]:
    text = next((e.get("value", "") for e in container.get("env") or () if e["name"] == "MISBEHAVE"), "")
    parts = [part.partition(":") for part in text.split(",") if part]
    return {word: float(number or 0) for word, _, number in parts}


def _references(container: Manifest) -> list[tuple[Any, list[tuple[str, str]]]]:
    """Secrets and ConfigMaps that it cannot start without: (name, key); an empty key is the whole object."""
    secrets: list[tuple[str, str]] = []
    maps: list[tuple[str, str]] = []
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") or {}
        for part, found in (("secretKeyRef", secrets), ("configMapKeyRef", maps)):
            if (ref := source.get(part)) and not ref.get("optional"):
                found.append((ref["name"], ref["key"]))
    for source in container.get("envFrom") or ():
        for part, found in (("secretRef", secrets), ("configMapRef", maps)):
            if (ref := source.get(part)) and not ref.get("optional"):
                found.append((ref["name"], ""))
    return [(SECRET, secrets), (CONFIG_MAP, maps)]
