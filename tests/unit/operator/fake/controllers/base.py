"""What controllers share: reading what is stored, writing statuses, making pods, complaining in Events."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from maraudersmap_operator.cluster.kinds import EVENT, POD, REPLICA_SET, Kind

from ..patches import copied
from ..problems import Problem
from ..selectors import labels_of, selects
from ..server import ApiServer, controller_uid
from ..storage import Stored

Manifest = dict[str, Any]
MANAGER = "kube-controller-manager"
HASH = "pod-template-hash"


class Controller:
    manager = MANAGER
    timed = False
    """It has work to do although nothing changed: time, or what a test decides about it."""
    clean_at = -1
    """The newest version of anything when it last found nothing to do."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server

    def sync(self) -> None:
        """Bring what is closer to what is wanted; called until nothing changes any more."""
        raise NotImplementedError

    def living(self, kind: Kind) -> list[Stored]:
        """Objects that are not being deleted."""
        return [s for s in self.server.storage.all(kind) if "deletionTimestamp" not in s.body["metadata"]]

    def set_status(self, stored: Stored, status: Manifest) -> None:
        """Write it unless it is just that already."""
        if (stored.body.get("status") or {}) == status:
            return
        meta = stored.body["metadata"]
        self.server.write_status(stored.kind, meta["namespace"], meta["name"], status, manager=self.manager)

    def owned(self, owner: Stored, kind: Kind) -> list[Stored]:
        """Objects that it controls, after adopting orphans that its selector finds and letting go of strangers."""
        namespace = owner.body["metadata"]["namespace"]
        selector = (owner.body["spec"].get("selector") or {}).get("matchLabels")
        found = []
        for stored in self.server.storage.all(kind, namespace):
            meta = stored.body["metadata"]
            uid = controller_uid(stored.body)
            fits = selects(selector, labels_of(stored.body))
            if uid == owner.uid and not fits and "deletionTimestamp" not in meta:
                self._own(stored, [r for r in meta["ownerReferences"] if r["uid"] != owner.uid])
            elif not uid and fits and "deletionTimestamp" not in meta:
                refs = [*(meta.get("ownerReferences") or ()), reference(owner)]
                found.append(self._own(stored, refs))
            elif uid == owner.uid:
                found.append(stored)
        return found

    def _own(self, stored: Stored, references: list[Manifest]) -> Stored:
        meta = stored.body["metadata"]

        def change(obj: Manifest) -> None:
            obj["metadata"]["ownerReferences"] = references

        self.server.edit(stored.kind, meta["namespace"], meta["name"], change, manager=self.manager)
        again = self.server.storage.get(stored.kind, meta["namespace"], meta["name"])
        assert again is not None
        return again

    def make_pod(self, owner: Stored, template: Manifest, name: str = "") -> str:
        """Create a pod of the owner; what the API server says when it refuses, else an empty string."""
        meta = copied(template.get("metadata") or {})
        owner_meta = owner.body["metadata"]
        meta |= {"namespace": owner_meta["namespace"], "ownerReferences": [reference(owner)]}
        meta |= {"name": name} if name else {"generateName": f"{owner_meta['name']}-"}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": copied(template["spec"])}
        try:
            self.server.create(POD, pod, manager=self.manager)
        except Problem as problem:
            self.warn(owner, "FailedCreate", f"Error creating: {problem.message}")
            return problem.message
        return ""

    def delete(self, stored: Stored) -> None:
        meta = stored.body["metadata"]
        if "deletionTimestamp" not in meta:
            self.server.delete(stored.kind, meta["namespace"], meta["name"], manager=self.manager)

    def warn(self, about: Stored, reason: str, message: str) -> None:
        """A Warning Event, counted up when it is the same."""
        meta = about.body["metadata"]
        key = hashlib.sha256(f"{about.uid} {reason} {message}".encode()).hexdigest()[:16]
        name, now = f"{meta['name']}.{key}", self.server.clock.stamp()
        if self.server.storage.get(EVENT, meta["namespace"], name) is not None:
            return
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": meta["namespace"]},
            "involvedObject": {
                "kind": about.kind.kind,
                "name": meta["name"],
                "namespace": meta["namespace"],
                "uid": about.uid,
            },
            "type": "Warning",
            "reason": reason,
            "message": message,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            self.server.create(EVENT, event, manager=self.manager)
        except Problem:
            return  # an Event is a courtesy


def reference(owner: Stored) -> Manifest:
    meta = owner.body["metadata"]
    return {
        "apiVersion": owner.kind.api_version,
        "kind": owner.kind.kind,
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def digest(value: Any) -> str:
    """Ten characters, as a ReplicaSet's name ends with."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:10]


def condition(obj: Manifest, kind: str) -> Manifest:
    """The condition, or an empty one."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    found: Manifest = next((c for c in conditions if c["type"] == kind), {})
    return found


def with_conditions(before: Manifest, wanted: list[Manifest], now: str) -> list[Manifest]:
    """The wanted ones with a lastTransitionTime that moves only with the status."""
    result = []
    for item in wanted:
        known = condition(before, item["type"])
        since = known.get("lastTransitionTime") if known.get("status") == item["status"] else None
        result.append({**item, "lastTransitionTime": since or now})
    return result


def is_ready(pod: Manifest) -> bool:
    return condition(pod, "Ready").get("status") == "True"


def is_active(pod: Manifest) -> bool:
    ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return not ended and "deletionTimestamp" not in pod["metadata"]


def share(value: Any, of: int, *, up: bool) -> int:
    """`25%` or a number."""
    if isinstance(value, int):
        return value
    percent = int(str(value).rstrip("%")) * of
    return -(-percent // 100) if up else percent // 100


def template_of(replica_set: Manifest) -> Manifest:
    """Its template as the Deployment has it."""
    template: Manifest = replica_set["spec"]["template"]
    meta = template["metadata"]
    labels = {k: v for k, v in meta["labels"].items() if k != HASH}
    return {**template, "metadata": {**meta, "labels": labels}}


__all__ = ["REPLICA_SET", "Controller", "condition", "digest", "is_active", "is_ready", "reference", "share"]
