"""Why pods do not start, and how they ended, read from messages of the kubelet, the scheduler and the API server where no
code states it.

Every list names its source. Text that matches nothing is taken for something that may pass: a deadline ends it.
"""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum

from maraudersmap_operator.resource.reasons import Reason
from maraudersmap_operator.resource.status_model import shorten

from ..facts import JobState, MigrationFacts, PodFacts, RevisionFacts

# A policy may be about to change: what it refuses has to be refused again after this long.
ADMISSION_TWICE = timedelta(seconds=30)


class Trouble(StrEnum):
    """Why a pod does not come up, as far as messages show."""

    IMAGE_NOT_FOUND = Reason.IMAGE_NOT_FOUND
    IMAGE_DENIED = Reason.IMAGE_PULL_DENIED
    CONFIG_INVALID = Reason.CONTAINER_CONFIG_INVALID
    ADMISSION_REFUSED = Reason.ADMISSION_REFUSED
    QUOTA_EXCEEDED = Reason.QUOTA_EXCEEDED
    NO_CAPACITY = Reason.INSUFFICIENT_CAPACITY
    MAY_PASS = "MayPass"  # noqa: S105  # a word, not a password


PULL_REASONS = frozenset({"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "RegistryUnavailable"})
# A registry that cannot be reached, throttles or answers 5xx may report "not found" somewhere as well, and a sandbox has an
# image of its own: these win.
PULL_MAY_PASS = (
    "connection refused", "connection reset", "i/o timeout", "tls handshake timeout", "no such host", "no route to host",
    "status: 5", "500 internal", "502 bad gateway", "503 service", "504 gateway", "429 too many", "toomanyrequests",
    "context deadline exceeded", "eof", "sandbox image",
)  # fmt: skip
# containerd: "pull access denied, ... insufficient_scope: authorization failed", "401 Unauthorized", "403 Forbidden";
# CRI-O: "unauthorized: authentication required", "denied: requested access to the resource is denied".
PULL_DENIED = (
    "401 unauthorized",
    "403 forbidden",
    "unauthorized",
    "authorization failed",
    "access denied",
    "denied:",
)
# What the registry has answered about this image; a node misses snapshots and content of its own as well, and reports that
# with "code = NotFound" and "not found", too. containerd: 'failed to resolve reference "...": ...: not found', since 2.1
# "failed to resolve image: ...", "content at https://... not found"; CRI-O and Docker: "manifest unknown", "name unknown".
PULL_NOT_FOUND = re.compile(
    r"resolve (?:reference|image)\b.*: not found|content at https?://\S+ not found|no match for platform in manifest"
    r"|manifest unknown|name unknown|repository does not exist",
    re.DOTALL,
)

CONFIG_REASONS = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
# The kubelet's runAsNonRoot checks (pkg/kubelet/kuberuntime/security_context.go). A missing Secret, ConfigMap or key,
# also a CreateContainerConfigError, heals when someone creates it.
CONFIG_NEVER_HEALS = ("runasnonroot", "non-numeric user", "invalid reference format", "invalid capability")

# ReplicaSet and Job controllers: 'pods "x" is forbidden: exceeded quota: ...', 'violates PodSecurity "restricted"',
# 'admission webhook "y" denied the request: ...'.
# The admission itself could not be asked, or looked for something that is not there yet: 'Internal error occurred: failed
# calling webhook ...', 'error looking up service account ...', 'no PriorityClass with name x was found'. These win.
CREATE_MAY_PASS = (
    "failed calling webhook", "failed to call webhook", "error looking up", "no priorityclass", "not found",
    "context deadline exceeded", "timeout", "timed out", "connection refused", "no endpoints available", "try again",
    "the server is currently unable",
)  # fmt: skip
QUOTA = ("exceeded quota", "failed quota", "must specify limits", "must specify requests")
ADMISSION = ("admission webhook", "violates podsecurity", "is forbidden", "is invalid")

# The scheduler: "0/3 nodes are available: 3 Insufficient cpu. preemption: ...".
CAPACITY = ("insufficient ", "too many pods")


def pod_trouble(pod: PodFacts) -> Trouble | None:
    """What keeps a pod from starting; None when nothing does, or nothing that is reported."""
    if pod.unschedulable:
        return Trouble.NO_CAPACITY if _has(pod.unschedulable, CAPACITY) else Trouble.MAY_PASS
    if pod.waiting_reason == "InvalidImageName":
        return Trouble.IMAGE_NOT_FOUND
    if pod.waiting_reason in PULL_REASONS:
        return _pull(pod.waiting_message)
    if pod.waiting_reason in CONFIG_REASONS:
        return Trouble.CONFIG_INVALID if _has(pod.waiting_message, CONFIG_NEVER_HEALS) else Trouble.MAY_PASS
    return None


def create_trouble(message: str) -> Trouble | None:
    """Why a controller cannot create pods, from its message; None for an empty one."""
    if not message:
        return None
    if _has(message, CREATE_MAY_PASS):
        return Trouble.MAY_PASS
    if _has(message, QUOTA):
        return Trouble.QUOTA_EXCEEDED
    return Trouble.ADMISSION_REFUSED if _has(message, ADMISSION) else Trouble.MAY_PASS


def why_waiting(pods: tuple[PodFacts, ...]) -> str:
    """What the scheduler or the kubelet has against the first pod in trouble; empty when none is."""
    for pod in pods:
        if pod.unschedulable:
            return shorten(f"pod {pod.name} cannot be scheduled: {pod.unschedulable}")
    for pod in pods:
        if pod.waiting_reason and pod.waiting_reason not in ("ContainerCreating", "PodInitializing"):
            return shorten(f"pod {pod.name}: {pod.waiting_reason}: {pod.waiting_message}")
    for pod in pods:
        if pod.injected and not pod.ready:
            return shorten(f"pod {pod.name}: {pod.injected}")
    return ""


def refusal(facts: RevisionFacts, migration: MigrationFacts | None) -> str:
    """Why no pod can be created, of the Deployment or of the migrations Job; empty when nothing reports it."""
    waits = migration is not None and migration.state is JobState.RUNNING and not migration.pods
    return facts.create_error or (migration.message if waits and migration else "")


def last_end(pods: tuple[PodFacts, ...]) -> str:
    """How the newest ended container went: exit code, reason, its termination message."""
    ends = [t for p in pods for t in p.last_terminations]
    if not ends:
        return "no exit code is known any more"
    last = max(ends, key=lambda t: t.finished_at.timestamp() if t.finished_at else 0)
    message = f": {last.message.strip()}" if last.message.strip() else ""
    return f"the last one with exit code {last.exit_code} ({last.reason or 'no reason given'}){message}"


def _pull(message: str) -> Trouble:
    if _has(message, PULL_MAY_PASS):
        return Trouble.MAY_PASS
    # Before "not found": registries that hide what one may not see answer both ways, and credentials expire.
    if _has(message, PULL_DENIED):
        return Trouble.IMAGE_DENIED
    return Trouble.IMAGE_NOT_FOUND if PULL_NOT_FOUND.search(message.lower()) else Trouble.MAY_PASS


def _has(text: str, words: tuple[str, ...]) -> bool:
    lower = text.lower()
    return any(word in lower for word in words)
