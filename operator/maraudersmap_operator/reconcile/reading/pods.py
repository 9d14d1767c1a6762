"""Reading pods: from what the kubelet and the scheduler report to the facts that verdicts are made of."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from maraudersmap_operator.cluster import Manifest
from maraudersmap_operator.cluster.reported import condition_of
from maraudersmap_operator.resource.names import ANNOTATION_SECRETS
from maraudersmap_operator.rollout import PodFacts, Termination

from .injected import QUIET_WAITS, injected_trouble

EPOCH = datetime(1970, 1, 2, tzinfo=UTC)
# Evicted (kubelet), and what drains, preemption and taints leave behind: none of them is the revision's doing.
DISRUPTED_REASONS = frozenset(
    {"Evicted", "NodeLost", "NodeShutdown", "Terminated", "Preempting", "NodeAffinity"}
)
# Of a run whose node was reset under it (containerd, with exit code 255), or whose container the kubelet cannot find any
# more: how it ended no one has seen.
UNSEEN_ENDS = frozenset({"Unknown", "ContainerStatusUnknown"})
# What is judged: the application's container and the migrations'. Whatever else is in a pod, somebody has put there.
OWN_CONTAINERS = frozenset({"api", "migrate"})


def pod_facts(pod: Manifest, lost_nodes: Collection[str] = ()) -> PodFacts:
    """`lost_nodes`: names of nodes whose pods count as disrupted."""
    meta, status = pod["metadata"], pod.get("status") or {}
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    # A database's pod has none of these names: all that runs in it is its own.
    own = [c for c in containers if c.get("name") in OWN_CONTAINERS] or containers
    ready = condition_of(status, "Ready")
    scheduled = condition_of(status, "PodScheduled")
    is_ready = ready.get("status") == "True"
    since = time_of(ready.get("lastTransitionTime"))
    waiting = _first_waiting(own)
    ends = [t for c in own for t in _terminations(c)]
    unseen = tuple(t.reason in UNSEEN_ENDS for t in ends)
    return PodFacts(
        uid=meta["uid"],
        name=meta["name"],
        created_at=required_time(meta["creationTimestamp"]),
        secrets=(meta.get("annotations") or {}).get(ANNOTATION_SECRETS, ""),
        ready=is_ready,
        ready_since=since if is_ready else None,
        unready_since=None if is_ready else since,
        phase=status.get("phase", ""),
        terminating="deletionTimestamp" in meta,
        gone_by=time_of(meta.get("deletionTimestamp")),
        disrupted=_disrupted(status) or (pod.get("spec") or {}).get("nodeName") in lost_nodes,
        own_ready=bool(own) and all(c.get("ready") for c in own),
        ran_since=min((t for c in own for t in _starts(c)), default=None),
        restarts=sum(int(c.get("restartCount", 0)) for c in own),
        down=any(_is_down(c) for c in own),
        waiting_reason=waiting.get("reason", ""),
        waiting_message=waiting.get("message", ""),
        injected=injected_trouble(pod, OWN_CONTAINERS) if own is not containers else "",
        unschedulable=scheduled.get("message", "") if scheduled.get("status") == "False" else "",
        last_terminations=tuple(t for t, lost in zip(ends, unseen, strict=True) if not lost),
        unseen_ends=unseen,
    )


def time_of(text: str | None) -> datetime | None:
    """An RFC 3339 time of the API server's, aware; None for none."""
    return datetime.fromisoformat(text) if text else None


def required_time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _disrupted(status: dict[str, Any]) -> bool:
    if status.get("reason") in DISRUPTED_REASONS:
        return True
    return condition_of(status, "DisruptionTarget").get("status") == "True"


def _first_waiting(containers: list[dict[str, Any]]) -> dict[str, str]:
    waits = [w for c in containers if (w := (c.get("state") or {}).get("waiting"))]
    notable = [w for w in waits if w.get("reason") not in QUIET_WAITS]
    first: dict[str, str] = (notable or waits or [{}])[0]
    return first


def _starts(container: dict[str, Any]) -> list[datetime]:
    """When its runs began, as far as the kubelet still knows."""
    now, before = container.get("state") or {}, container.get("lastState") or {}
    runs = (now.get("running"), now.get("terminated"), before.get("terminated"))
    return [began for run in runs if run and (began := _real(time_of(run.get("startedAt"))))]


def _is_down(container: dict[str, Any]) -> bool:
    """Ended and not replaced yet. An init container that ended well has done its work."""
    state = container.get("state") or {}
    if (state.get("waiting") or {}).get("reason") == "CrashLoopBackOff":
        return True
    ended = state.get("terminated")
    return ended is not None and not (ended.get("reason") == "Completed" and container.get("ready"))


def _terminations(container: dict[str, Any]) -> list[Termination]:
    found = []
    for part in ("lastState", "state"):
        ended = (container.get(part) or {}).get("terminated")
        if ended:
            found.append(
                Termination(
                    exit_code=int(ended.get("exitCode", 0)),
                    reason=ended.get("reason", ""),
                    message=ended.get("message", ""),
                    started_at=_real(time_of(ended.get("startedAt"))),
                    finished_at=_real(time_of(ended.get("finishedAt"))),
                )
            )
    return found


def _real(moment: datetime | None) -> datetime | None:
    """The kubelet writes the epoch for a container that never started."""
    return moment if moment and moment > EPOCH else None
