"""Deployment -> ReplicaSet -> pods."""

from __future__ import annotations

from typing import Any

from maraudersmap_operator.cluster.kinds import DEPLOYMENT, POD, REPLICA_SET

from ..clock import moment
from ..patches import copied
from ..problems import Problem
from ..storage import Stored
from .base import (
    HASH,
    Controller,
    condition,
    digest,
    is_active,
    is_ready,
    reference,
    share,
    template_of,
    with_conditions,
)

Manifest = dict[str, Any]
REVISION = "deployment.kubernetes.io/revision"


class Deployments(Controller):
    def sync(self) -> None:
        for deployment in self.living(DEPLOYMENT):
            sets = [
                s
                for s in self.owned(deployment, REPLICA_SET)
                if "deletionTimestamp" not in s.body["metadata"]
            ]
            template = deployment.body["spec"]["template"]
            new = next((s for s in sets if template_of(s.body) == template), None)
            old = [s for s in sets if s is not new]
            if new is None and not deployment.body["spec"].get("paused"):
                new = self._create(deployment, sets)
                meta = deployment.body["metadata"]
                deployment = (
                    self.server.storage.get(DEPLOYMENT, meta["namespace"], meta["name"]) or deployment
                )
            self._scale(deployment, new, old)
            self._report(deployment)
            self._clean_up(deployment)

    def _create(self, deployment: Stored, sets: list[Stored]) -> Stored | None:
        meta, spec = deployment.body["metadata"], deployment.body["spec"]
        template = copied(spec["template"])
        collisions = int((deployment.body.get("status") or {}).get("collisionCount", 0))
        hashed = digest([template, collisions] if collisions else template)
        template["metadata"]["labels"][HASH] = hashed
        selector = {"matchLabels": spec["selector"]["matchLabels"] | {HASH: hashed}}
        revision = str(1 + max((int(_revision(s.body)) for s in sets), default=0))
        wanted: Manifest = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": f"{meta['name']}-{hashed}",
                "namespace": meta["namespace"],
                "labels": dict(template["metadata"]["labels"]),
                "annotations": {REVISION: revision},
                "ownerReferences": [reference(deployment)],
            },
            "spec": {"replicas": 0, "selector": selector, "template": template},
        }
        try:
            self.server.create(REPLICA_SET, wanted, manager=self.manager)
        except Problem as problem:
            if problem.status == 409:  # one that it had to let go of has the name
                self.set_status(
                    deployment, (deployment.body.get("status") or {}) | {"collisionCount": collisions + 1}
                )
            else:
                self.warn(deployment, "ReplicaSetCreateError", problem.message)
            return None
        return self.server.storage.get(REPLICA_SET, meta["namespace"], wanted["metadata"]["name"])

    def _scale(self, deployment: Stored, new: Stored | None, old: list[Stored]) -> None:
        spec = deployment.body["spec"]
        size = int(spec["replicas"])
        if new is None:
            # Paused before its first ReplicaSet, or with another one: what is there follows the size.
            if old:
                self._resize(max(old, key=lambda s: int(_revision(s.body))), size)
            return
        running = [s for s in old if s.body["spec"]["replicas"] > 0]
        if not running or size == 0:
            self._resize(new, size)
            for replica_set in running:
                self._resize(replica_set, 0)
            return
        if spec.get("paused"):
            return
        rolling = (spec.get("strategy") or {}).get("rollingUpdate") or {}
        surge = share(rolling.get("maxSurge", 1), size, up=True)
        missing = share(rolling.get("maxUnavailable", 0), size, up=False)
        total = sum(int(s.body["spec"]["replicas"]) for s in [new, *running])
        room = size + surge - total
        now = int(new.body["spec"]["replicas"])
        if now > size:
            self._resize(new, size)
        elif room > 0 and now < size:
            self._resize(new, min(size, now + room))
        current = self.server.storage.get(
            REPLICA_SET, new.body["metadata"]["namespace"], new.body["metadata"]["name"]
        )
        assert current is not None
        new_size = int(current.body["spec"]["replicas"])
        unavailable = new_size - int((current.body.get("status") or {}).get("availableReplicas", 0))
        least = size - missing
        removable = new_size + sum(int(s.body["spec"]["replicas"]) for s in running) - least - unavailable
        for replica_set in running:
            have = int(replica_set.body["spec"]["replicas"])
            take = min(have, max(removable, 0))
            if take:
                self._resize(replica_set, have - take)
                removable -= take

    def _resize(self, replica_set: Stored, size: int) -> None:
        if replica_set.body["spec"]["replicas"] == size:
            return
        meta = replica_set.body["metadata"]

        def change(obj: Manifest) -> None:
            obj["spec"]["replicas"] = size

        self.server.edit(REPLICA_SET, meta["namespace"], meta["name"], change, manager=self.manager)

    def _report(self, deployment: Stored) -> None:
        meta, spec = deployment.body["metadata"], deployment.body["spec"]
        sets = [s for s in self.server.storage.all(REPLICA_SET, meta["namespace"]) if _owned(s, deployment)]
        new = [s for s in sets if template_of(s.body) == spec["template"]]
        totals = {
            key: sum(int((s.body.get("status") or {}).get(key) or 0) for s in sets)
            for key in ("replicas", "readyReplicas", "availableReplicas")
        }
        totals["updatedReplicas"] = sum(int((s.body.get("status") or {}).get("replicas") or 0) for s in new)
        totals["unavailableReplicas"] = max(int(spec["replicas"]) - totals["availableReplicas"], 0)
        conditions = [_available(totals["availableReplicas"] >= int(spec["replicas"]))]
        failures = [c for s in sets if (c := condition(s.body, "ReplicaFailure")).get("status") == "True"]
        if failures:
            conditions.append({k: failures[0][k] for k in ("type", "status", "reason", "message")})
        status = {
            "observedGeneration": meta["generation"],
            **{k: v for k, v in totals.items() if v},
            **{k: v for k, v in (deployment.body.get("status") or {}).items() if k == "collisionCount"},
            "conditions": with_conditions(deployment.body, conditions, self.server.clock.stamp()),
        }
        self.set_status(deployment, status)

    def _clean_up(self, deployment: Stored) -> None:
        limit = int(deployment.body["spec"]["revisionHistoryLimit"])
        idle = [
            s
            for s in self.living(REPLICA_SET)
            if _owned(s, deployment)
            and s.body["spec"]["replicas"] == 0
            and not (s.body.get("status") or {}).get("replicas")
            and template_of(s.body) != deployment.body["spec"]["template"]
        ]
        idle.sort(key=lambda s: int(_revision(s.body)))
        for replica_set in idle[: max(0, len(idle) - limit)]:
            self.delete(replica_set)


class ReplicaSets(Controller):
    def sync(self) -> None:
        self.timed = False
        for replica_set in self.living(REPLICA_SET):
            pods = [p for p in self.owned(replica_set, POD) if is_active(p.body)]
            size = int(replica_set.body["spec"]["replicas"])
            failure = ""
            for _ in range(size - len(pods)):
                failure = self.make_pod(replica_set, replica_set.body["spec"]["template"])
                if failure:
                    self.timed = True  # tried again
                    break
            # Not ready first, then the youngest.
            pods.sort(key=lambda p: (is_ready(p.body), -_created(p)))
            for pod in pods[: max(0, len(pods) - size)]:
                self.delete(pod)
            self._report(replica_set, failure)

    def _report(self, replica_set: Stored, failure: str) -> None:
        meta = replica_set.body["metadata"]
        pods = [p.body for p in self.owned(replica_set, POD) if is_active(p.body)]
        ready = [p for p in pods if is_ready(p)]
        least = int(replica_set.body["spec"].get("minReadySeconds", 0))
        self.timed = self.timed or least > 0
        now = self.server.clock.now
        available = [
            p
            for p in ready
            if (now - moment(condition(p, "Ready")["lastTransitionTime"])).total_seconds() >= least
        ]
        status: Manifest = {
            "observedGeneration": meta["generation"],
            "replicas": len(pods),
            "fullyLabeledReplicas": len(pods),
            "readyReplicas": len(ready),
            "availableReplicas": len(available),
        }
        status = {k: v for k, v in status.items() if v or k == "replicas"}
        if failure:
            wanted = [
                {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": failure}
            ]
            status["conditions"] = with_conditions(replica_set.body, wanted, self.server.clock.stamp())
        self.set_status(replica_set, status)


def _revision(obj: Manifest) -> str:
    return str((obj["metadata"].get("annotations") or {}).get(REVISION, "0"))


def _owned(replica_set: Stored, deployment: Stored) -> bool:
    refs = replica_set.body["metadata"].get("ownerReferences") or ()
    return any(r["uid"] == deployment.uid for r in refs)


def _available(yes: bool) -> Manifest:
    if yes:
        reason, message = "MinimumReplicasAvailable", "Deployment has minimum availability."
    else:
        reason, message = "MinimumReplicasUnavailable", "Deployment does not have minimum availability."
    return {"type": "Available", "status": "True" if yes else "False", "reason": reason, "message": message}


def _created(pod: Stored) -> float:
    return moment(pod.body["metadata"]["creationTimestamp"]).timestamp()
