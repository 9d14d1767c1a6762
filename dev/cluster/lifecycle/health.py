"""Whether a cluster really works, not only what its API server remembers."""

import json
import time
from datetime import UTC, datetime, timedelta

from dev.cluster.host.paths import KUBECONFIG
from dev.cluster.host.shell import run, succeeds
from dev.cluster.network.addresses import ClusterRanges

NODES = 3
_DEPLOYMENTS = ("deploy/coredns", "deploy/metrics-server")
_REVIVAL_SECONDS = 60
_FRESH = timedelta(seconds=15)
"""A kubelet renews its lease every 10 s."""


def healthy(name: str, kubectl: str, ranges: ClusterRanges | None) -> bool:
    """Whether every node lives and reaches the cluster's DNS; a cluster that comes back is given some time.

    After a restart the API server still calls nodes and pods ready whose kubelets are dead, for 40 s and more. So
    the kubelets' leases decide, which must be newer than their nodes' start, and then a connection to a Service.
    """
    if ranges is None or not KUBECONFIG.exists() or len(_running_nodes(name)) != NODES:
        return False
    base = [kubectl, "--kubeconfig", str(KUBECONFIG)]
    deadline = time.monotonic() + _REVIVAL_SECONDS
    while not (_kubelets_live(base, name) and _service_answers(name, ranges)):
        if time.monotonic() > deadline or len(_running_nodes(name)) != NODES:
            return False
        time.sleep(1)
    if not succeeds([*base, "wait", "--for=condition=Ready", "nodes", "--all", "--timeout=20s"], timeout=30):
        return False
    rollout = [*base, "-n", "kube-system", "rollout", "status", "--timeout=45s"]
    return all(succeeds([*rollout, deployment], timeout=60) for deployment in _DEPLOYMENTS)


def fresh_leases(listed: str, since: datetime) -> int:
    """How many leases in the JSON of a lease list were renewed after `since`, which is aware."""
    renewed = [item["spec"].get("renewTime") for item in json.loads(listed)["items"]]
    return sum(1 for text in renewed if text and parse_time(text) > since)


def parse_time(text: str) -> datetime:
    """A time as Docker (nanoseconds) or Kubernetes (microseconds) writes it, to the second."""
    return datetime.fromisoformat(text[:19]).replace(tzinfo=UTC)


def _kubelets_live(base: list[str], name: str) -> bool:
    leases = [*base, "-n", "kube-node-lease", "get", "leases", "-o", "json", "--request-timeout=5s"]
    if not succeeds(leases, timeout=15):
        return False
    shown = run(["docker", "inspect", "-f", "{{.State.StartedAt}}", *_running_nodes(name)]).split()
    since = max([*map(parse_time, shown), datetime.now(UTC) - _FRESH])
    return fresh_leases(run(leases), since) >= NODES


def _service_answers(name: str, ranges: ClusterRanges) -> bool:
    """Whether each node reaches the DNS Service, which is always the tenth address: kube-proxy and DNS both work."""
    script = f"exec 3<>/dev/tcp/{ranges.services[10]}/53"
    return all(
        succeeds(["docker", "exec", node, "timeout", "3", "bash", "-c", script], timeout=10)
        for node in _running_nodes(name)
    )


def _running_nodes(name: str) -> list[str]:
    return run(["docker", "ps", "-q", "--filter", f"label=io.x-k8s.kind.cluster={name}"]).split()
