"""StatefulSets of ordered pods, and Jobs of one pod."""

from __future__ import annotations

from typing import Any

from maraudersmap_operator.cluster.kinds import CONTROLLER_REVISION, JOB, POD, STATEFUL_SET

from ..clock import moment
from ..patches import copied
from ..storage import Stored
from .base import Controller, digest, is_active, is_ready, reference, with_conditions
from .kubelet import PHASE_SECONDS

Manifest = dict[str, Any]
REVISION = "controller-revision-hash"
# From a pod's end to the Job's; measured on a real cluster, as PHASE_SECONDS.
GATHER_SECONDS = 1.0


class StatefulSets(Controller):
    """With the deadlock of the real one (kubernetes#67250): a pod that never was ready is not replaced by a new template."""

    def sync(self) -> None:
        for wanted in self.living(STATEFUL_SET):
            revision = self._record(wanted)
            pods = {p.body["metadata"]["name"]: p for p in self.owned(wanted, POD)}
            self._pods(wanted, revision, pods)
            self._report(wanted, revision)

    def _pods(self, wanted: Stored, revision: str, pods: dict[str, Stored]) -> None:
        meta, size = wanted.body["metadata"], int(wanted.body["spec"]["replicas"])
        for ordinal in range(size):
            name = f"{meta['name']}-{ordinal}"
            pod = pods.get(name)
            if pod is None:
                template = copied(wanted.body["spec"]["template"])
                labels = {REVISION: revision, "statefulset.kubernetes.io/pod-name": name}
                template["metadata"]["labels"] |= labels | {"apps.kubernetes.io/pod-index": str(ordinal)}
                self.make_pod(wanted, template, name)
                return
            if "deletionTimestamp" in pod.body["metadata"]:
                return
            if (pod.body.get("status") or {}).get("phase") in ("Failed", "Succeeded"):
                self.delete(pod)
                return
            if not is_ready(pod.body):
                return  # in order: nothing else happens until it is
        for ordinal in range(size, size + len(pods)):
            if extra := pods.get(f"{meta['name']}-{ordinal}"):
                self.delete(extra)
        for ordinal in reversed(range(size)):
            pod = pods[f"{meta['name']}-{ordinal}"]
            if pod.body["metadata"]["labels"].get(REVISION) != revision:
                self.delete(pod)
                return

    def _record(self, wanted: Stored) -> str:
        """Its history, which carries the labels of its pods and so ours."""
        meta, template = wanted.body["metadata"], wanted.body["spec"]["template"]
        hashed = digest(template)
        name = f"{meta['name']}-{hashed}"
        known = self.owned(wanted, CONTROLLER_REVISION)
        if self.server.storage.get(CONTROLLER_REVISION, meta["namespace"], name) is None:
            record = {
                "apiVersion": "apps/v1",
                "kind": "ControllerRevision",
                "metadata": {
                    "name": name,
                    "namespace": meta["namespace"],
                    "labels": template["metadata"]["labels"] | {"controller.kubernetes.io/hash": hashed},
                    "ownerReferences": [reference(wanted)],
                },
                "revision": len(known) + 1,
                "data": {"spec": {"template": {"$patch": "replace", **copied(template)}}},
            }
            self.server.create(CONTROLLER_REVISION, record, manager=self.manager)
        return name

    def _report(self, wanted: Stored, revision: str) -> None:
        pods = [p.body for p in self.owned(wanted, POD) if is_active(p.body)]
        ready = sum(is_ready(p) for p in pods)
        updated = [p for p in pods if p["metadata"]["labels"].get(REVISION) == revision]
        known = (wanted.body.get("status") or {}).get("currentRevision") or revision
        status = {
            "observedGeneration": wanted.body["metadata"]["generation"],
            "replicas": len(pods),
            "readyReplicas": ready,
            "availableReplicas": ready,
            "updatedReplicas": len(updated),
            "currentRevision": revision if pods and len(updated) == len(pods) else known,
            "updateRevision": revision,
            "collisionCount": 0,
        }
        self.set_status(
            wanted, {k: v for k, v in status.items() if v or k not in ("readyReplicas", "updatedReplicas")}
        )


class Jobs(Controller):
    """One pod, no retry: what backoffLimit 0 means."""

    timed = True

    def sync(self) -> None:
        for job in self.living(JOB):
            if job.body["spec"].get("suspend") or _ended(job.body):
                continue
            pods = self.owned(job, POD)
            status = job.body.get("status") or {}
            started = status.get("startTime") or self.server.clock.stamp()
            had_one = bool(status.get("active"))
            if not pods and not had_one:
                self.make_pod(job, job.body["spec"]["template"])
            self._report(job, pods, started, lost=had_one and not pods)

    def _report(self, job: Stored, pods: list[Stored], started: str, *, lost: bool) -> None:
        """`lost`: someone has deleted its pod, which counts as failed."""
        phases = [str((p.body.get("status") or {}).get("phase")) for p in pods]
        limit = job.body["spec"].get("activeDeadlineSeconds")
        late = limit is not None and (self.server.clock.now - moment(started)).total_seconds() >= limit
        status: Manifest = {"startTime": started, "uncountedTerminatedPods": {}}
        wanted: list[Manifest] = []
        if "Succeeded" in phases and self._has_gathered(pods):
            message = "Reached expected number of succeeded pods"
            wanted = [
                {"type": "Complete", "status": "True", "reason": "CompletionsReached", "message": message}
            ]
            status |= {"succeeded": 1, "completionTime": self.server.clock.stamp()}
        elif "Failed" in phases or lost:
            message = "Job has reached the specified backoff limit"
            wanted = [
                {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": message}
            ]
            status |= {"failed": 1}
        elif late:
            message = "Job was active longer than specified deadline"
            wanted = [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": message}]
            for pod in pods:
                self.delete(pod)
        else:
            status |= {"active": len(self.owned(job, POD)), "ready": sum(is_ready(p.body) for p in pods)}
        if wanted:
            status["conditions"] = with_conditions(job.body, wanted, self.server.clock.stamp())
        self.set_status(job, status)

    def _has_gathered(self, pods: list[Stored]) -> bool:
        """News of pods is counted together, a second after the first."""
        well = [p for p in pods if p.body["status"].get("phase") == "Succeeded"]
        states = [c["state"] for p in well for c in p.body["status"].get("containerStatuses") or ()]
        ends = [moment(s["terminated"]["finishedAt"]) for s in states if "terminated" in s]
        since = (self.server.clock.now - min(ends, default=self.server.clock.now)).total_seconds()
        return since >= PHASE_SECONDS + GATHER_SECONDS


def _ended(job: Manifest) -> bool:
    conditions = (job.get("status") or {}).get("conditions") or ()
    return any(c["type"] in ("Complete", "Failed") and c["status"] == "True" for c in conditions)
