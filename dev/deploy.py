"""`make deploy`: one image to one place, and whether it serves there; the operator's own rollback is the safety net.

Applies an overlay of `manifests/service` with the image, waits for the verdict, and writes what happened to the terminal
and, in a GitHub workflow, to the summary of its run. A revision that the operator takes back ends it with 1, the cause and
the evidence; users are served by the revision before it all the while.
Exit codes: 0 the image serves and has come through its bake; 1 it does not; 2 wrong arguments.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dev.cluster.host.console import Problem, print_line, step
from dev.cluster.host.paths import CHECKOUT, write_whole
from dev.install import connect
from dev.kube import Kubectl, KubectlFailed, report_problem, state_folder

NAME = "marauders-map"
OVERLAYS = CHECKOUT / "manifests" / "service" / "overlays"
SECONDS = 1800


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a deployment ended. `evidence` is what `kubectl marauders explain` prints; empty when all is well."""

    place: str
    image: str
    succeeded: bool
    phase: str
    message: str
    url: str
    evidence: str = ""

    def markdown(self) -> str:
        """The report, for a person who was not there."""
        head = "serves" if self.succeeded else "was not deployed"
        lines = [f"## {self.place}: `{self.image}` {head}", "", f"**{self.phase}**: {self.message}"]
        if self.url:
            lines += ["", f"Address: {self.url}"]
        if self.evidence:
            lines += ["", "```", self.evidence.rstrip(), "```"]
        return "\n".join(lines) + "\n"


def deploy(kubectl: Kubectl, overlay: Path, image: str, *, seconds: int, namespace: str = "") -> Outcome:
    """Apply and wait. `namespace` replaces the overlay's. Raises Problem or KubectlFailed when it cannot be asked for."""
    place = overlay.name
    folder = state_folder(f"deploy-{place}")
    write_whole(folder / "kustomization.yaml", json.dumps(_kustomization(folder, overlay, image, namespace)))
    objects = list(yaml.safe_load_all(kubectl("kustomize", str(folder))))
    (where,) = (o["metadata"]["namespace"] for o in objects if o["kind"] == "MaraudersMap")
    with step(f"asking for {image} in {where}"):
        kubectl("apply", "-f", "-", input=yaml.safe_dump_all(objects))
    with step("waiting for the verdict"):
        code = _marauders(kubectl, where, "status", NAME, "--for=ready", f"--timeout={seconds}").returncode
    status = kubectl.json("-n", where, "get", "maraudersmap", NAME).get("status") or {}
    # Ready may be the old revision's: what counts is that this image is the stable one.
    succeeded = code == 0 and (status.get("stable") or {}).get("image") == image
    return Outcome(
        place=place,
        image=image,
        succeeded=succeeded,
        phase=str(status.get("phase") or "Unknown"),
        message=str(status.get("message") or "the operator has not reported anything yet"),
        url=str(status.get("url") or ""),
        evidence="" if succeeded else _marauders(kubectl, where, "explain", NAME, quiet=True).stdout,
    )


def _kustomization(folder: Path, overlay: Path, image: str, namespace: str) -> dict[str, Any]:
    change = [{"op": "replace", "path": "/spec/image", "value": image}]
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(overlay, folder)],
        "patches": [{"target": {"kind": "MaraudersMap"}, "patch": json.dumps(change)}],
    } | ({"namespace": namespace} if namespace else {})


def _marauders(
    kubectl: Kubectl, namespace: str, *args: str, quiet: bool = False
) -> subprocess.CompletedProcess[str]:
    """The plugin, from this environment, on the same cluster; its output goes to the terminal, or is in the answer."""
    access = (
        ("--kubeconfig", kubectl.kubeconfig),
        ("--context", kubectl.context),
        ("--namespace", namespace),
    )
    plugin = Path(sys.executable).with_name("kubectl-marauders")
    command = [str(plugin), *args, *(f"{flag}={value}" for flag, value in access if value)]
    return subprocess.run(command, stdout=subprocess.PIPE if quiet else None, text=True, check=False)


def report(outcome: Outcome) -> None:
    """To the terminal, and to a GitHub workflow when this runs in one."""
    print(outcome.markdown())
    for variable, text in (
        ("GITHUB_STEP_SUMMARY", outcome.markdown()),
        ("GITHUB_OUTPUT", f"url={outcome.url}\n"),
    ):
        if path := os.environ.get(variable):
            with Path(path).open("a", encoding="utf-8") as file:
                file.write(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Deploy and report; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m dev.deploy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("place", choices=sorted(folder.name for folder in OVERLAYS.iterdir()))
    parser.add_argument("--image", required=True)
    parser.add_argument("--namespace", default="", help="instead of the overlay's")
    parser.add_argument("--context", default="")
    parser.add_argument("--timeout", type=int, default=SECONDS, metavar="SECONDS")
    options = parser.parse_args(arguments)
    try:
        kubectl, overlay = connect(options.context), OVERLAYS / options.place
        outcome = deploy(
            kubectl, overlay, options.image, seconds=options.timeout, namespace=options.namespace
        )
    except (Problem, KubectlFailed) as problem:
        return report_problem(problem)
    report(outcome)
    print_line("done" if outcome.succeeded else "the new revision does not serve")
    return 0 if outcome.succeeded else 1


if __name__ == "__main__":
    sys.exit(main())
