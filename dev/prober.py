"""Starts, reads and stops the prober: a pod inside the cluster that counts the requests a user would see fail."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.kube import Kubectl, wait_for

SCRIPT = Path(__file__).with_name("prober_pod.py")
# An account of the prober's own; it may be known, the data are the demo's.
EMAIL = "argus.filch@hogwarts.edu"
PASSWORD = "students out of bed"  # noqa: S105
START_SECONDS = 90.0
READ_SECONDS = 30.0
# Tokens live for 15 minutes, and so does a prober at most.
MAX_SECONDS = 840


@dataclass(frozen=True, slots=True)
class Counts:
    """What the prober has seen so far."""

    sent: int
    failed_new: int
    failed_kept: int
    seconds: float
    slowest_ms: float
    failures: tuple[str, ...]

    @property
    def failed(self) -> int:
        return self.failed_new + self.failed_kept

    def __str__(self) -> str:
        return (
            f"{self.sent} requests in {self.seconds:.0f} s, failed: {self.failed_new} on new connections, "
            f"{self.failed_kept} on the kept one; slowest {self.slowest_ms:.0f} ms"
        )


@dataclass(frozen=True, slots=True)
class Prober:
    """The prober of one resource. Its pod needs no right, no token and no writable disk."""

    kubectl: Kubectl
    namespace: str
    resource: str
    image: str
    signed_in_only: bool = (
        False  # every request reads incidents: what analysis counts, and what a fault can spoil
    )
    target: str = ""  # host to ask instead of the resource's Service, such as a Gateway's; or https://<host>
    certificate: str = ""  # PEM, trusted where the target is https://...
    address: str = ""  # where the target's name leads; empty: as the cluster's DNS has it

    @property
    def name(self) -> str:
        return f"{self.resource}-prober"

    def start(self) -> None:
        """Leave with a prober whose counts begin now, once its first second is reported."""
        self.stop()
        config_map = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": self.name},
            "data": {"prober.py": SCRIPT.read_text(encoding="utf-8")},
        }
        self.kubectl.apply(config_map, self._pod(), namespace=self.namespace)
        wait_for(self._read, f"pod {self.namespace}/{self.name} probing", seconds=START_SECONDS)

    def read(self) -> Counts:
        """The counts at this moment: a line that was printed after the call."""
        now = time.time()

        def fresh() -> Counts | None:
            line = self._last_line()
            return _counts(line) if line and (line["at"] >= now or line["done"]) else None

        return wait_for(fresh, f"pod {self.namespace}/{self.name} telling its counts", seconds=READ_SECONDS)

    def latest(self) -> Counts | None:
        """The counts of the last line there is, without waiting for one."""
        return self._read()

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        """Send one signed-in request from inside the cluster, through the Service: status and JSON body."""
        arguments = ["call", method, path, *([json.dumps(body)] if body is not None else [])]
        text = self.kubectl(
            "-n", self.namespace, "exec", self.name, "--", "python3", "/prober/prober.py", *arguments
        )
        answer = json.loads(text)
        return int(answer["status"]), answer["body"]

    def stop(self) -> None:
        """Remove it; nothing happens when there is none."""
        self.kubectl(
            *("-n", self.namespace, "delete", f"pod/{self.name}", f"configmap/{self.name}"),
            *("--ignore-not-found", "--grace-period=1", "--wait=true"),
        )

    def _read(self) -> Counts | None:
        line = self._last_line()
        return _counts(line) if line else None

    def _last_line(self) -> dict[str, Any] | None:
        pod = self.kubectl.find("-n", self.namespace, "get", "pod", self.name)
        statuses = (pod or {}).get("status", {}).get("containerStatuses") or [{}]
        if not {"running", "terminated"} & set(statuses[0].get("state") or {}):
            return None
        text = self.kubectl("-n", self.namespace, "logs", self.name, "--tail=1").strip()
        if not text.startswith("{"):
            return None
        line: dict[str, Any] = json.loads(text)
        return line

    def _pod(self) -> dict[str, Any]:
        environment = {
            "TARGET": self.target or f"{self.resource}-api",
            "PROBER_EMAIL": EMAIL,
            "PROBER_PASSWORD": PASSWORD,
        }
        if self.signed_in_only:
            environment["SIGNED_IN_EVERY"] = "1"
        if self.certificate:
            environment["CA"] = self.certificate
        names = [{"ip": self.address, "hostnames": [self.target.removeprefix("https://")]}]
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self.name, "labels": {"app.kubernetes.io/name": "marauders-prober"}},
            "spec": {
                "hostAliases": names if self.address else [],
                # Signing in needs the database; until it answers, try again.
                "restartPolicy": "OnFailure",
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "terminationGracePeriodSeconds": 1,
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": 10001,
                    "runAsGroup": 10001,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [
                    {
                        "name": "prober",
                        "image": self.image,
                        "command": ["python3", "/prober/prober.py"],
                        "args": ["probe", f"--seconds={MAX_SECONDS}"],
                        "env": [{"name": k, "value": v} for k, v in environment.items()],
                        "resources": {
                            "requests": {"cpu": "20m", "memory": "32Mi"},
                            "limits": {"cpu": "500m", "memory": "96Mi"},
                        },
                        "securityContext": {
                            "allowPrivilegeEscalation": False,
                            "readOnlyRootFilesystem": True,
                            "capabilities": {"drop": ["ALL"]},
                        },
                        "volumeMounts": [{"name": "script", "mountPath": "/prober", "readOnly": True}],
                    }
                ],
                "volumes": [{"name": "script", "configMap": {"name": self.name}}],
            },
        }


def _counts(line: dict[str, Any]) -> Counts:
    return Counts(
        sent=sum(line["sent"].values()),
        failed_new=line["failed"]["new"],
        failed_kept=line["failed"]["kept"],
        seconds=line["seconds"],
        slowest_ms=line["slowest_ms"],
        failures=tuple(f"{f['at']} {f['mode']}: {f['problem']}" for f in line["failures"]),
    )
