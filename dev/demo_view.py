"""What the demo shows while it waits: the resource, its revisions' pods and the prober, once a second.

On a terminal a small table that renews itself; elsewhere a line whenever something has changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dev.cluster.host.console import Problem
from dev.kube import Kubectl
from dev.prober import Counts, Prober

PERIOD_SECONDS = 1.0
REVISION = "hogwarts.edu/revision"
_COLOURS = {"Ready": "green", "RolledBack": "yellow", "Stalled": "red", "Degraded": "red"}


@dataclass(frozen=True, slots=True)
class RevisionPods:
    """Pods of one revision."""

    revision: str
    image: str
    role: str
    ready: int
    total: int
    trouble: str

    def __str__(self) -> str:
        trouble = f" {self.trouble}" if self.trouble else ""
        return f"{self.revision} ({self.image}) {self.role}: {self.ready}/{self.total} ready{trouble}"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The resource at one moment."""

    status: dict[str, Any]
    generation: int
    revisions: tuple[RevisionPods, ...]
    probed: Counts | None

    @property
    def phase(self) -> str:
        """Empty before the operator's first pass over this generation of the spec."""
        current = self.status.get("observedGeneration", 0) >= self.generation
        return str(self.status.get("phase", "")) if current else ""

    @property
    def step(self) -> str:
        return str((self.status.get("candidate") or {}).get("step", ""))


def look(kubectl: Kubectl, namespace: str, name: str, prober: Prober | None) -> Snapshot:
    """Read everything that is shown. Raises KubectlFailed."""
    resource = kubectl.json("-n", namespace, "get", "maraudersmap", name)
    selector = f"app.kubernetes.io/instance={name},app.kubernetes.io/component=api"
    pods = kubectl.json("-n", namespace, "get", "pods", "-l", selector)["items"]
    status = resource.get("status") or {}
    return Snapshot(
        status=status,
        generation=resource["metadata"]["generation"],
        revisions=tuple(_revisions(pods, status)),
        probed=prober.latest() if prober else None,
    )


def watch(
    kubectl: Kubectl,
    namespace: str,
    name: str,
    until: Callable[[Snapshot], bool],
    *,
    what: str,
    seconds: float,
    prober: Prober | None = None,
) -> Snapshot:
    """Show the resource until `until` holds; gives that snapshot. Raises Problem after `seconds`."""
    console = Console()
    began = time.monotonic()
    shown = ""
    with Live(console=console, auto_refresh=False) as live:
        while True:
            snapshot = look(kubectl, namespace, name, prober)
            elapsed = time.monotonic() - began
            done = until(snapshot)
            if console.is_terminal:
                live.update(_render(snapshot, what, elapsed), refresh=True)
            elif (line := _line(snapshot)) != shown:
                shown = line
                print(f"  {elapsed:5.1f}s  {line}", flush=True)
            if done:
                return snapshot
            if elapsed > seconds:
                raise Problem(
                    f"{what}: not within {seconds:.0f} s; the resource reports: {snapshot.status.get('message', '')}",
                    f"kubectl -n {namespace} describe mm {name}",
                )
            time.sleep(PERIOD_SECONDS)


def short(image: str) -> str:
    """An image without its registry."""
    return image.rpartition("/")[2]


def _revisions(pods: list[dict[str, Any]], status: dict[str, Any]) -> list[RevisionPods]:
    found = []
    names = sorted({p["metadata"]["labels"].get(REVISION, "") for p in pods})
    for revision in names:
        own = [p for p in pods if p["metadata"]["labels"].get(REVISION) == revision]
        going = sum("deletionTimestamp" in p["metadata"] for p in own)
        trouble = sorted({t for p in own if (t := _trouble(p))})
        if going:
            trouble.append(f"{going} leaving")
        found.append(
            RevisionPods(
                revision=revision,
                image=short(own[0]["spec"]["containers"][0]["image"]),
                role=_role(revision, status),
                ready=sum(_is_ready(p) for p in own),
                total=len(own),
                trouble=", ".join(trouble),
            )
        )
    return found


def _role(revision: str, status: dict[str, Any]) -> str:
    roles = []
    if revision == status.get("serving"):
        roles.append("serving")
    roles += [r for r in ("stable", "candidate") if revision == (status.get(r) or {}).get("revision")]
    if revision in {r["revision"] for r in status.get("rejected") or ()}:
        roles.append("rejected")
    return "+".join(roles) or "retired"


def _is_ready(pod: dict[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _trouble(pod: dict[str, Any]) -> str:
    for container in pod.get("status", {}).get("containerStatuses") or ():
        state = container.get("state") or {}
        reason = str((state.get("waiting") or state.get("terminated") or {}).get("reason") or "")
        if reason not in ("", "ContainerCreating", "PodInitializing"):
            return reason
    return ""


def _line(snapshot: Snapshot) -> str:
    phase = snapshot.phase or "(not seen yet)"
    step = f" {snapshot.step}" if snapshot.step else ""
    failed = f"; failed requests {snapshot.probed.failed}" if snapshot.probed else ""
    return f"{phase}{step}; {'; '.join(map(str, snapshot.revisions)) or 'no pods yet'}{failed}"


def _render(snapshot: Snapshot, what: str, elapsed: float) -> RenderableType:
    table = Table(title=f"{what} ({elapsed:.0f} s)", title_justify="left")
    for column in ("revision", "image", "role", "pods ready", ""):
        table.add_column(column, overflow="fold")
    for r in snapshot.revisions:
        table.add_row(r.revision, r.image, r.role, f"{r.ready}/{r.total}", Text(r.trouble, style="red"))
    phase = Text(f"{snapshot.phase or '...'} {snapshot.step}", style=_COLOURS.get(snapshot.phase, "cyan"))
    lines: list[RenderableType] = [table, phase, Text(str(snapshot.status.get("message", "")), style="dim")]
    if snapshot.probed:
        lines.append(Text(f"prober: {snapshot.probed}", style="red" if snapshot.probed.failed else "green"))
    return Group(*lines)
