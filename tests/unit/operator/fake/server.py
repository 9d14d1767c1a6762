"""The API server: one object at a time, synchronously. client.py puts the operator's port on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from maraudersmap_operator.cluster.kinds import (
    AUTOSCALER,
    CONTROLLER_REVISION,
    DEPLOYMENT,
    DISRUPTION_BUDGET,
    ENDPOINT_SLICE,
    HTTP_ROUTE,
    INGRESS,
    JOB,
    MARAUDERSMAP,
    MONITORING,
    NETWORK_POLICY,
    NODE,
    POD,
    REPLICA_SET,
    SERVICE,
    STATEFUL_SET,
    Kind,
)

from . import problems, schema, services
from .admission import Admission, Request
from .clock import Clock, stamp
from .fields import Entry, Path, applied, fields_of, updated
from .normal import normalise
from .patches import copied, merged, patched
from .problems import Problem
from .storage import Storage, Stored
from .validation import validate

Manifest = dict[str, Any]
Encoder = Callable[[Any], str]


def compact(value: Any) -> str:
    """JSON as Go writes maps: what a patch becomes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


_WITH_GENERATION = frozenset(
    {
        DEPLOYMENT,
        REPLICA_SET,
        STATEFUL_SET,
        JOB,
        DISRUPTION_BUDGET,
        NETWORK_POLICY,
        INGRESS,
        ENDPOINT_SLICE,
        POD,
    }
    | {MARAUDERSMAP, HTTP_ROUTE, *MONITORING}
)
_WITH_STATUS = frozenset(
    {DEPLOYMENT, REPLICA_SET, STATEFUL_SET, JOB, DISRUPTION_BUDGET, INGRESS, POD, SERVICE, AUTOSCALER, NODE}
    | {MARAUDERSMAP, HTTP_ROUTE}
)
_FIRST_STATUS: dict[Kind, Manifest] = {
    DEPLOYMENT: {},
    SERVICE: {"loadBalancer": {}},
    INGRESS: {"loadBalancer": {}},
    REPLICA_SET: {"replicas": 0},
    STATEFUL_SET: {"replicas": 0, "availableReplicas": 0},
    JOB: {},
    POD: {"phase": "Pending"},
    AUTOSCALER: {"currentMetrics": None, "desiredReplicas": 0},
}
# Set by the server, whatever a client sends.
_SYSTEM = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds")
# Nobody may write these without the version that was read.
_VERSION_NEEDED = (MARAUDERSMAP, HTTP_ROUTE, *MONITORING)


class ApiServer:
    """Raises Problem. Objects it returns are the caller's own."""

    def __init__(self, clock: Clock | None = None, declared: Manifest | None = None) -> None:
        """`declared`: the schema of MaraudersMap, by default that of crds/."""
        self.clock = clock or Clock()
        self.storage = Storage()
        self.admission = Admission()
        self.schema = declared or schema.declared()
        self.namespaces: dict[str, str] = {"default": "Active"}
        self.served: set[Kind] = set()
        """Of the kinds that a cluster need not have, those that it has."""
        self._ports = services.Allocator()

    def withdraw(self, kind: Kind) -> None:
        """Its definition is deleted, and every object with it."""
        self.served.discard(kind)
        for stored in list(self.storage.all(kind)):
            self.storage.remove(stored, self.clock.now)

    # --- reading ------------------------------------------------------------------------------------------------------
    def get(self, kind: Kind, namespace: str | None, name: str) -> Manifest:
        return self._stored(kind, namespace, name).read()

    def find(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        stored = self.storage.get(kind, namespace, name)
        return stored.read() if stored else None

    # --- writing ------------------------------------------------------------------------------------------------------
    def create(
        self, kind: Kind, given: Manifest, *, manager: str, dry_run: bool = False, written: Encoder = compact
    ) -> Manifest:
        """`written`: how the client writes JSON."""
        obj = copied(given)
        meta = obj["metadata"]
        namespace = meta.get("namespace", "")
        if kind is not NODE:
            self._check_namespace(kind, namespace, meta.get("name", ""))
        if "name" not in meta:
            meta["name"] = f"{meta.pop('generateName')}{self.storage.version + 1:x}"
        name = meta["name"]
        for part in ("managedFields", "resourceVersion", *_SYSTEM):
            meta.pop(part, None)
        if kind in _WITH_STATUS:
            obj.pop("status", None)
            if kind in _FIRST_STATUS:
                obj["status"] = copied(_FIRST_STATUS[kind])
        meta["uid"] = self.storage.new_uid()
        meta["creationTimestamp"] = self.clock.stamp()
        if kind in _WITH_GENERATION:
            meta["generation"] = 1
        self._prepare(kind, obj, None)
        request = Request("create", kind, namespace, name, manager, obj, dry_run=dry_run)
        self.admission.change(request)
        self._prepare(kind, obj, None)
        if kind is JOB:
            _label_job(obj)
        self._validate(kind, obj, None)
        self.admission.check(request)
        self.admission.charge(request, self.storage)
        if self.storage.get(kind, namespace, name) is not None:
            raise problems.exists(kind, name)
        entries = updated(
            (), {}, fields_of(kind, _without_status(kind, obj)), (manager, "Update", ""), self.clock.stamp()
        )
        return self._keep(Stored(kind, obj, entries, _raw(kind, obj, written)), dry_run)

    def update(
        self,
        kind: Kind,
        given: Manifest,
        *,
        manager: str,
        subresource: str = "",
        dry_run: bool = False,
        written: Encoder = compact,
    ) -> Manifest:
        """PUT. `written`: how the client writes JSON."""
        meta = given["metadata"]
        stored = self._stored(kind, meta.get("namespace"), meta["name"])
        if kind in _VERSION_NEEDED and not meta.get("resourceVersion"):
            message = "metadata.resourceVersion: Invalid value: 0: must be specified for an update"
            raise problems.invalid(kind, meta["name"], message)
        return self._update(stored, copied(given), manager, subresource, dry_run, written)

    def patch(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        operations: list[Manifest],
        *,
        manager: str,
        subresource: str = "",
    ) -> Manifest:
        stored = self._stored(kind, namespace, name)
        with problems.of_a_patch():
            return self._update(stored, patched(stored.read(), operations), manager, subresource, False)

    def merge(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        patch: Manifest,
        *,
        manager: str,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Manifest:
        stored = self._stored(kind, namespace, name)
        with problems.of_a_patch():
            return self._update(stored, merged(stored.read(), patch), manager, subresource, dry_run)

    def edit(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        change: Callable[[Manifest], None],
        *,
        manager: str = "kubectl-edit",
    ) -> Manifest:
        """Somebody else's change, based on the newest version."""
        stored = self._stored(kind, namespace, name)
        obj = stored.read()
        change(obj)
        return self._update(stored, obj, manager, "", False)

    def scale(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        replicas: int,
        *,
        manager: str,
        uid: str = "",
        version: str = "",
    ) -> None:
        stored = self._stored(kind, namespace, name)
        self._check_fence(stored, uid, version)
        obj = stored.read()
        obj["spec"]["replicas"] = replicas
        self._update(stored, obj, manager, "scale", False)

    def write_status(
        self, kind: Kind, namespace: str, name: str, status: Manifest, *, manager: str
    ) -> Manifest:
        """As a controller does; without a change nothing happens."""
        stored = self._stored(kind, namespace, name)
        body = stored.read()
        body["status"] = copied(status)
        return self._update(stored, body, manager, "status", False)

    def apply(self, kind: Kind, given: Manifest, *, manager: str) -> Manifest:
        """A forced server-side apply of an object whose lists are all taken as one (a record's are)."""
        meta, who = given["metadata"], (manager, "Apply", "")
        stored = self.storage.get(kind, meta["namespace"], meta["name"])
        wanted = fields_of(kind, given)
        if stored is None:
            self.create(kind, given, manager=manager)
            stored = self._stored(kind, meta["namespace"], meta["name"])
            # One write for all who watch: the entry is of another kind from the start.
            stored.own((Entry(*who, time=self.clock.stamp(), paths=frozenset(wanted)),))
            return stored.read()
        self._check_fence(stored, str(meta.get("uid") or ""), str(meta.get("resourceVersion") or ""))
        own = next((e.paths for e in stored.entries if e.who == who), frozenset())
        others: set[Path] = set().union(*(e.paths for e in stored.entries if e.who != who))
        body = copied(stored.body)
        for path in own - set(wanted) - others:
            _remove(body, path)
        body = merged(body, given)
        self._prepare(kind, body, stored.body)
        self._validate(kind, body, stored.body)
        if _raw(kind, body, compact) != stored.raw:
            raise problems.invalid(
                kind, meta["name"], f"data: Invalid value: {stored.raw}: field is immutable"
            )
        before, after = fields_of(kind, stored.body), fields_of(kind, body)
        entries = applied(stored.entries, before, after, wanted, who, self.clock.stamp())
        if body == stored.body and {(e.who, e.paths) for e in entries} == {
            (e.who, e.paths) for e in stored.entries
        }:
            return stored.read()
        return self._keep(Stored(kind, body, entries, stored.raw), False)

    def apply_status(
        self, namespace: str, name: str, status: Manifest, *, manager: str, version: str = ""
    ) -> Manifest:
        """A forced server-side apply of a MaraudersMap's status."""
        kind = MARAUDERSMAP
        stored = self._stored(kind, namespace, name)
        given = {"status": copied(status)}
        if path := schema.undeclared(self.schema, given, ""):
            raise schema.not_declared(f"{namespace}/{name}; {kind.api_version}, Kind={kind.kind}", path)
        self._check_fence(stored, "", version)
        who = (manager, "Apply", "status")
        own = next((e.paths for e in stored.entries if e.who == who), frozenset())
        others: set[Path] = set().union(*(e.paths for e in stored.entries if e.who != who))
        wanted = fields_of(kind, given)
        body = copied(stored.body)
        left = fields_of(kind, {"status": body.get("status", {})})
        # A part that is given no more goes with all that is in it, the defaults that nobody owns included.
        gone = _with_parts(own) - _with_parts(wanted)
        kept = {p: v for p, v in left.items() if p in others or gone.isdisjoint(_with_parts([p]))}
        body["status"] = _built(kept | wanted).get("status", {})
        self._prepare(kind, body, stored.body)
        self._validate(kind, body, stored.body)
        before, after = fields_of(kind, stored.body), fields_of(kind, body)
        entries = applied(stored.entries, before, after, wanted, who, self.clock.stamp())
        if body == stored.body and {(e.who, e.paths) for e in entries} == {
            (e.who, e.paths) for e in stored.entries
        }:
            return stored.read()
        return self._keep(Stored(kind, body, entries, stored.raw), False)

    def delete(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        *,
        uid: str = "",
        version: str = "",
        orphan: bool = False,
        grace: int | None = None,
        manager: str = "kubectl",
    ) -> None:
        """In the background; the garbage collector does the rest. `orphan`: dependants stay, without their owner."""
        stored = self._stored(kind, namespace, name)
        self._check_fence(stored, uid, version)
        self.admission.check(Request("delete", kind, namespace or "", name, manager, stored.read()))
        if orphan:
            self._orphan(stored)
        meta = stored.body["metadata"]
        if kind is POD and stored.body["spec"].get("nodeName") and grace != 0:
            ended = (stored.body.get("status") or {}).get("phase") in ("Succeeded", "Failed")
            seconds = stored.body["spec"]["terminationGracePeriodSeconds"] if grace is None else grace
            if not ended:
                self._mark(stored, seconds)
                return
        if meta.get("finalizers"):
            self._mark(stored, 0)
            return
        self.storage.remove(stored, self.clock.now)

    def remove(self, kind: Kind, namespace: str, name: str) -> None:
        """Gone at once, as when the kubelet reports a pod's end."""
        self.storage.remove(self._stored(kind, namespace, name), self.clock.now)

    def upgrade(self, declared: Manifest) -> None:
        """Another CRD. When an object is read, what it does not declare is dropped and its defaults are filled in: no version
        changes, and nobody owns them."""
        self.schema = declared
        for stored in self.storage.all(MARAUDERSMAP):
            schema.prune(declared, stored.body)
            schema.fill_in(declared, stored.body)
            stored.own(stored.entries)

    # --- how ----------------------------------------------------------------------------------------------------------
    def _update(
        self,
        stored: Stored,
        obj: Manifest,
        manager: str,
        subresource: str,
        dry_run: bool,
        written: Encoder = compact,
    ) -> Manifest:
        kind, old = stored.kind, stored.body
        meta = obj["metadata"]
        self._check_fence(stored, str(meta.get("uid") or ""), str(meta.get("resourceVersion") or ""))
        cleared = meta.pop("managedFields", None) == [{}]
        for part in _SYSTEM:
            meta.pop(part, None)
            if part in old["metadata"]:
                meta[part] = old["metadata"][part]
        meta["resourceVersion"] = old["metadata"]["resourceVersion"]
        _keep_other_half(kind, obj, old, subresource)
        self._prepare(kind, obj, old)
        request = Request(
            "update", kind, meta.get("namespace", ""), meta["name"], manager, obj, subresource, dry_run
        )
        self.admission.change(request)
        self._prepare(kind, obj, old)
        if kind in _WITH_GENERATION and subresource != "status" and _intent(kind, obj) != _intent(kind, old):
            meta["generation"] = old["metadata"]["generation"] + 1
        self._validate(kind, obj, old)
        raw = _raw(kind, obj, written)
        if raw != stored.raw:
            raise problems.invalid(
                kind, meta["name"], f"data: Invalid value: {stored.raw}: field is immutable"
            )
        self.admission.check(request)
        if obj == old and not cleared:
            return stored.read()
        before, after = fields_of(kind, old), fields_of(kind, obj)
        entries: tuple[Entry, ...] = () if cleared else stored.entries
        who = (manager, "Update", subresource)
        entries = updated(entries, before, after, who, self.clock.stamp())
        kept = Stored(kind, obj, entries, raw)
        if "deletionTimestamp" in meta and not meta.get("finalizers") and kind is not POD and not dry_run:
            self.storage.remove(self.storage.write(kept, self.clock.now), self.clock.now)
            return kept.read()
        return self._keep(kept, dry_run)

    def _prepare(self, kind: Kind, obj: Manifest, old: Manifest | None) -> None:
        obj.setdefault("apiVersion", kind.api_version)
        obj.setdefault("kind", kind.kind)
        if kind is MARAUDERSMAP:
            schema.prune(self.schema, obj)
            schema.fill_in(self.schema, obj)
        if kind is SERVICE and old is not None:
            services.carry_over(obj["spec"], old["spec"])
        normalise(kind, obj)
        if kind is SERVICE:
            self._ports.allocate(obj["spec"])

    def _validate(self, kind: Kind, obj: Manifest, old: Manifest | None) -> None:
        validate(kind, obj, old)
        if kind is MARAUDERSMAP:
            schema.check(self.schema, kind, obj)

    def _keep(self, stored: Stored, dry_run: bool) -> Manifest:
        if not dry_run:
            self.storage.write(stored, self.clock.now)
        return stored.read()

    def _mark(self, stored: Stored, grace: int) -> None:
        """Leaving: MODIFIED now, DELETED when the kubelet or the last finalizer lets go."""
        body = copied(stored.body)
        meta = body["metadata"]
        if "deletionTimestamp" in meta and meta.get("deletionGracePeriodSeconds", 0) <= grace:
            return
        meta["deletionTimestamp"] = stamp(self.clock.now + timedelta(seconds=grace))
        meta["deletionGracePeriodSeconds"] = grace
        if "generation" in meta:
            meta["generation"] += 1
        self.storage.write(Stored(stored.kind, body, stored.entries, stored.raw), self.clock.now)

    def _orphan(self, owner: Stored) -> None:
        for stored in list(self.storage.every()):
            refs = stored.body["metadata"].get("ownerReferences") or ()
            if any(r["uid"] == owner.uid for r in refs):
                obj = stored.read()
                obj["metadata"]["ownerReferences"] = [r for r in refs if r["uid"] != owner.uid]
                self._update(stored, obj, "kube-controller-manager", "", False)

    def _stored(self, kind: Kind, namespace: str | None, name: str) -> Stored:
        stored = self.storage.get(kind, namespace, name)
        if stored is None:
            raise problems.not_found(kind, name)
        return stored

    def _check_fence(self, stored: Stored, uid: str, version: str) -> None:
        meta = stored.body["metadata"]
        if uid and uid != meta["uid"]:
            raise problems.wrong_uid(stored.kind, meta["name"], uid, meta["uid"])
        if version and version != meta["resourceVersion"]:
            raise problems.modified(stored.kind, meta["name"])

    def _check_namespace(self, kind: Kind, namespace: str, name: str) -> None:
        state = self.namespaces.get(namespace)
        if state is None:
            raise Problem(404, f'namespaces "{namespace}" not found')
        if state == "Terminating":
            message = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise problems.forbidden(kind, name, message)


def _keep_other_half(kind: Kind, obj: Manifest, old: Manifest, subresource: str) -> None:
    """A write of the main resource leaves the status alone, one of a subresource everything else. In place."""
    if subresource == "status":
        for part in set(obj) | set(old):
            if part not in ("status", "metadata"):
                _take(obj, old, part)
        for part in set(obj["metadata"]) | set(old["metadata"]):
            if kind is not DEPLOYMENT or part != "annotations":
                _take(obj["metadata"], old["metadata"], part)
    elif kind in _WITH_STATUS:
        _take(obj, old, "status")


def _take(obj: Manifest, old: Manifest, part: str) -> None:
    if part in old:
        obj[part] = copied(old[part])
    else:
        obj.pop(part, None)


def _intent(kind: Kind, obj: Manifest) -> Manifest:
    """What counts for the generation: of a Deployment, the annotations as well."""
    found = {k: v for k, v in obj.items() if k not in ("metadata", "status")}
    return found | ({"annotations": obj["metadata"].get("annotations")} if kind is DEPLOYMENT else {})


def _raw(kind: Kind, obj: Manifest, written: Encoder) -> str:
    return written(obj.get("data")) if kind is CONTROLLER_REVISION else ""


def _without_status(kind: Kind, obj: Manifest) -> Manifest:
    return {k: v for k, v in obj.items() if k != "status"} if kind in _WITH_STATUS else obj


def _built(fields: dict[Path, Any]) -> Manifest:
    """The object of paths that are names only."""
    root: Manifest = {}
    for path, value in fields.items():
        node = root
        for part in path[:-1]:
            node = node.setdefault(part[2:], {})
        node[path[-1][2:]] = value
    return root


def _with_parts(paths: Iterable[Path]) -> set[Path]:
    """The paths and all that they lead through."""
    return {path[:end] for path in paths for end in range(1, len(path) + 1)}


def _remove(body: Manifest, path: Path) -> None:
    node = body
    for part in path[:-1]:
        node = node.get(part[2:], {})
    node.pop(path[-1][2:], None)
    if not node and path[0] == "f:metadata":
        body["metadata"].pop(path[1][2:], None)


def _label_job(obj: Manifest) -> None:
    meta, spec = obj["metadata"], obj["spec"]
    labels = {
        "batch.kubernetes.io/controller-uid": meta["uid"],
        "batch.kubernetes.io/job-name": meta["name"],
        "controller-uid": meta["uid"],
        "job-name": meta["name"],
    }
    template = spec["template"].setdefault("metadata", {})
    template["labels"] = (template.get("labels") or {}) | labels
    if not meta.get("labels"):
        meta["labels"] = dict(template["labels"])
    spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": meta["uid"]}}


def owned_by(objects: Iterable[Stored], uid: str) -> list[Stored]:
    """Those with a controller reference to that object."""
    return [s for s in objects if controller_uid(s.body) == uid]


def controller_uid(obj: Manifest) -> str:
    refs = obj["metadata"].get("ownerReferences") or ()
    return next((str(r["uid"]) for r in refs if r.get("controller")), "")
