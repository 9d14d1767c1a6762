"""Making a cluster: its network, its nodes, the way to its registry, and its metrics server."""

import json
from dataclasses import dataclass
from pathlib import Path

from dev.cluster.host.console import step
from dev.cluster.host.paths import CHECKOUT, DEV, KUBECONFIG, STATE, write_whole
from dev.cluster.host.shell import run, succeeds, wait_until
from dev.cluster.images import node_image
from dev.cluster.lifecycle import health
from dev.cluster.network import addresses, edge, kind_config, registry

_MANIFESTS = DEV / "manifests"
_READY = "--timeout=120s"
_LOOK = "docker exec NODE journalctl -u kubelet; the usual cause is a low fs.inotify.max_user_instances"
_METRICS = "apiservice/v1beta1.metrics.k8s.io"
_PUBLIC_METRICS_SERVER = "v0.8.0"


@dataclass(frozen=True, slots=True)
class Tools:
    """Full paths of the programs, and the node image; None is kind's own public one."""

    kind: str
    kubectl: str
    node_image: str | None


def create(name: str, tools: Tools, *, public: bool) -> None:
    """Make the cluster from nothing, up to Ready nodes and DNS. metrics-server is started, not waited for."""
    ranges = _make_network(name)
    edge.reject_services(name, ranges)
    registry.ensure(name, public=public, address=ranges.registry)
    config = STATE / "kind.yaml"
    write_whole(config, kind_config.render(name, ranges))
    with step(f"creating cluster {name} (1 control plane, 2 workers)"):
        command = [tools.kind, "create", "cluster", "--config", str(config), "--kubeconfig", str(KUBECONFIG)]
        if tools.node_image:
            command += ["--image", tools.node_image]
        environment = {"KIND_EXPERIMENTAL_DOCKER_NETWORK": name}
        log = STATE / "logs" / "kind-create.log"
        # Nodes are kept when it fails, for their logs; the next start removes them.
        run([*command, "--retain"], env=environment, log=log, remedy="make cluster-down cluster")
        _show_registry(name, tools)
    if not Path(tools.kubectl).exists():
        run(["docker", "cp", f"{name}-control-plane:/usr/bin/kubectl", tools.kubectl])
    kubectl = _kubectl(tools)
    image = _public_metrics_server(kubectl) if public else node_image.METRICS_SERVER_IMAGE
    manifest = (_MANIFESTS / "metrics-server.yaml").read_text(encoding="utf-8")
    run([*kubectl, "apply", "-f", "-"], stdin=manifest.replace("IMAGE", image))
    with step("waiting for nodes and DNS"):
        # kind ends well when a worker's kubelet cannot start; `kubectl wait --all` knows only nodes that are there.
        wait_until(
            lambda: _registered(kubectl) == health.NODES, "every node joining", seconds=60, remedy=_LOOK
        )
        run([*kubectl, "wait", "--for=condition=Ready", "nodes", "--all", _READY])
        run([*kubectl, "-n", "kube-system", "rollout", "status", "deploy/coredns", _READY])


def register_metrics(program: str) -> None:
    """Wait for metrics-server, which needs two of its rounds, then let the API server know it, once. `program`: kubectl.

    In this order: an API that is registered and not there makes discovery fail, and with it the deletion of every
    namespace; and a connection that the API server opens too early can stay wrong for good.
    """
    kubectl = [program, "--kubeconfig", str(KUBECONFIG)]
    if succeeds([*kubectl, "get", _METRICS]):
        return
    with step("waiting for metrics-server"):
        run([*kubectl, "-n", "kube-system", "rollout", "status", "deploy/metrics-server", _READY])
        run([*kubectl, "apply", "-f", str(_MANIFESTS / "metrics-apiservice.yaml")])
        run([*kubectl, "wait", "--for=condition=Available", _METRICS, _READY])


def recorded_ranges(name: str) -> addresses.ClusterRanges | None:
    """The ranges that the cluster was made with, from the labels of its network; None without a network."""
    if not succeeds(["docker", "network", "inspect", name]):
        return None
    network = json.loads(run(["docker", "network", "inspect", name]))[0]
    labels = network["Labels"]
    return addresses.ClusterRanges(
        nodes=addresses.Network(network["IPAM"]["Config"][0]["Subnet"]),
        pods=addresses.Network(labels["marauders.range.pods"]),
        services=addresses.Network(labels["marauders.range.services"]),
    )


def _kubectl(tools: Tools) -> list[str]:
    return [tools.kubectl, "--kubeconfig", str(KUBECONFIG)]


def _registered(kubectl: list[str]) -> int:
    return len(run([*kubectl, "get", "nodes", "-o", "name"]).split())


def _make_network(name: str) -> addresses.ClusterRanges:
    used = [*addresses.host_networks(), *addresses.docker_networks()]
    ranges = addresses.choose_cluster_ranges(used, start=int(name[-6:], 16))
    labels = {
        "marauders": "1",
        "marauders.checkout": str(CHECKOUT),
        "marauders.range.pods": str(ranges.pods),
        "marauders.range.services": str(ranges.services),
    }
    command = ["docker", "network", "create", f"--subnet={ranges.nodes}"]
    run([*command, *(f"--label={k}={v}" for k, v in labels.items()), name])
    return ranges


def _show_registry(name: str, tools: Tools) -> None:
    """Configure each node's containerd to reach the local registry."""
    folder = f"/etc/containerd/certs.d/{kind_config.REGISTRY}"
    script = f"mkdir -p {folder} && cat > {folder}/hosts.toml"
    for node in run([tools.kind, "get", "nodes", "--name", name]).split():
        run(["docker", "exec", "-i", node, "sh", "-c", script], stdin=kind_config.registry_hosts())


def _public_metrics_server(kubectl: list[str]) -> str:
    """Its image lies where the cluster's own images come from."""
    path = "jsonpath={.spec.template.spec.containers[0].image}"
    proxy = run([*kubectl, "-n", "kube-system", "get", "daemonset", "kube-proxy", "-o", path])
    return f"{proxy.rpartition('/')[0]}/metrics-server/metrics-server:{_PUBLIC_METRICS_SERVER}"
