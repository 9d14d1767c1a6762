"""Asked to stop, the operator ends without complaint and lets the next one lead at once."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from dev.kube import Kubectl
from tests.cluster import budgets
from tests.cluster.scenario import Scenario

LEASE = "maraudersmap-operator"


@contextmanager
def process(scenario: Scenario, log: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """An operator outside the cluster, for the scenario's namespace alone; killed at the end if it still runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    environment = {
        **os.environ,
        "KUBECONFIG": scenario.kubectl.kubeconfig,
        "POD_NAMESPACE": scenario.namespace,
        "WATCH_NAMESPACES": scenario.namespace,
        "HTTP_PORT": str(port),
    }
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "maraudersmap_operator"], env=environment, stdout=output, stderr=output
        )
        try:
            yield child, port
        finally:
            child.kill()
            child.wait()


def _is_ready(child: subprocess.Popen[bytes], port: int) -> bool:
    assert child.poll() is None, f"it ended with {child.returncode}"
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@pytest.mark.parametrize("signal", ["terminate", "interrupt"])
def test_it_ends_cleanly_and_hands_the_lease_over(scenario: Scenario, tmp_path: Path, signal: str) -> None:
    # given
    log = tmp_path / "operator.log"
    with process(scenario, log) as (child, port):
        scenario.until_true(lambda: _is_ready(child, port), "it is ready", budgets.TAKEN_OVER)
        scenario.until_true(
            lambda: _holder(scenario.kubectl, scenario.namespace) != "", "it leads", budgets.TAKEN_OVER
        )
        # when
        child.send_signal({"terminate": 15, "interrupt": 2}[signal])
        code = child.wait(budgets.TAKEN_OVER)
    # then
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert code == 0, log.read_text()
    assert [line for line in lines if line["level"] in ("warning", "error", "critical")] == []
    assert lines[-1]["message"] == "stopping"
    assert _holder(scenario.kubectl, scenario.namespace) == ""


def _holder(kubectl: Kubectl, namespace: str) -> str:
    """Who holds the lease; empty for no one."""
    lease = kubectl.find("-n", namespace, "get", "lease", LEASE)
    return str(lease["spec"].get("holderIdentity") or "") if lease else ""
