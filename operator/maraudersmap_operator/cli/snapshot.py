"""What the plugin knows about one resource at one moment, as plain frozen values.

Parsed tolerantly: the operator may be newer than the plugin, so of the spec only the few fields that are shown are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from maraudersmap_operator.resource import MaraudersMapStatus
from maraudersmap_operator.resource.names import LABEL_REVISION
from maraudersmap_operator.resource.other_release import read_status
from maraudersmap_operator.resource.status import ConditionType
from maraudersmap_operator.resource.status_outcomes import RejectedRevision

Manifest = Mapping[str, Any]
NOT_READY = "NotReady"
"""Why a pod is not ready whose containers run: its own readiness check."""


class NotUnderstood(Exception):
    """What is needed was written by an operator that this plugin does not know."""


@dataclass(frozen=True, slots=True)
class Pod:
    name: str
    uid: str
    revision: str
    ready: bool
    restarts: int
    reason: str  # why it is not ready, a word of the kubelet's or the scheduler's; empty when it is
    message: str
    created_at: datetime
    terminating: bool = False
    node: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """A revision that can be rebuilt: its ControllerRevision."""

    revision: str
    number: int
    image: str
    template: Manifest = field(default_factory=dict)
    inputs: Manifest = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Happening:
    """A Kubernetes Event about the resource or one of its pods."""

    at: datetime | None
    type: str
    about: str
    reason: str
    message: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`pods`, `records` and `happenings` are None when they may not be read; `notes` then names them."""

    namespace: str
    name: str
    generation: int
    image: str
    paused: bool
    suspended: bool
    deleting: bool
    annotations: Manifest
    spec: Manifest
    phase: str  # as it is written, known here or not; empty before the operator has seen the resource
    status: MaraudersMapStatus
    newer: str = ""  # which parts of the status are not understood, and what to do, as a sentence
    pods: tuple[Pod, ...] | None = ()
    records: tuple[Record, ...] | None = ()
    happenings: tuple[Happening, ...] | None = ()
    notes: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def observed(self) -> bool:
        """True when the status speaks of the spec as it is now."""
        return self.status.observed_generation >= self.generation

    @property
    def sent_back(self) -> bool:
        """True when an earlier revision serves because `rollback-to` asked for it."""
        pin, stable = self.status.pin, self.status.stable
        return pin is not None and stable is not None and pin.revision == stable.revision

    @property
    def rejection(self) -> RejectedRevision | None:
        """The ledger's entry of the revision that is asked for now; None unless it is rejected."""
        condition = self.status.condition(ConditionType.ROLLED_BACK)
        if condition is None or condition.status != "True":
            return None
        entries = self.status.rejected
        if self.status.target:
            return next((e for e in entries if e.revision == self.status.target), None)
        # An operator before `status.target`. The newest comes first.
        return next((e for e in entries if (e.image, e.reason) == (self.image, condition.reason)), None)

    @property
    def contender(self) -> str:
        """Hash of the revision that the spec asks for while it is not stable; empty when it is, or has not begun."""
        status = self.status
        if status.candidate is not None:
            return status.candidate.revision
        if status.hold is not None:
            return status.hold.revision
        if status.pin is not None:
            return status.pin.against
        return self.rejection.revision if self.rejection is not None else ""

    def record(self, revision: str) -> Record | None:
        return next((r for r in self.records or () if r.revision == revision), None)

    def pods_of(self, revision: str) -> tuple[Pod, ...]:
        return tuple(p for p in self.pods or () if p.revision == revision)


def snapshot_of(resource: Manifest) -> Snapshot:
    """Read a MaraudersMap as the API server returns it; what another release has written, as far as it is understood."""
    meta, spec, raw = resource["metadata"], resource.get("spec") or {}, resource.get("status") or {}
    status, left_out = read_status(raw)
    newer = _newer(left_out)
    return Snapshot(
        namespace=meta["namespace"],
        name=meta["name"],
        generation=int(meta.get("generation", 0)),
        image=str(spec.get("image", "")),
        paused=bool((spec.get("rollout") or {}).get("paused", False)),
        suspended=bool(spec.get("suspend", False)),
        deleting="deletionTimestamp" in meta,
        annotations=meta.get("annotations") or {},
        spec=spec,
        phase=str(raw.get("phase") or ""),
        status=status,
        newer=newer,
        notes=(newer,) if newer else (),
    )


def _newer(left_out: tuple[str, ...]) -> str:
    if not left_out:
        return ""
    named = [p for p in left_out if not any(p.startswith(f"{other}.") for other in left_out)]
    return (
        f"an operator of another release, most likely a newer one, wrote {', '.join(named)}, which this plugin does "
        "not understand and leaves out: upgrade this plugin to the operator's release"
    )


def pod_of(pod: Manifest) -> Pod:
    meta, status = pod["metadata"], pod.get("status") or {}
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    ready = conditions.get("Ready", {}).get("status") == "True"
    reason, message = ("", "") if ready else _why_not_ready(status, containers, conditions)
    return Pod(
        name=meta["name"],
        uid=meta["uid"],
        revision=(meta.get("labels") or {}).get(LABEL_REVISION, ""),
        ready=ready,
        restarts=sum(int(c.get("restartCount", 0)) for c in containers),
        reason=reason,
        message=" ".join(message.split()),
        created_at=datetime.fromisoformat(meta["creationTimestamp"]),
        terminating="deletionTimestamp" in meta,
        node=(pod.get("spec") or {}).get("nodeName", ""),
    )


def _why_not_ready(
    status: Manifest, containers: list[Manifest], conditions: Mapping[str, Manifest]
) -> tuple[str, str]:
    """The most telling reason: a container's, the scheduler's, the pod's."""
    states = [c.get("state") or {} for c in containers]
    for state in states:
        if waiting := state.get("waiting"):
            return str(waiting.get("reason", "")), str(waiting.get("message", ""))
    for state in states:
        if (ended := state.get("terminated")) and int(ended.get("exitCode", 0)) != 0:
            code = f"exit code {ended['exitCode']}"
            return str(ended.get("reason") or "Error"), f"{code} {ended.get('message') or ''}".strip()
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return str(scheduled.get("reason", "")), str(scheduled.get("message", ""))
    if status.get("reason"):
        return str(status["reason"]), str(status.get("message", ""))
    return NOT_READY, str(conditions.get("Ready", {}).get("message", ""))


def record_of(record: Manifest) -> Record:
    data = record.get("data") or {}
    return Record(
        revision=(record["metadata"].get("labels") or {}).get(LABEL_REVISION, ""),
        number=int(record.get("revision", 0)),
        image=str(data.get("image", "")),
        template=data.get("template") or {},
        inputs=data.get("inputs") or {},
    )


def happening_of(event: Manifest) -> Happening:
    about = event["involvedObject"]
    at = event.get("lastTimestamp") or event.get("eventTime") or event.get("firstTimestamp")
    return Happening(
        at=datetime.fromisoformat(at) if at else None,
        type=str(event.get("type", "")),
        about=f"{about.get('kind', '')}/{about.get('name', '')}",
        reason=str(event.get("reason", "")),
        message=" ".join(str(event.get("message", "")).split()),
        count=int(event.get("count") or 1),
    )
