"""An operator of a test's own, of any release, for one namespace: the manifests of its release, as a namespaced install.

The operator that is shared by all other tests looks after the whole cluster. What it would write there is refused by an
admission policy, so that one operator acts in that namespace, as in real life.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from dev.kube import KubectlFailed
from dev.operator_install import DEPLOYMENT, OperatorImages, leader
from dev.operator_objects import NAMESPACE
from tests.cluster import budgets
from tests.cluster.scenario import Scenario

Object = dict[str, Any]
BASE = Path("manifests") / "operator" / "base"
SHARED = f"system:serviceaccount:{NAMESPACE}:{DEPLOYMENT}"
OURS = "hogwarts.edu/own-operator"
# Of the whole cluster, and there already.
_NOT_OURS = ("CustomResourceDefinition", "Namespace", "PodDisruptionBudget")


@dataclass(frozen=True, slots=True)
class OwnOperator:
    scenario: Scenario

    def install(self, checkout: Path, images: OperatorImages) -> None:
        """Put this release in the place of whichever is there, and leave once it leads."""
        objects = _namespaced(self._rendered(checkout), self.scenario.namespace, images)
        listing = {"apiVersion": "v1", "kind": "List", "items": objects}
        self.scenario.do("apply", "--server-side", "--force-conflicts", "-f", "-", input=json.dumps(listing))
        self.scenario.until_true(
            lambda: self._leads(images.operator), f"{images.operator} leads", budgets.READY
        )

    def _rendered(self, checkout: Path) -> list[Object]:
        text = self.scenario.kubectl("kustomize", str(checkout / BASE))
        return [o for o in yaml.safe_load_all(text) if o]

    def _leads(self, image: str) -> bool:
        """One pod is left, it leads, and it is of that release."""
        pods = self.scenario.find_all("pods", "app.kubernetes.io/name=maraudersmap-operator")
        leads = leader(self.scenario.kubectl, self.scenario.namespace)
        return [(p["metadata"]["name"], p["spec"]["containers"][0]["image"]) for p in pods] == [
            (leads, image)
        ]


def _namespaced(objects: list[Object], namespace: str, images: OperatorImages) -> list[Object]:
    """As manifests/operator/overlays/namespaced makes them, for the namespace that the operator itself is in as well."""
    found = []
    for obj in objects:
        kind, meta = obj["kind"], obj["metadata"]
        if kind in _NOT_OURS or (kind == "ClusterRole" and meta["name"] != DEPLOYMENT):
            continue
        meta["namespace"] = namespace
        obj["kind"] = kind.removeprefix("Cluster")
        if "roleRef" in obj:
            obj["roleRef"]["kind"] = obj["roleRef"]["kind"].removeprefix("Cluster")
            for subject in obj["subjects"]:
                subject["namespace"] = namespace
        if kind == "Deployment":
            obj["spec"]["replicas"] = 1
            container = obj["spec"]["template"]["spec"]["containers"][0]
            container["image"] = images.operator
            values = {
                "WATCH_NAMESPACES": namespace,
                "EVALUATION_POSTGRES_IMAGE": images.postgres,
                "EVALUATION_REDIS_IMAGE": images.redis,
            }
            for variable in container["env"]:
                if variable["name"] in values:
                    variable["value"] = values[variable["name"]]
        found.append(obj)
    return found


@contextmanager
def left_alone(scenario: Scenario) -> Iterator[None]:
    """Until the end, the operator of all other tests writes nothing in the scenario's namespace."""
    name = f"own-operator-{scenario.namespace}"
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": ["*"],
                        "apiVersions": ["*"],
                        "operations": ["*"],
                        "resources": ["*/*"],
                    }
                ]
            },
            "validations": [
                {
                    "expression": f"request.userInfo.username != '{SHARED}'",
                    "message": "this namespace has an operator of its own",
                }
            ],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {
            "policyName": name,
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": {"matchLabels": {OURS: scenario.namespace}}},
        },
    }
    scenario.kubectl("label", "namespace", scenario.namespace, f"{OURS}={scenario.namespace}")
    scenario.kubectl.apply(policy, binding)
    try:
        scenario.until_true(lambda: _is_refused(scenario), "the policy is in force", budgets.NOTICED)
        yield
    finally:
        # While the resource is there, anyone who may write would go on with it.
        scenario.do("delete", "maraudersmap", "--all", "--wait=true", "--timeout=60s")
        scenario.kubectl("delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", name)


def _is_refused(scenario: Scenario) -> bool:
    probe = ("create", "configmap", "probe", "--dry-run=server", f"--as={SHARED}")
    try:
        scenario.do(*probe)
    except KubectlFailed as error:
        return "has an operator of its own" in error.stderr
    return False
