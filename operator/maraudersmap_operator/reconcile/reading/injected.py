"""Containers that somebody else has put into our pods: a mesh's proxy, a vault's agent. Each is reported as what it is."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from maraudersmap_operator.cluster import Manifest

QUIET_WAITS = frozenset({"ContainerCreating", "PodInitializing"})


def injected_trouble(pod: Manifest, own: Collection[str]) -> str:
    """One sentence on the first container besides `own` that keeps the pod from being ready, or from ending."""
    status = pod.get("status") or {}
    mains = status.get("containerStatuses") or []
    own_done = any(c.get("name") in own and _ended(c) for c in mains)
    own_ready = all(c.get("ready") for c in mains if c.get("name") in own)
    helpers = {
        c["name"]
        for c in (pod.get("spec") or {}).get("initContainers") or ()
        if c.get("restartPolicy") == "Always"
    }
    found = [
        _helper_trouble(c, own_ready) if c.get("name") in helpers else _init_trouble(c)
        for c in status.get("initContainerStatuses") or ()
        if c.get("name") not in own
    ]
    found += [_main_trouble(c, own_done, own_ready) for c in mains if c.get("name") not in own]
    return next((words for words in found if words), "")


def _init_trouble(container: dict[str, Any]) -> str:
    if words := _failing(container):
        return words
    return f"the init container {container['name']} still runs" if _runs(container) else ""


def _helper_trouble(container: dict[str, Any], own_ready: bool) -> str:
    """Of a native sidecar: an init container that is to run for as long as the pod does."""
    if words := _failing(container):
        return words
    if _runs(container) and container.get("started") is False:
        return f"the container {container['name']} has not started up"
    if own_ready and not container.get("ready"):
        return f"the container {container['name']} is not ready"
    return ""


def _main_trouble(container: dict[str, Any], own_done: bool, own_ready: bool) -> str:
    if words := _failing(container):
        return words
    if own_done and not _ended(container):
        return f"the container {container['name']} still runs, although the work is done"
    if own_ready and not own_done and not container.get("ready"):
        return f"the container {container['name']} is not ready"
    return ""


def _failing(container: dict[str, Any]) -> str:
    """Waiting for a reason worth reporting, or ended otherwise than well."""
    state, name = container.get("state") or {}, container["name"]
    waiting = state.get("waiting") or {}
    ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated")
    last = f"exit code {ended.get('exitCode')} ({ended.get('reason') or 'no reason given'})" if ended else ""
    if waiting and waiting.get("reason") not in QUIET_WAITS:
        words = f"the container {name}: {waiting.get('reason')}: {waiting.get('message', '')}".rstrip(": ")
        return f"{words}; its last run ended with {last}" if last else words
    if ended and ended.get("exitCode") and not container.get("ready"):
        return f"the container {name} ended with {last}"
    return ""


def _runs(container: dict[str, Any]) -> bool:
    return "running" in (container.get("state") or {})


def _ended(container: dict[str, Any]) -> bool:
    return bool((container.get("state") or {}).get("terminated"))
