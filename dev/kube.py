"""kubectl on the cluster of this checkout: for the demo, for what it installs, and for the cluster tests."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from dev.cluster.host.console import Problem
from dev.cluster.host.paths import SUMMARY

T = TypeVar("T")

POLL_SECONDS = 0.5
_REQUEST_SECONDS = 60


class KubectlFailed(subprocess.CalledProcessError):
    """kubectl ended with an error; its words are in the message."""

    def __str__(self) -> str:
        return f"{super().__str__()}\n{(self.stderr or '').strip()}"


@dataclass(frozen=True, slots=True)
class Kubectl:
    """Calls kubectl with one kubeconfig, whatever the environment has; an empty one leaves the choice to kubectl."""

    program: str
    kubeconfig: str
    context: str = ""

    def __call__(self, *args: str, input: str | None = None, timeout: float | None = None) -> str:  # noqa: A002
        """Standard output. Raises KubectlFailed, or TimeoutExpired after `timeout` seconds."""
        access = (("--kubeconfig", self.kubeconfig), ("--context", self.context))
        command = [self.program, *(f"{flag}={value}" for flag, value in access if value), *args]
        done = subprocess.run(
            command, input=input, capture_output=True, text=True, timeout=timeout, check=False
        )
        if done.returncode != 0:
            raise KubectlFailed(done.returncode, ["kubectl", *args], done.stdout, done.stderr)
        return done.stdout

    def json(self, *args: str) -> Any:
        """The answer of a `get`, parsed."""
        return json.loads(self(*args, "-o", "json"))

    def find(self, *args: str) -> Any | None:
        """As `json`; None when the object does not exist."""
        text = self(*args, "-o", "json", "--ignore-not-found")
        return json.loads(text) if text.strip() else None

    def apply(self, *objects: dict[str, Any], namespace: str | None = None) -> None:
        """Client-side apply, as a user does it."""
        where = ["-n", namespace] if namespace else []
        listing = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self("apply", *where, "-f", "-", input=json.dumps(listing))


def summary() -> dict[str, Any]:
    """What `make cluster` wrote about the cluster. Raises Problem when there is none."""
    if not SUMMARY.exists():
        raise Problem("there is no cluster", "make cluster")
    found: dict[str, Any] = json.loads(SUMMARY.read_text(encoding="utf-8"))
    return found


def connect() -> Kubectl:
    """kubectl on the cluster in use. Raises Problem when none answers."""
    state = summary()
    kubectl = Kubectl(state["kubectl_bin"], state["kubeconfig"])
    try:
        kubectl("get", "--raw", "/readyz", "--request-timeout=10s", timeout=_REQUEST_SECONDS)
    except (KubectlFailed, FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise Problem(
            f"the cluster of {kubectl.kubeconfig} does not answer: {error}", "make cluster"
        ) from error
    return kubectl


def wait_for(look: Callable[[], T | None], what: str, *, seconds: float) -> T:
    """Look until something is found. Raises Problem after `seconds`."""
    deadline = time.monotonic() + seconds
    while (found := look()) is None:
        if time.monotonic() > deadline:
            raise Problem(f"{what}: not within {seconds:.0f} s")
        time.sleep(POLL_SECONDS)
    return found


def await_established(kubectl: Kubectl, crd: str, *, seconds: float = 60) -> None:
    """Until the definition is served. `kubectl wait` fails on one that is so new that it has no conditions yet."""

    def established() -> bool | None:
        conditions = kubectl.json("get", "crd", crd).get("status", {}).get("conditions") or ()
        return any(c["type"] == "Established" and c["status"] == "True" for c in conditions) or None

    wait_for(established, f"the definition {crd} is served", seconds=seconds)


def report_problem(problem: Exception) -> int:
    """Print what went wrong, and the remedy when one is known; the exit code."""
    print(f"\nerror: {problem}", file=sys.stderr)
    if remedy := getattr(problem, "remedy", ""):
        print(f"remedy: {remedy}", file=sys.stderr)
    return 1


def state_folder(name: str) -> Path:
    """A git-ignored folder of this checkout for generated files."""
    folder = SUMMARY.parent / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
