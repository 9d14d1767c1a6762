"""The tools that are compared, each with its default and with tuned settings: what to apply, and what it then reports."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from bench.rollback.app import (
    DRAIN_SECONDS,
    LABELS,
    LIVENESS,
    NAME,
    PORT,
    PREVIEW,
    READINESS,
    REPLICAS,
    RESOURCES,
    SECRET,
    SERVICE,
    Manifest,
    pod_template,
    service,
)
from bench.rollback.cases import Revision

Settings = Literal["default", "tuned"]

OUR_GRACE_SECONDS = DRAIN_SECONDS + 16
"""The least that the resource's own rule allows: the drain, 15 s for requests in flight, a margin."""


class Contender(Protocol):
    """One tool with one set of settings. `rejection` and `settled` read the tool's own object and nothing else."""

    @property
    def tool(self) -> str:
        """Its name in the tables."""
        ...

    @property
    def settings(self) -> Settings: ...

    @property
    def described(self) -> str:
        """The settings in words."""
        ...

    @property
    def object_path(self) -> str:
        """Path of the API that its own objects are under; `{}` is the namespace."""
        ...

    @property
    def needs(self) -> Literal["", "argo-rollouts", "flagger"]:
        """The controller that must run; ours is there already."""
        ...

    def start(self, revision: Revision) -> tuple[Manifest, ...]:
        """The objects of a fresh service of this revision."""
        ...

    def started(self) -> dict[str, Any] | None:
        """A merge patch of its own object once the service stands, before anything is measured."""
        ...

    def change(self, revision: Revision) -> tuple[str, dict[str, Any]]:
        """`kind/name` and the merge patch that a user sends to roll out another revision."""
        ...

    def remains(self) -> tuple[str, ...]:
        """`kind/name` of what must be deleted to start afresh; the rest is garbage collected."""
        ...

    def rejection(self, found: Manifest) -> str | None:
        """The tool's own words once it reports that the new revision is bad."""
        ...

    def settled(self, found: Manifest) -> bool:
        """Whether the tool reports that the revision asked for runs, and nothing is under way."""
        ...


def condition(found: Manifest, kind: str) -> Manifest:
    """A condition of the object's status; empty when there is none."""
    conditions: list[Manifest] = found.get("status", {}).get("conditions") or []
    return next((c for c in conditions if c["type"] == kind), {})


def _observed(found: Manifest) -> bool:
    """Argo Rollouts writes the generation as text."""
    return str(found.get("status", {}).get("observedGeneration", "")) == str(found["metadata"]["generation"])


@dataclass(frozen=True, slots=True)
class PlainDeployment:
    """Nothing but Kubernetes. It has no way back by itself."""

    settings: Settings
    tool: str = "Deployment"
    object_path: str = "/apis/apps/v1/namespaces/{}/deployments"
    needs: Literal["", "argo-rollouts", "flagger"] = ""

    @property
    def described(self) -> str:
        if self.settings == "default":
            return (
                "everything as the API server fills it in (maxSurge and maxUnavailable 25 %, deadline 600 s)"
            )
        return "`minReadySeconds: 10`, `progressDeadlineSeconds: 60`, `maxUnavailable: 0`"

    def start(self, revision: Revision) -> tuple[Manifest, ...]:
        tuned = {
            "minReadySeconds": 10,
            "progressDeadlineSeconds": 60,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
        }
        return (
            service(SERVICE),
            _workload("apps/v1", "Deployment", revision, tuned if self.settings == "tuned" else {}),
        )

    def started(self) -> None:
        return None

    def change(self, revision: Revision) -> tuple[str, dict[str, Any]]:
        return f"deployment/{NAME}", {"spec": {"template": pod_template(revision)}}

    def remains(self) -> tuple[str, ...]:
        return (f"deployment/{NAME}", f"service/{SERVICE}")

    def rejection(self, found: Manifest) -> str | None:
        progressing = condition(found, "Progressing")
        return str(progressing["reason"]) if progressing.get("status") == "False" else None

    def settled(self, found: Manifest) -> bool:
        status = found.get("status", {})
        counts = [status.get(c) for c in ("replicas", "updatedReplicas", "availableReplicas")]
        complete = condition(found, "Progressing").get("reason") == "NewReplicaSetAvailable"
        return _observed(found) and complete and counts == [REPLICAS] * 3


@dataclass(frozen=True, slots=True)
class ArgoRollouts:
    """Argo Rollouts without a traffic router: blue-green by selector, canary by numbers of pods."""

    settings: Settings
    strategy: Literal["blue-green", "canary"]
    object_path: str = "/apis/argoproj.io/v1alpha1/namespaces/{}/rollouts"
    needs: Literal["", "argo-rollouts", "flagger"] = "argo-rollouts"

    @property
    def tool(self) -> str:
        return f"Argo Rollouts {self.strategy}"

    @property
    def described(self) -> str:
        words = (
            "active and preview Service"
            if self.strategy == "blue-green"
            else "the getting-started steps: weight 20, 40, 60, 80, a pause of 10 s after each (the first one is "
            "there for ever, until somebody promotes)"
        )
        if self.settings == "default":
            return f"{words}, the rest as it is by default (deadline 600 s, no abort)"
        tuned = "`minReadySeconds: 10`, `progressDeadlineSeconds: 60`, `progressDeadlineAbort: true`"
        return f"{words}; {tuned}"

    def start(self, revision: Revision) -> tuple[Manifest, ...]:
        if self.strategy == "blue-green":
            strategy: Manifest = {"blueGreen": {"activeService": SERVICE, "previewService": PREVIEW}}
        else:
            steps: list[Manifest] = []
            for weight in (20, 40, 60, 80):
                steps += [{"setWeight": weight}, {"pause": {"duration": "10s"}}]
            strategy = {"canary": {"steps": steps}}
        spec: Manifest = {"strategy": strategy}
        if self.settings == "tuned":
            spec |= {"minReadySeconds": 10, "progressDeadlineSeconds": 60, "progressDeadlineAbort": True}
        services = (SERVICE, PREVIEW) if self.strategy == "blue-green" else (SERVICE,)
        return (
            *(service(name) for name in services),
            _workload("argoproj.io/v1alpha1", "Rollout", revision, spec),
        )

    def started(self) -> None:
        return None

    def change(self, revision: Revision) -> tuple[str, dict[str, Any]]:
        return f"rollouts.argoproj.io/{NAME}", {"spec": {"template": pod_template(revision)}}

    def remains(self) -> tuple[str, ...]:
        return (f"rollouts.argoproj.io/{NAME}", f"service/{SERVICE}", f"service/{PREVIEW}")

    def rejection(self, found: Manifest) -> str | None:
        status = found.get("status", {})
        if status.get("abort") or status.get("phase") == "Degraded":
            return str(status.get("message") or status.get("phase"))
        return None

    def settled(self, found: Manifest) -> bool:
        status = found.get("status", {})
        same = status.get("currentPodHash") == status.get("stableRS")
        return _observed(found) and status.get("phase") == "Healthy" and same


@dataclass(frozen=True, slots=True)
class Flagger:
    """Flagger with provider kubernetes: a second Deployment is tried, then its template is copied to the first."""

    settings: Settings
    tool: str = "Flagger blue-green"
    object_path: str = "/apis/flagger.app/v1beta1/namespaces/{}/canaries"
    needs: Literal["", "argo-rollouts", "flagger"] = "flagger"

    @property
    def described(self) -> str:
        if self.settings == "default":
            return (
                "the tutorial's `interval: 30s`, `iterations: 10`, `threshold: 2` (all are required), deadline 600 s; "
                "no metrics, so readiness decides"
            )
        return (
            "`interval: 10s` (the least it takes), `iterations: 2`, `threshold: 2`, `progressDeadlineSeconds: 60`, "
            "Deployment with `minReadySeconds: 10`; no metrics, so readiness decides"
        )

    def start(self, revision: Revision) -> tuple[Manifest, ...]:
        tuned = self.settings == "tuned"
        analysis: Manifest = {"interval": "10s", "iterations": 2 if tuned else 10, "threshold": 2}
        spec: Manifest = {
            "provider": "kubernetes",
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME},
            "service": {"name": SERVICE, "port": 80, "targetPort": PORT, "portName": "http"},
            "analysis": analysis,
        }
        if tuned:
            spec["progressDeadlineSeconds"] = 60
        canary = {
            "apiVersion": "flagger.app/v1beta1",
            "kind": "Canary",
            "metadata": {"name": NAME},
            "spec": spec,
        }
        return _workload("apps/v1", "Deployment", revision, {"minReadySeconds": 10} if tuned else {}), canary

    def started(self) -> dict[str, Any] | None:
        # Setting up takes two intervals; the longer one would only make the bench slower.
        return {"spec": {"analysis": {"interval": "30s"}}} if self.settings == "default" else None

    def change(self, revision: Revision) -> tuple[str, dict[str, Any]]:
        return f"deployment/{NAME}", {"spec": {"template": pod_template(revision)}}

    def remains(self) -> tuple[str, ...]:
        return (f"canaries.flagger.app/{NAME}", f"deployment/{NAME}")

    def rejection(self, found: Manifest) -> str | None:
        status = found.get("status", {})
        if status.get("phase") != "Failed":
            return None
        return str(condition(found, "Promoted").get("message") or "Failed")

    def settled(self, found: Manifest) -> bool:
        return found.get("status", {}).get("phase") in ("Initialized", "Succeeded")


@dataclass(frozen=True, slots=True)
class Ours:
    """This project's operator, strategy BlueGreen."""

    settings: Settings
    tool: str = "Marauder's Map"
    object_path: str = "/apis/hogwarts.edu/v1alpha1/namespaces/{}/maraudersmaps"
    needs: Literal["", "argo-rollouts", "flagger"] = ""
    _tuned: dict[str, int] = field(default_factory=lambda: {"minReadySeconds": 2, "bakeSeconds": 10})

    @property
    def described(self) -> str:
        if self.settings == "default":
            return "`rollout: {}` (`minReadySeconds: 10`, `progressDeadlineSeconds: 300`, `bakeSeconds: 60`)"
        words = ", ".join(f"`{name}: {value}`" for name, value in self._tuned.items())
        return f"{words} (and `progressDeadlineSeconds: 300`, as by default)"

    def start(self, revision: Revision) -> tuple[Manifest, ...]:
        spec = {
            **self._of_revision(revision),
            "replicas": REPLICAS,
            "autoscaling": {"enabled": False},
            "database": {"external": {"secretRef": {"name": SECRET, "key": "database-url"}}},
            "jwtSecret": {"secretRef": {"name": SECRET, "key": "jwt-secret"}},
            "cache": {"disabled": True},
            "resources": RESOURCES,
            "probes": {"readiness": READINESS, "liveness": LIVENESS},
            "availability": {"drainSeconds": DRAIN_SECONDS, "terminationGraceSeconds": OUR_GRACE_SECONDS},
        }
        if self.settings == "tuned":
            spec["rollout"] = dict(self._tuned)
        return (
            {
                "apiVersion": "hogwarts.edu/v1alpha1",
                "kind": "MaraudersMap",
                "metadata": {"name": NAME},
                "spec": spec,
            },
        )

    def started(self) -> None:
        return None

    def change(self, revision: Revision) -> tuple[str, dict[str, Any]]:
        return f"maraudersmap/{NAME}", {"spec": self._of_revision(revision)}

    def remains(self) -> tuple[str, ...]:
        return (f"maraudersmap/{NAME}",)

    def rejection(self, found: Manifest) -> str | None:
        status = found.get("status", {})
        verdict = (status.get("candidate") or {}).get("verdict")
        for found_bad in (verdict, *(status.get("rejected") or ()), status.get("hold")):
            if found_bad:
                return str(found_bad["reason"])
        return None

    def settled(self, found: Manifest) -> bool:
        status = found.get("status", {})
        return _observed(found) and status.get("phase") == "Ready" and not status.get("candidate")

    def _of_revision(self, revision: Revision) -> Manifest:
        return {"image": revision.image, "config": {"env": copy.deepcopy(revision.environment)}}


def _workload(api_version: str, kind: str, revision: Revision, more: Manifest) -> Manifest:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": NAME, "labels": LABELS},
        "spec": {
            "replicas": REPLICAS,
            "selector": {"matchLabels": LABELS},
            "template": pod_template(revision),
            **more,
        },
    }


CONTENDERS: dict[str, Contender] = {
    "deployment-default": PlainDeployment("default"),
    "deployment-tuned": PlainDeployment("tuned"),
    "argo-bluegreen-default": ArgoRollouts("default", "blue-green"),
    "argo-bluegreen-tuned": ArgoRollouts("tuned", "blue-green"),
    "argo-canary-default": ArgoRollouts("default", "canary"),
    "argo-canary-tuned": ArgoRollouts("tuned", "canary"),
    "flagger-default": Flagger("default"),
    "flagger-tuned": Flagger("tuned"),
    "ours-default": Ours("default"),
    "ours-tuned": Ours("tuned"),
}
