"""Given, when, then: one MaraudersMap in a namespace of its own on a real cluster."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from dev.kube import Kubectl, KubectlFailed
from dev.prober import Prober
from tests.cluster import budgets

T = TypeVar("T")
Object = dict[str, Any]

NAME = "marauders-map"
POLL_SECONDS = 0.5
INSTANCE = "app.kubernetes.io/instance"
REVISION = "hogwarts.edu/revision"
KINDS = (
    "deployments,statefulsets,services,secrets,serviceaccounts,configmaps,jobs,horizontalpodautoscalers,"
    "poddisruptionbudgets,networkpolicies,ingresses,controllerrevisions,persistentvolumeclaims"
)


def small_spec(image: str) -> Object:
    """A resource that starts quickly on a small machine; what a test is about, it sets itself."""
    return {
        "image": image,
        "replicas": 2,
        "autoscaling": {"enabled": False},
        "database": {"evaluation": {}},
        "cache": {"disabled": True},
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}},
        "probes": {"readiness": {"initialDelaySeconds": 0, "periodSeconds": 1}},
        "rollout": {"minReadySeconds": 2, "bakeSeconds": 4},
    }


def merged(base: Object, change: Object) -> Object:
    """A JSON merge patch: None removes."""
    result = copy.deepcopy(base)
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


@dataclass(slots=True)
class Scenario:
    """The resource `marauders-map` in `namespace`, and what surrounds it. `good` is an image that works."""

    kubectl: Kubectl
    namespace: str
    good: str
    base: Object = field(default_factory=dict)

    # --- given ------------------------------------------------------------------------------------------------------
    def resource_exists(self, spec: Object) -> None:
        """Apply the resource; changes of `edit` start from this spec."""
        self.base = spec
        self.kubectl.apply(manifest(spec), namespace=self.namespace)

    def is_ready(self, **change: Any) -> None:
        """The resource is Ready with its base spec (and `change`): whatever an earlier test did to it is undone."""
        self.replace_spec(merged(self.base, change))
        self.until_phase("Ready", budgets.PROMOTED)

    @contextmanager
    def probed(self) -> Iterator[Prober]:
        """A prober runs; afterwards it is gone."""
        prober = Prober(self.kubectl, self.namespace, NAME, self.good)
        prober.start()
        try:
            yield prober
        finally:
            prober.stop()

    # --- when -------------------------------------------------------------------------------------------------------
    def edit(self, **change: Any) -> Object:
        """Merge the change into the spec, as `kubectl patch` does; the resource as it was stored."""
        return self._patched({"spec": change})

    def annotate(self, key: str, value: str) -> None:
        self._patched({"metadata": {"annotations": {key: value}}})

    def replace_spec(self, spec: Object) -> None:
        """Make the spec exactly this, defaults aside."""
        change = [{"op": "replace", "path": "/spec", "value": spec}]
        self.do("patch", "maraudersmap", NAME, "--type=json", "-p", json.dumps(change))

    def do(self, *args: str, input: str | None = None) -> str:  # noqa: A002 (subprocess calls it so)
        """kubectl in the namespace."""
        return self.kubectl("-n", self.namespace, *args, input=input)

    def _patched(self, patch: Object) -> Object:
        text = self.do("patch", "maraudersmap", NAME, "--type=merge", "-p", json.dumps(patch), "-o", "json")
        stored: Object = json.loads(text)
        return stored

    # --- then -------------------------------------------------------------------------------------------------------
    def resource(self) -> Object:
        found: Object = self.kubectl.json("-n", self.namespace, "get", "maraudersmap", NAME)
        return found

    def status(self) -> Object:
        """The status, once it speaks of the spec as it is now; empty before."""
        resource = self.resource()
        status: Object = resource.get("status") or {}
        return status if status.get("observedGeneration") == resource["metadata"]["generation"] else {}

    def condition(self, kind: str) -> tuple[str, str, str]:
        """Status, reason and message of a condition."""
        found = next((c for c in self.status().get("conditions") or () if c["type"] == kind), None)
        return (found["status"], found["reason"], found["message"]) if found else ("", "", "")

    def get(self, kind: str, name: str) -> Object | None:
        return self.kubectl.find("-n", self.namespace, "get", kind, name)

    def find_all(self, kinds: str, selector: str = f"{INSTANCE}={NAME}") -> list[Object]:
        items: list[Object] = self.kubectl.json("-n", self.namespace, "get", kinds, "-l", selector)["items"]
        return items

    def children(self) -> set[str]:
        """`Kind/name` of everything that carries the resource's label, but not what controllers made for them."""
        return {
            f"{o['kind']}/{o['metadata']['name']}"
            for o in self.find_all(KINDS)
            if not any(r["kind"] == "StatefulSet" for r in o["metadata"].get("ownerReferences") or ())
        }

    def api_deployments(self) -> dict[str, int]:
        """Name and generation of each Deployment of the API."""
        selector = f"{INSTANCE}={NAME},app.kubernetes.io/component=api"
        return {
            d["metadata"]["name"]: d["metadata"]["generation"] for d in self.find_all("deployments", selector)
        }

    def pods(self, revision: str) -> list[Object]:
        return self.find_all(
            "pods", f"{INSTANCE}={NAME},{REVISION}={revision},app.kubernetes.io/component=api"
        )

    def events(self) -> list[Object]:
        """The Events about the resource."""
        fields = f"involvedObject.kind=MaraudersMap,involvedObject.name={NAME}"
        items: list[Object] = self.kubectl.json(
            "-n", self.namespace, "get", "events", "--field-selector", fields
        )["items"]
        return items

    def until_phase(self, phase: str, seconds: float) -> Object:
        """The status, once the phase is this."""

        def there() -> Object | None:
            status = self.status()
            return status if status.get("phase") == phase else None

        return self.until(there, f"phase {phase}", seconds)

    def until_rejected(self, image: str) -> Object:
        """The ledger's entry, once the spec's image is rolled back and no pod of it is left."""
        status = self.until_phase("RolledBack", budgets.ROLLED_BACK)
        entry: Object = next(r for r in status["rejected"] if r["image"] == image)
        self.until_true(
            lambda: not self.pods(entry["revision"]), "no pod of the rejected revision", budgets.GONE
        )
        return entry

    def until_step(self, step: str) -> Object:
        """The candidate, once it is at this step."""

        def there() -> Object | None:
            candidate: Object | None = self.status().get("candidate")
            return candidate if candidate and candidate["step"] == step else None

        return self.until(there, f"candidate at {step}", budgets.ROLLED_BACK)

    def until_true(self, holds: Callable[[], bool], what: str, seconds: float) -> None:
        self.until(lambda: holds() or None, what, seconds)

    def until(self, look: Callable[[], T | None], what: str, seconds: float) -> T:
        """What `look` finds. Fails with the resource's own words after `seconds`."""
        deadline = time.monotonic() + seconds
        while (found := look()) is None:
            if time.monotonic() > deadline:
                resource = self.kubectl.find("-n", self.namespace, "get", "maraudersmap", NAME) or {}
                status = resource.get("status") or {}
                last = f"phase {status.get('phase')}: {status.get('message')}"
                raise AssertionError(f"{what}: not within {seconds:.0f} s; {last}")
            time.sleep(POLL_SECONDS)
        return found

    def dump(self) -> str:
        """Everything worth reading after a failure."""
        parts = []
        for args in (
            ("get", "maraudersmaps", "-o", "yaml"),
            ("get", "pods,jobs,deployments,services,endpointslices", "-o", "wide"),
            ("get", "events", "--sort-by=.lastTimestamp"),
        ):
            try:
                parts.append(f"$ kubectl {' '.join(args)}\n{self.do(*args)}")
            except KubectlFailed as error:
                parts.append(str(error))
        return "\n".join(parts)


def manifest(spec: Object) -> Object:
    return {
        "apiVersion": "hogwarts.edu/v1alpha1",
        "kind": "MaraudersMap",
        "metadata": {"name": NAME},
        "spec": spec,
    }
