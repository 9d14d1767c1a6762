"""What can be seen of one namespace from outside, by watches: the same eyes for every tool.

`kubectl get --raw '...?watch=1'` prints one JSON line per change, so nothing is polled and the moment of each change is
known to some hundredths of a second.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from bench.rollback.app import NAME, SERVICE
from bench.rollback.cases import OLD
from dev.cluster.host.console import Problem
from dev.kube import Kubectl

T = TypeVar("T")
Object = dict[str, Any]

_MARKER = "BENCH_REVISION"
_AGAIN_SECONDS = 1.0
_STOP_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod of the app. `live`: neither ended nor being deleted."""

    name: str
    marker: str
    labels: Mapping[str, str]
    live: bool


@dataclass(frozen=True, slots=True)
class View:
    """One moment. `serving` are the markers of the ready endpoints of the users' Service, one for each."""

    at: float
    pods: tuple[Pod, ...]
    serving: tuple[str, ...]
    selector: Mapping[str, str] | None
    object: Object | None

    @property
    def new_pods(self) -> tuple[Pod, ...]:
        return tuple(p for p in self.pods if p.live and p.marker != OLD)

    def selected(self, pod: Pod) -> bool:
        """Whether the pod gets traffic as soon as it is ready."""
        return bool(self.selector) and (self.selector or {}).items() <= pod.labels.items()


class Namespace:
    """Watches pods, endpoints, Services and the tool's own object until closed."""

    def __init__(self, kubectl: Kubectl, namespace: str, object_path: str) -> None:
        self._changed = threading.Condition()
        self._marker_of: dict[str, str] = {}
        self._closed = False
        paths = {
            "pods": f"/api/v1/namespaces/{namespace}/pods",
            "slices": f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices",
            "services": f"/api/v1/namespaces/{namespace}/services",
            "objects": object_path,
        }
        self._stores: dict[str, dict[str, Object]] = {name: {} for name in paths}
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._threads = [
            threading.Thread(target=self._follow, args=(kubectl, name, path), daemon=True)
            for name, path in paths.items()
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            for process in self._processes.values():
                process.terminate()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(_STOP_SECONDS)

    def view(self) -> View:
        with self._changed:
            return self._view()

    def until(self, look: Callable[[View], T | None], what: str, seconds: float) -> T:
        """What `look` finds, looking at each change. Raises Problem after `seconds`."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while (found := look(self._view())) is None:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Problem(f"{what}: not within {seconds:.0f} s")
                self._changed.wait(min(left, 1.0))
            return found

    def _view(self) -> View:
        selector = self._stores["services"].get(SERVICE, {}).get("spec", {}).get("selector")
        return View(
            at=time.monotonic(),
            pods=tuple(_pod(p) for p in self._stores["pods"].values() if _is_of_the_app(p)),
            serving=tuple(sorted(self._marker_of.get(name, "?") for name in self._ready_endpoints())),
            selector=selector,
            object=self._stores["objects"].get(NAME),
        )

    def _ready_endpoints(self) -> set[str]:
        return {
            endpoint["targetRef"]["name"]
            for piece in self._stores["slices"].values()
            if piece["metadata"]["labels"].get("kubernetes.io/service-name") == SERVICE
            for endpoint in piece.get("endpoints") or ()
            if endpoint["conditions"].get("ready") and "targetRef" in endpoint
        }

    def _follow(self, kubectl: Kubectl, name: str, path: str) -> None:
        """Keep one store; a watch that ends (the API server ends them all some time) is begun again."""
        command = [kubectl.program, f"--kubeconfig={kubectl.kubeconfig}", "get", "--raw", f"{path}?watch=1"]
        while True:
            with self._changed:
                if self._closed:
                    return
                self._stores[name].clear()
                process = subprocess.Popen(
                    command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
                )
                self._processes[name] = process
            assert process.stdout is not None
            for line in process.stdout:
                self._take(name, json.loads(line))
            process.wait()
            with self._changed:
                self._changed.wait_for(lambda: self._closed, timeout=_AGAIN_SECONDS)

    def _take(self, name: str, event: Object) -> None:
        found = event["object"]
        if event["type"] not in ("ADDED", "MODIFIED", "DELETED"):
            return
        key = found["metadata"]["name"]
        with self._changed:
            if event["type"] == "DELETED":
                self._stores[name].pop(key, None)
            else:
                self._stores[name][key] = found
                if name == "pods":
                    self._marker_of[key] = _marker(found)
            self._changed.notify_all()


def _is_of_the_app(pod: Object) -> bool:
    """Not the prober, and not a Job that carries the app's variables (our migrations)."""
    owners = pod["metadata"].get("ownerReferences") or ()
    return bool(_marker(pod)) and not any(owner["kind"] == "Job" for owner in owners)


def _marker(pod: Object) -> str:
    variables = pod["spec"]["containers"][0].get("env") or ()
    return next((str(v.get("value", "")) for v in variables if v["name"] == _MARKER), "")


def _pod(pod: Object) -> Pod:
    ended = pod.get("status", {}).get("phase") in ("Failed", "Succeeded")
    return Pod(
        name=pod["metadata"]["name"],
        marker=_marker(pod),
        labels=pod["metadata"].get("labels") or {},
        live=not ended and "deletionTimestamp" not in pod["metadata"],
    )
