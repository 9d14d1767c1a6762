"""Bringing the cluster of this checkout up, down, and saying how it is."""

import json
import os
from pathlib import Path

from dev.cluster import (
    addresses,
    base_images,
    daemon,
    edge,
    go_tools,
    health,
    kind_config,
    node_image,
    registry,
    remains,
    sources,
)
from dev.cluster.console import Problem, say, step
from dev.cluster.paths import (
    CHECKOUT,
    DEV,
    KUBECONFIG,
    STATE,
    STATE_BIN,
    SUMMARY,
    cluster_name,
    link,
    program,
    write_whole,
)
from dev.cluster.shell import run, succeeds, wait_until

_MANIFESTS = DEV / "manifests"
_READY_SECONDS = 120
_PUBLIC_METRICS_SERVER = "v0.8.0"


def up() -> None:
    """Leave with a cluster that is ready: the one the person named by KUBECONFIG, else one of kind."""
    if named := named_kubeconfig():
        _use_named(named)
        return
    name = cluster_name()
    started = daemon.ensure()
    remains.remove_others(name, daemon_was_dead=started)
    public = sources.public_images()
    tools = _tools(public=public)
    if health.healthy(name, tools["kubectl"]):
        ranges = _recorded_ranges(name)
        registry.ensure(name, public=public, address=ranges.registry)
        edge.reject_services(name, ranges)
        say(f"cluster {name} is up already")
    else:
        remains.remove(name)
        _create(name, tools, public=public)
    _write_summary(name, tools, public=public)


def down() -> None:
    """Remove the cluster of this checkout, its registry and its network. Costly things stay for the next time."""
    SUMMARY.unlink(missing_ok=True)
    if not daemon.reachable():
        say("no Docker daemon answers: nothing runs")
        KUBECONFIG.unlink(missing_ok=True)
        return
    name = cluster_name()
    with step(f"removing cluster {name}"):
        remains.remove(name)


def status() -> int:
    """Say how things are; 0 when the cluster is ready."""
    named = named_kubeconfig()
    if named:
        return 0 if succeeds(["kubectl", "--kubeconfig", str(named), "get", "nodes"]) else 1
    if not daemon.reachable():
        say("no Docker daemon answers; `make cluster` starts what is needed")
        return 1
    name = cluster_name()
    kubectl = str(STATE_BIN / "kubectl")
    if not SUMMARY.exists() or not health.healthy(name, kubectl):
        say(f"cluster {name} is not ready; `make cluster` brings it up")
        return 1
    print(run([kubectl, "--kubeconfig", str(KUBECONFIG), "get", "nodes", "-o", "wide"]), end="")
    print(SUMMARY.read_text(encoding="utf-8"))
    return 0


def named_kubeconfig() -> Path | None:
    """The file that the person set KUBECONFIG to, unless it is our own."""
    value = os.environ.get("KUBECONFIG", "")
    return Path(value) if value and Path(value).resolve() != KUBECONFIG.resolve() else None


def _use_named(kubeconfig: Path) -> None:
    kubectl = program("kubectl")
    if kubectl is None:
        raise Problem(
            "kubectl is missing", "install kubectl, or unset KUBECONFIG to get a cluster of our own"
        )
    remedy = "name a cluster that answers, or unset KUBECONFIG to get one of our own"
    run([kubectl, "--kubeconfig", str(kubeconfig), "get", "nodes", "--request-timeout=10s"], remedy=remedy)
    say(f"using the cluster of {kubeconfig}")
    link(STATE_BIN / "kubectl", Path(kubectl))
    summary = {
        "name": None,
        "kubeconfig": str(kubeconfig),
        "kubectl_bin": kubectl,
        "kind_bin": None,
        "kind_image": None,
        "registry_push": None,
        "registry_pull": None,
        "postgres_image": base_images.PUBLIC.postgres,
        "redis_image": base_images.PUBLIC.redis,
    }
    write_whole(SUMMARY, json.dumps(summary, indent=2) + "\n")


def _tools(*, public: bool) -> dict[str, str]:
    """Full paths of kind and kubectl, linked in .state/bin, and the node image."""
    kind = program("kind") or str(go_tools.published("kind"))
    link(STATE_BIN / "kind", Path(kind))
    kubectl = program("kubectl")
    if kubectl is None:
        # The multi-call binary looks at the name of the link.
        kubectl = str(go_tools.own("nodebin"))
    link(STATE_BIN / "kubectl", Path(kubectl))
    image = "" if public else node_image.ensure()
    return {"kind": str(STATE_BIN / "kind"), "kubectl": str(STATE_BIN / "kubectl"), "node_image": image}


def _recorded_ranges(name: str) -> addresses.ClusterRanges:
    """The ranges that the cluster was made with, from the labels of its network."""
    network = json.loads(run(["docker", "network", "inspect", name]))[0]
    labels = network["Labels"]
    return addresses.ClusterRanges(
        nodes=addresses.Network(network["IPAM"]["Config"][0]["Subnet"]),
        pods=addresses.Network(labels["marauders.range.pods"]),
        services=addresses.Network(labels["marauders.range.services"]),
    )


def _create(name: str, tools: dict[str, str], *, public: bool) -> None:
    used = [*addresses.host_networks(), *addresses.docker_networks()]
    ranges = addresses.choose_cluster_ranges(used, start=int(name[-6:], 16))
    labels = {"marauders.range.pods": str(ranges.pods), "marauders.range.services": str(ranges.services)}
    labels |= {"marauders": "1", "marauders.checkout": str(CHECKOUT)}
    command = ["docker", "network", "create", f"--subnet={ranges.nodes}"]
    run([*command, *(f"--label={k}={v}" for k, v in labels.items()), name])
    edge.reject_services(name, ranges)
    registry.ensure(name, public=public, address=ranges.registry)
    config = STATE / "kind.yaml"
    write_whole(config, kind_config.render(name, ranges))
    with step(f"creating cluster {name} (1 control plane, 2 workers)"):
        create = [
            tools["kind"],
            "create",
            "cluster",
            "--config",
            str(config),
            "--kubeconfig",
            str(KUBECONFIG),
        ]
        create += ["--retain", *(["--image", tools["node_image"]] if tools["node_image"] else [])]
        log = STATE / "logs" / "kind-create.log"
        run(
            create,
            env={"KIND_EXPERIMENTAL_DOCKER_NETWORK": name},
            log=log,
            remedy="make cluster-down cluster",
        )
        for node in run([tools["kind"], "get", "nodes", "--name", name]).split():
            folder = f"/etc/containerd/certs.d/{kind_config.REGISTRY}"
            script = f"mkdir -p {folder} && cat > {folder}/hosts.toml"
            run(["docker", "exec", "-i", node, "sh", "-c", script], stdin=kind_config.registry_hosts())
    kubectl = [tools["kubectl"], "--kubeconfig", str(KUBECONFIG)]
    with step("waiting for nodes and DNS"):
        wait = ["wait", "--for=condition=Ready", "nodes", "--all", f"--timeout={_READY_SECONDS}s"]
        run([*kubectl, *wait])
        run(
            [
                *kubectl,
                "-n",
                "kube-system",
                "rollout",
                "status",
                "deploy/coredns",
                f"--timeout={_READY_SECONDS}s",
            ]
        )
    _metrics_server(kubectl, public=public)


def _metrics_server(kubectl: list[str], *, public: bool) -> None:
    image = _public_metrics_server(kubectl) if public else node_image.METRICS_SERVER_IMAGE
    with step("metrics-server"):
        manifest = (_MANIFESTS / "metrics-server.yaml").read_text(encoding="utf-8").replace("IMAGE", image)
        run([*kubectl, "apply", "-f", "-"], stdin=manifest)
        # It is not Ready before it has figures of its own, which needs two of its rounds: the API is registered
        # only when the pod runs, and nobody waits for figures here.
        running = ["-n", "kube-system", "wait", "--for=jsonpath={.status.phase}=Running", "pod"]

        def runs() -> bool:
            return succeeds([*kubectl, *running, "-l", "k8s-app=metrics-server", "--timeout=20s"])

        wait_until(runs, "metrics-server running", seconds=_READY_SECONDS)
        run([*kubectl, "apply", "-f", str(_MANIFESTS / "metrics-apiservice.yaml")])


def _public_metrics_server(kubectl: list[str]) -> str:
    """Its image lies where the cluster's own images come from."""
    path = "jsonpath={.spec.template.spec.containers[0].image}"
    proxy = run([*kubectl, "-n", "kube-system", "get", "daemonset", "kube-proxy", "-o", path])
    return f"{proxy.rpartition('/')[0]}/metrics-server/metrics-server:{_PUBLIC_METRICS_SERVER}"


def _write_summary(name: str, tools: dict[str, str], *, public: bool) -> None:
    images = base_images.PUBLIC if public else base_images.ensure_local()
    pulled = {}
    for repository, image in (("marauders-postgres", images.postgres), ("marauders-redis", images.redis)):
        if public:
            pulled[repository] = image
            continue
        tag = image.partition(":")[2]
        if not registry.has(repository, tag):
            with step(f"pushing {image} to the local registry"):
                registry.push(name, image, repository, tag)
        pulled[repository] = f"{kind_config.REGISTRY}/{repository}:{tag}"
    summary = {
        "name": name,
        "kubeconfig": str(KUBECONFIG),
        "kind_bin": tools["kind"],
        "kubectl_bin": tools["kubectl"],
        "kind_image": tools["node_image"] or None,
        "docker_network": name,
        "registry_push": registry.push_address(),
        "registry_pull": kind_config.REGISTRY,
        "postgres_image": pulled["marauders-postgres"],
        "redis_image": pulled["marauders-redis"],
    }
    write_whole(SUMMARY, json.dumps(summary, indent=2) + "\n")
    say(f"ready: export KUBECONFIG={KUBECONFIG}")
