"""The command line: what the Makefile calls, and what a person may call by hand."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from dev.cluster import app_images
from dev.cluster.host import go_tools
from dev.cluster.host.console import Problem, print_line
from dev.cluster.host.lock import machine_lock
from dev.cluster.host.paths import STATE_BIN, cluster_name
from dev.cluster.host.shell import run
from dev.cluster.images import base_images, node_image, sources
from dev.cluster.lifecycle import clean, cluster, daemon, doctor
from dev.cluster.network import registry

_WITHOUT_LOCK = {
    "status", "doctor", "announce-demo", "load", "push", "registry-stop", "registry-fail", "registry-heal",
}  # fmt: skip
# Their builds take minutes and concern no cluster: each has a lock of its own.
_TOOLS = {"helm", "actionlint", "collector", "judges", "krew", "operator-verify"}


def main(arguments: Sequence[str]) -> int:
    """Run one command; 0 when it succeeded."""
    options = _parser().parse_args(arguments)
    try:
        # Looking and breaking the registry never wait for another clone's long build.
        with lock_for(options.command):
            return _run(options)
    except Problem as problem:
        print(f"\nerror: {problem}", file=sys.stderr)
        if problem.remedy:
            print(f"remedy: {problem.remedy}", file=sys.stderr)
        return 1


def lock_for(command: str) -> AbstractContextManager[None]:
    """What a command holds while it runs."""
    if command in _WITHOUT_LOCK:
        return nullcontext()
    return machine_lock(of=command if command in _TOOLS else "")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m dev.cluster", description="The local cluster of this checkout."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="bring the cluster up; does nothing when it is up")
    up.add_argument("--without-metrics", action="store_true", help="do not wait until it measures its pods")
    commands.add_parser("measure", help="wait for what --without-metrics has left out")
    commands.add_parser("down", help="remove the cluster; what is costly to make stays")
    commands.add_parser("status", help="report how it is; ends with 0 when it is ready")
    commands.add_parser("doctor", help="report what this machine lacks; ends with 0 when nothing is missing")
    commands.add_parser("announce-demo", help="announce what `make demo` will do, and how long it takes")
    commands.add_parser("node-image", help="build the node image")
    commands.add_parser("base-images", help="build the base images")
    commands.add_parser("helm", help="build Helm; its path")
    commands.add_parser("actionlint", help="build actionlint; its path")
    commands.add_parser("operator-verify", help="build what judges a bundle for OLM; its path")
    commands.add_parser("krew", help="build krew and what judges a manifest for it; their paths")
    commands.add_parser("judges", help="build what judges as Argo CD and Flux do; their paths")
    commands.add_parser("collector", help="build an OpenTelemetry Collector; its path")
    build = commands.add_parser("build", help="build an application image and push it to the local registry")
    build.add_argument("image", choices=sorted(app_images.IMAGES), nargs="+")
    build.add_argument("--tag", help="instead of one of the content's own")
    load = commands.add_parser("load", help="put a local image into every node, without the registry")
    load.add_argument("image", nargs="+")
    push = commands.add_parser("push", help="push a local image to the local registry")
    push.add_argument("image")
    push.add_argument("name", help="repository:tag to push it as")
    commands.add_parser("registry-stop", help="fault: the local registry is down")
    fail = commands.add_parser("registry-fail", help="fault: the local registry answers with a status")
    fail.add_argument("status", type=int, help="such as 503 or 403")
    commands.add_parser("registry-heal", help="end every fault of the registry")
    commands.add_parser("clean-all", help="leave nothing behind on this machine")
    return parser


def _run(options: argparse.Namespace) -> int:
    name = cluster_name()
    match options.command:
        case "up":
            cluster.up(metrics=not options.without_metrics)
        case "measure":
            cluster.measure()
        case "down":
            cluster.down()
        case "status":
            return cluster.status()
        case "doctor":
            return doctor.report()
        case "announce-demo":
            doctor.announce_demo()
        case "node-image":
            daemon.ensure()
            print(node_image.ensure())
        case "base-images":
            daemon.ensure()
            if sources.public_images():
                print_line("public base images are used: nothing to build")
            else:
                print(base_images.ensure_local())
        case "helm" | "actionlint" | "operator-verify" as tool:
            print(go_tools.published(tool))
        case "krew":
            for name in ("krew", "validate-krew-manifest"):
                print(go_tools.published(name))
        case "collector":
            print(go_tools.collector())
        case "judges":
            for name in ("flux", "argo"):
                print(go_tools.judge(name))
        case "build":
            for image in options.image:
                print(app_images.build(image, options.tag))
        case "load":
            run([str(STATE_BIN / "kind"), "load", "docker-image", "--name", name, *options.image])
        case "push":
            repository, _, tag = options.name.rpartition(":")
            print(registry.push(name, options.image, repository, tag))
        case "registry-stop":
            registry.stop(name)
        case "registry-fail":
            python = base_images.PUBLIC if sources.public_images() else base_images.ensure_local()
            registry.fail_with(name, options.status, python_image=python.build)
        case "registry-heal":
            registry.heal(name)
        case "clean-all":
            clean.clean_all()
        case unknown:
            raise AssertionError(f"no such command: {unknown}")
    return 0
