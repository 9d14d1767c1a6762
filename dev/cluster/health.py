"""Whether a cluster really works, not only what its API server remembers."""

import json
import time
from datetime import UTC, datetime, timedelta

from dev.cluster.paths import KUBECONFIG
from dev.cluster.shell import run, succeeds

NODES = 3
_REVIVAL_SECONDS = 45
_FRESH = timedelta(seconds=15)
"""A kubelet renews its lease every 10 s."""


def healthy(name: str, kubectl: str) -> bool:
    """Whether every node lives and the cluster's DNS is ready; a cluster that comes back is given some time.

    After a restart the API server still calls nodes Ready for 40 s whose kubelets are dead, so the leases decide.
    """
    if not KUBECONFIG.exists() or _running_nodes(name) != NODES:
        return False
    base = [kubectl, "--kubeconfig", str(KUBECONFIG)]
    deadline = time.monotonic() + _REVIVAL_SECONDS
    while not _leases_are_fresh(base):
        if time.monotonic() > deadline or _running_nodes(name) != NODES:
            return False
        time.sleep(1)
    ready = ["wait", "--for=condition=Ready", "nodes", "--all", "--timeout=20s"]
    dns = ["-n", "kube-system", "rollout", "status", "deploy/coredns", "--timeout=30s"]
    return succeeds([*base, *ready], timeout=30) and succeeds([*base, *dns], timeout=40)


def fresh_leases(listed: str, now: datetime) -> int:
    """How many leases in the JSON of a lease list were renewed lately. `now` is aware."""
    renewed = [item["spec"].get("renewTime") for item in json.loads(listed)["items"]]
    times = [datetime.fromisoformat(text) for text in renewed if text]
    return sum(1 for at in times if now - at < _FRESH)


def _leases_are_fresh(base: list[str]) -> bool:
    leases = [*base, "-n", "kube-node-lease", "get", "leases", "-o", "json", "--request-timeout=5s"]
    if not succeeds(leases, timeout=15):
        return False
    return fresh_leases(run(leases), datetime.now(UTC)) >= NODES


def _running_nodes(name: str) -> int:
    return len(run(["docker", "ps", "-q", "--filter", f"label=io.x-k8s.kind.cluster={name}"]).split())
