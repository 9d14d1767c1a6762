"""Bringing the cluster of this checkout up, down, and saying how it is."""

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dev.cluster.host import go_tools
from dev.cluster.host.console import Problem, print_line, step
from dev.cluster.host.paths import KUBECONFIG, STATE_BIN, SUMMARY, cluster_name, link, program, write_whole
from dev.cluster.host.shell import run, succeeds
from dev.cluster.images import base_images, node_image, sources
from dev.cluster.lifecycle import creation, daemon, health, remains
from dev.cluster.network import edge, kind_config, registry


def up(*, metrics: bool = True) -> None:
    """Leave with a cluster that is ready: the one the person named by KUBECONFIG, else one of kind.

    Without `metrics` a new one is left before it measures its pods, which takes it a while: call `measure` later.
    """
    if named := named_kubeconfig():
        _use_named(named)
        return
    name = cluster_name()
    started = daemon.ensure()
    remains.remove_others(name, daemon_was_dead=started)
    public = sources.public_images()
    if not public:
        _make_locally()
    tools = _tools(public=public)
    # The summary is written last: without it the cluster was left half made.
    ranges = creation.recorded_ranges(name)
    if ranges and SUMMARY.exists() and health.healthy(name, tools.kubectl, ranges):
        registry.ensure(name, public=public, address=ranges.registry)
        edge.reject_services(name, ranges)
        images = _push_images(name, public=public)
        print_line(f"cluster {name} is up already")
    else:
        SUMMARY.unlink(missing_ok=True)
        remains.remove(name)
        creation.create(name, tools, public=public)
        images = _push_images(name, public=public)
    if metrics:
        creation.register_metrics(tools.kubectl)
    _write_summary(name, tools, images)


def _make_locally() -> None:
    """What compiles and what installs packages, side by side: neither needs the other, and each waits for the network at
    times."""
    go_tools.go()  # first: it may have to be installed, or fetched
    lanes: list[Callable[[], object]] = [lambda: go_tools.own("nodebin"), _images]
    if program("kind") is None:
        lanes.append(lambda: go_tools.published("kind"))
    with ThreadPoolExecutor() as pool:
        for begun in [pool.submit(lane) for lane in lanes]:
            begun.result()


def _images() -> None:
    node_image.ensure_rootfs()
    base_images.ensure_local()


def measure() -> None:
    """What `up` left out. Nothing happens when it is done already, or on the cluster of KUBECONFIG."""
    if not named_kubeconfig():
        creation.register_metrics(str(STATE_BIN / "kubectl"))


def down() -> None:
    """Remove the cluster of this checkout, its registry and its network. Costly things stay for the next time."""
    SUMMARY.unlink(missing_ok=True)
    if not daemon.reachable():
        print_line("no Docker daemon answers: nothing runs")
        KUBECONFIG.unlink(missing_ok=True)
        return
    name = cluster_name()
    with step(f"removing cluster {name}"):
        remains.remove(name)


def status() -> int:
    """Say how things are; 0 when the cluster is ready."""
    named = named_kubeconfig()
    if named:
        answers = succeeds(["kubectl", "--kubeconfig", str(named), "get", "nodes", "--request-timeout=10s"])
        print_line(f"the cluster of {named} {'answers' if answers else 'does not answer'}")
        return 0 if answers else 1
    if not daemon.reachable():
        print_line("no Docker daemon answers; `make cluster` starts what is needed")
        return 1
    name = cluster_name()
    kubectl = str(STATE_BIN / "kubectl")
    if not SUMMARY.exists() or not health.healthy(name, kubectl, creation.recorded_ranges(name)):
        print_line(f"cluster {name} is not ready; `make cluster` brings it up")
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
    print_line(f"using the cluster of {kubeconfig}")
    link(STATE_BIN / "kubectl", Path(kubectl))
    summary = {
        "name": None,
        "kubeconfig": str(kubeconfig),
        "kubectl_bin": kubectl,
        "kind_bin": None,
        "kind_image": None,
        "docker_network": None,
        "registry_push": None,
        "registry_pull": None,
        # For a cluster that cannot pull the public ones.
        "postgres_image": os.environ.get("MARAUDERS_POSTGRES_IMAGE", base_images.PUBLIC.postgres),
        "redis_image": os.environ.get("MARAUDERS_REDIS_IMAGE", base_images.PUBLIC.redis),
    }
    write_whole(SUMMARY, json.dumps(summary, indent=2) + "\n")


def _tools(*, public: bool) -> creation.Tools:
    """kind and kubectl, linked in .state/bin by full path, and the node image."""
    link(STATE_BIN / "kind", Path(program("kind") or go_tools.published("kind")))
    if found := program("kubectl"):
        link(STATE_BIN / "kubectl", Path(found))
    elif not public:
        # The multi-call binary looks at the name of the link.
        link(STATE_BIN / "kubectl", go_tools.own("nodebin"))
    elif os.uname().sysname != "Linux":
        raise Problem("kubectl is missing", "install kubectl; on Linux it is taken from the node image")
    node = None if public else node_image.ensure()
    return creation.Tools(kind=str(STATE_BIN / "kind"), kubectl=str(STATE_BIN / "kubectl"), node_image=node)


def _push_images(name: str, *, public: bool) -> dict[str, str]:
    """See that the nodes can pull PostgreSQL and Redis; returns the names that they pull them by."""
    images = base_images.PUBLIC if public else base_images.ensure_local()
    pulled = {"postgres": images.postgres, "redis": images.redis}
    if public:
        return pulled
    for which, image in list(pulled.items()):
        repository, _, tag = image.partition(":")
        if not registry.has(repository, tag):
            with step(f"pushing {image} to the local registry"):
                registry.push(name, image, repository, tag)
        pulled[which] = f"{kind_config.REGISTRY}/{repository}:{tag}"
    return pulled


def _write_summary(name: str, tools: creation.Tools, images: dict[str, str]) -> None:
    summary = {
        "name": name,
        "kubeconfig": str(KUBECONFIG),
        "kind_bin": tools.kind,
        "kubectl_bin": tools.kubectl,
        "kind_image": tools.node_image,
        "docker_network": name,
        "registry_push": registry.push_address(),
        "registry_pull": kind_config.REGISTRY,
        "postgres_image": images["postgres"],
        "redis_image": images["redis"],
    }
    write_whole(SUMMARY, json.dumps(summary, indent=2) + "\n")
    print_line(f"ready: export KUBECONFIG={KUBECONFIG}")
