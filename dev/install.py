"""`make install`, `make uninstall`, `make install-yaml`: the operator on any cluster, or in a file.

The cluster is kubectl's: KUBECONFIG and its current context, or --context. Without KUBECONFIG it is the local cluster of
this checkout when there is one. Each announces what it is about to do before it does it, and doing it again changes nothing.
Exit codes: 0 done; 1 something is missing or failed; 2 wrong arguments.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from dev.cluster.host.console import Problem, print_line, step
from dev.cluster.host.paths import CHECKOUT, STATE_BIN, SUMMARY, program, write_whole
from dev.cluster.lifecycle.cluster import named_kubeconfig
from dev.images_built import image_of
from dev.kube import Kubectl, KubectlFailed, report_problem, state_folder, summary
from dev.operator_install import APPLY, apply, await_leader
from dev.operator_objects import CRD, IMAGE, NAME, NAMESPACE, Object, as_yaml, described, key, rendered

# What outlives the operator unless it is asked for: with the definition go all MaraudersMaps, and what runs for them.
_LAST = ("CustomResourceDefinition",)
_BINDINGS = {"ClusterRoleBinding": "ClusterRole", "RoleBinding": "Role"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the three; the exit code."""
    options = _parser().parse_args(arguments)
    try:
        match options.command:
            case "install":
                install(connect(options.context), options)
            case "uninstall":
                uninstall(connect(options.context), options)
            case "yaml":
                write_yaml(options)
    except (Problem, KubectlFailed) as problem:
        return report_problem(problem)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dev.install",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    install_, uninstall_ = commands.add_parser("install"), commands.add_parser("uninstall")
    yaml_ = commands.add_parser("yaml")
    for command in (install_, yaml_):
        command.add_argument("--image", default="", help="the operator's image")
        command.add_argument("--env", action="append", default=[], metavar="NAME=VALUE")
        command.add_argument(
            "--namespaces", type=_names, default=(), metavar="A,B", help="look after these only"
        )
    for command in (install_, uninstall_):
        command.add_argument("--context", default="")
        command.add_argument("--dry-run", action="store_true", help="only report what would be done")
    uninstall_.add_argument("--with-crd", action="store_true", help="the definition too")
    uninstall_.add_argument(
        "--with-resources", action="store_true", help="and every MaraudersMap, with its data"
    )
    yaml_.add_argument("--version", required=True)
    yaml_.add_argument("--to", type=Path, required=True)
    return parser


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)


def connect(context: str) -> Kubectl:
    """kubectl on the cluster that is meant. Raises Problem when none answers."""
    local = "" if os.environ.get("KUBECONFIG") or not SUMMARY.exists() else str(summary()["kubeconfig"])
    kubectl = Kubectl(_kubectl(), local, context)
    try:
        config = kubectl.json("config", "view", "--minify")
        kubectl("get", "--raw", "/readyz", "--request-timeout=10s")
    except KubectlFailed as error:
        raise Problem(
            f"no cluster answers: {error.stderr.strip()}", "set KUBECONFIG, CONTEXT, or `make cluster`"
        ) from error
    server = config["clusters"][0]["cluster"]["server"]
    print_line(f"cluster {server}, context {config['contexts'][0]['name']}")
    return kubectl


def _kubectl() -> str:
    linked = STATE_BIN / "kubectl"
    found = program("kubectl") or (str(linked) if linked.exists() else None)
    if found is None:
        raise Problem("kubectl is missing", "install kubectl, or `make cluster`")
    return found


def local_kubectl() -> Kubectl:
    """For what needs no cluster. Raises Problem when kubectl is missing."""
    return Kubectl(_kubectl(), "")


def _env(options: argparse.Namespace) -> dict[str, str]:
    pairs = [text.partition("=") for text in options.env]
    if wrong := [name for name, equals, _ in pairs if not (name and equals)]:
        raise Problem(f"--env {wrong[0]}: is not NAME=VALUE")
    return {name: value for name, _, value in pairs}


def wanted(kubectl: Kubectl, options: argparse.Namespace) -> list[Object]:
    """What is to be there. Raises Problem when the image is not known, or a namespace is not there."""
    env = _env(options)
    image = options.image
    if SUMMARY.exists() and named_kubeconfig() is None:
        # The checkout's own cluster, where public images need not be there: whatever the operator's image is.
        state = summary()
        own = {
            "EVALUATION_POSTGRES_IMAGE": state["postgres_image"],
            "EVALUATION_REDIS_IMAGE": state["redis_image"],
        }
        image, env = image or image_of("operator"), own | env
    elif not image:
        raise Problem(
            "which image is the operator's?", "make install OPERATOR_IMAGE=registry.example.org/...:TAG"
        )
    missing = [n for n in options.namespaces if kubectl.find("get", "namespace", n) is None]
    if missing:
        raise Problem(f"there is no namespace {missing[0]}", f"kubectl create namespace {missing[0]}")
    return rendered(kubectl, state_folder("install"), image, env=env, namespaces=options.namespaces)


def install(kubectl: Kubectl, options: argparse.Namespace) -> None:
    """Apply, remove rights that an earlier installation of another kind left, and wait for a leader."""
    objects = wanted(kubectl, options)
    before = _found(kubectl, objects)
    fresh = [o for o in objects if key(o) not in before]
    stale = [o for o in _rights(kubectl) if key(o) not in {key(o) for o in objects}]
    changing = _changing(kubectl, [o for o in objects if key(o) in before])
    where = ", ".join(options.namespaces) or "every namespace"
    print_line(
        f"the operator for {where}: {len(fresh)} objects to make, {len(changing)} to change, "
        f"{len(before) - len(changing)} as wanted"
    )
    _list("makes", fresh)
    _list("changes", changing)
    _list("removes, left by an earlier installation", stale)
    if options.dry_run:
        return
    with step("applying"):
        apply(kubectl, objects)
    _delete(kubectl, stale)
    await_leader(kubectl)
    after = _found(kubectl, objects)
    changed = [o for o in objects if key(o) in before and before[key(o)] != after[key(o)]]
    _list("changed", changed)
    print_line(
        f"done: {len(fresh)} made, {len(changed)} changed, {len(before) - len(changed)} were as wanted"
    )


def uninstall(kubectl: Kubectl, options: argparse.Namespace) -> None:
    """Take the operator away. MaraudersMaps and what runs for them stay, unless they are asked for too."""
    everything = rendered(kubectl, state_folder("install"), NAME, env={})
    there = _found(kubectl, everything)
    going = [o for o in everything if key(o) in there and (o["kind"] not in _LAST or options.with_crd)]
    listed = {key(o) for o in going}
    going += [o for o in _rights(kubectl) if key(o) not in listed]
    resources = _resources(kubectl)
    if options.with_crd and resources and not options.with_resources:
        raise Problem(
            f"with the definition {_many(len(resources), 'MaraudersMap')} would go, and the data of those in the cluster: "
            + ", ".join("/".join(key(r)[1:]) for r in resources),
            "make uninstall CRD=yes RESOURCES=yes, when that is what you want",
        )
    _list("removes", going)
    gone = resources if options.with_resources else []
    _list("removes, with its data", gone)
    if kept := len(resources) - len(gone):
        print_line(
            f"keeps {_many(kept, 'MaraudersMap')} and all that runs for them; nothing looks after them until the next install"
        )
    if not going and not gone:
        print_line("nothing is installed")
    if options.dry_run:
        return
    # The operator goes first, so that it does not put back what is taken away.
    _delete(kubectl, [o for o in going if o["kind"] not in ("CustomResourceDefinition", "Namespace")])
    _delete(kubectl, gone)
    _delete(kubectl, [o for o in going if o["kind"] in ("CustomResourceDefinition", "Namespace")])


def write_yaml(options: argparse.Namespace) -> None:
    """One file with everything, for those who have nothing but kubectl."""
    kubectl = local_kubectl()
    image = options.image or f"{IMAGE}:{options.version}"
    objects = rendered(
        kubectl, state_folder("install"), image, env=_env(options), namespaces=options.namespaces
    )
    header = (
        f"The Marauder's Map operator {options.version}, image {image}, for "
        f"{', '.join(options.namespaces) or 'every namespace'}.\n"
        "kubectl apply --server-side -f FILE      (also to upgrade: the definition is in it)\n"
        f"Before `kubectl delete -f FILE`: it would take the definition {CRD}, and every MaraudersMap with it."
    )
    write_whole(options.to, as_yaml(objects, header))
    print_line(
        f"{options.to.relative_to(CHECKOUT) if options.to.is_relative_to(CHECKOUT) else options.to}: {len(objects)} objects"
    )


def _found(kubectl: Kubectl, objects: Sequence[Object]) -> dict[tuple[str, str, str], Any]:
    """Of those that exist, what changes when they are changed."""
    text = kubectl("get", "--ignore-not-found", "-o", "json", "-f", "-", input=yaml.safe_dump_all(objects))
    listed = json.loads(text) if text.strip() else {"items": []}
    return {
        key(o): o["metadata"].get("generation", o["metadata"]["resourceVersion"]) for o in listed["items"]
    }


def _changing(kubectl: Kubectl, objects: Sequence[Object]) -> list[Object]:
    """Those of these, which exist, that would not stay as they are, by the API server's own judgement."""
    if not objects:
        return []
    given = yaml.safe_dump_all(objects)
    now = _contents(kubectl("get", "-o", "json", "-f", "-", input=given))
    then = _contents(kubectl(*APPLY, "--dry-run=server", "-o", "json", "-f", "-", input=given))
    return [o for o in objects if now[key(o)] != then[key(o)]]


def _contents(text: str) -> dict[tuple[str, str, str], Object]:
    """Of one object or a list in JSON, without what the API server counts."""
    read = json.loads(text)
    counted = ("managedFields", "resourceVersion", "generation")
    return {
        key(o): o | {"metadata": {k: v for k, v in o["metadata"].items() if k not in counted}}
        for o in (read["items"] if read["kind"] == "List" else [read])
    }


def _rights(kubectl: Kubectl) -> list[Object]:
    """Bindings of the operator's service account, wherever they are, and the roles of the same name."""
    found: list[Object] = []
    for binding in kubectl.json("get", "clusterrolebindings,rolebindings", "-A")["items"]:
        meta = binding["metadata"]
        who = {(s["kind"], s.get("namespace"), s["name"]) for s in binding.get("subjects") or ()}
        if meta["name"] == NAME and who == {("ServiceAccount", NAMESPACE, NAME)}:
            place = {k: meta[k] for k in ("name", "namespace") if k in meta}
            found += [
                {"kind": kind, "metadata": place} for kind in (binding["kind"], _BINDINGS[binding["kind"]])
            ]
    return found


def _resources(kubectl: Kubectl) -> list[Object]:
    if kubectl.find("get", "crd", CRD) is None:
        return []
    items: list[Object] = kubectl.json("get", CRD, "-A")["items"]
    return items


def _delete(kubectl: Kubectl, objects: Sequence[Object]) -> None:
    for obj in objects:
        kind, namespace, name = key(obj)
        place = ["-n", namespace] if namespace else []
        with step(f"removing {described(obj)}"):
            kubectl(*place, "delete", kind, name, "--ignore-not-found", "--timeout=120s")


def _list(what: str, objects: Sequence[Object]) -> None:
    for obj in objects:
        print_line(f"  {what}: {described(obj)}")


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


if __name__ == "__main__":
    sys.exit(main())
