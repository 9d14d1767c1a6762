"""Users outside of the service, each at an address of its own: pods that know it by its host name and certificate."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.kube import KubectlFailed
from tests.cluster.scenario import Scenario

SCRIPT = Path(__file__).with_name("visitor_pod.py")
READY_SECONDS = 90


@dataclass(frozen=True, slots=True)
class Edge:
    """What a user knows of the service, and where it really is."""

    host: str
    certificate: str
    """PEM, trusted."""
    address: str
    """Of the ingress controller's Service."""


@dataclass(frozen=True, slots=True)
class Visitor:
    scenario: Scenario
    name: str
    edge: Edge

    def arrive(self) -> None:
        """Leave with the pod ready."""
        script = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": self.name},
            "data": {"visitor.py": SCRIPT.read_text(encoding="utf-8")},
        }
        self.scenario.kubectl.apply(script, self._pod(), namespace=self.scenario.namespace)
        self.scenario.do("wait", "--for=condition=Ready", f"pod/{self.name}", f"--timeout={READY_SECONDS}s")

    def get(self, url: str, *, forwarded: str = "") -> tuple[int, dict[str, str]] | None:
        """Status and headers of the answer, their names in small letters; None when there was none."""
        try:
            text = self._runs("get", url, *(("--forwarded", forwarded) if forwarded else ()))
        except KubectlFailed:
            return None
        answer = json.loads(text)
        return int(answer["status"]), {k.lower(): v for k, v in answer["headers"].items()}

    def listen(self) -> list[dict[str, Any]]:
        """What `listen` printed, once it is over. Raises KubectlFailed with the traceback of whatever went wrong."""
        text = self._runs("listen", f"https://{self.edge.host}")
        return [json.loads(line) for line in text.splitlines()]

    def _runs(self, *arguments: str) -> str:
        return self.scenario.do("exec", self.name, "--", "python3", "/visitor/visitor.py", *arguments)

    def _pod(self) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self.name, "labels": {"app.kubernetes.io/name": "visitor"}},
            "spec": {
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "terminationGracePeriodSeconds": 1,
                "hostAliases": [{"ip": self.edge.address, "hostnames": [self.edge.host]}],
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": 10001,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [
                    {
                        "name": "visitor",
                        "image": self.scenario.good,
                        "command": ["python3", "-c", "import signal; signal.sigwait({signal.SIGTERM})"],
                        "env": [{"name": "CA", "value": self.edge.certificate}],
                        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
                        "securityContext": {
                            "allowPrivilegeEscalation": False,
                            "readOnlyRootFilesystem": True,
                            "capabilities": {"drop": ["ALL"]},
                        },
                        "volumeMounts": [{"name": "script", "mountPath": "/visitor", "readOnly": True}],
                    }
                ],
                "volumes": [{"name": "script", "configMap": {"name": self.name}}],
            },
        }
