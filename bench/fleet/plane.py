"""A control plane of the bench's own: etcd, API server, controllers and scheduler as processes, nodes and pods faked by kwok.

Everything listens on loopback, keeps its data in one temporary folder and is ended by its pid.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from dev.cluster.host import go_tools
from dev.cluster.host.console import Problem, print_line, step
from dev.cluster.host.paths import MACHINE, MACHINE_BIN
from dev.cluster.host.shell import run, wait_until

KWOK = "sigs.k8s.io/kwok/cmd/kwok@v0.8.0"
STAGES = Path(__file__).with_name("stages.yaml")
TOKEN = "fleet"  # noqa: S105  # of a server that only this process starts, on loopback
# A user of its own, by which the audit log knows the operator's requests.
OPERATOR, OPERATOR_TOKEN = "operator", "fleet-operator"
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted"],
    "rules": [
        {"level": "Request", "users": [OPERATOR], "verbs": ["create", "update", "patch", "delete"]},
        {"level": "Metadata", "users": [OPERATOR]},
        {"level": "None"},
    ],
}
CLIENT_LIMITS = ("--kube-api-qps=1000", "--kube-api-burst=2000")
START_SECONDS = 90.0
STOP_SECONDS = 20.0


class Plane:
    """Use as a context: everything is up inside, and gone afterwards. Without `nodes` no pod ever runs."""

    def __init__(self, *, nodes: bool = True) -> None:
        self._nodes = nodes
        self.folder = Path(tempfile.mkdtemp(prefix="marauders-fleet-"))
        self.kubeconfig = self.folder / "kubeconfig"
        self.operator_kubeconfig = self.folder / "operator-kubeconfig"
        self.audit_log = self.folder / "audit.log"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._logs: list[Path] = []
        self._server = ""
        self._tls = ssl._create_unverified_context()  # noqa: S323  # its certificate was made a second ago, by itself

    def __enter__(self) -> Plane:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            process.terminate()
        for process in reversed(self._processes):
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder)

    def request(self, method: str, path: str, body: Any = None, content: str = "application/json") -> Any:
        """One call to the API server, as its administrator. Raises urllib.error.URLError."""
        data = json.dumps(body).encode() if body is not None else None
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": content}
        call = urllib.request.Request(self._server + path, data, headers, method=method)
        with urllib.request.urlopen(call, timeout=60, context=self._tls) as answer:
            return json.loads(answer.read())

    def _start(self) -> None:
        node_programs = go_tools.own("nodebin")
        etcd_port, peer_port, api_port = (free_port() for _ in range(3))
        self._server = f"https://127.0.0.1:{api_port}"
        key = self.folder / "sa.key"
        run(["openssl", "genrsa", "-out", str(key), "2048"])
        users = {"admin": TOKEN, OPERATOR: OPERATOR_TOKEN}
        lines = [f'{token},{name},{name},"system:masters"\n' for name, token in users.items()]
        (self.folder / "tokens").write_text("".join(lines))
        (self.folder / "audit-policy").write_text(json.dumps(AUDIT_POLICY))
        self._write_kubeconfig(self.kubeconfig, TOKEN)
        self._write_kubeconfig(self.operator_kubeconfig, OPERATOR_TOKEN)
        with step("a control plane of its own"):
            etcd, peer = f"http://127.0.0.1:{etcd_port}", f"http://127.0.0.1:{peer_port}"
            self._spawn(
                node_programs, "etcd", f"--data-dir={self.folder}/data", f"--listen-client-urls={etcd}",
                f"--advertise-client-urls={etcd}", f"--listen-peer-urls={peer}", f"--initial-cluster=default={peer}",
                f"--initial-advertise-peer-urls={peer}", "--unsafe-no-fsync", "--quota-backend-bytes=8589934592",
            )  # fmt: skip
            self._spawn(
                node_programs, "kube-apiserver", f"--etcd-servers={etcd}", "--bind-address=127.0.0.1",
                f"--secure-port={api_port}", f"--cert-dir={self.folder}/certs", f"--token-auth-file={self.folder}/tokens",
                f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}",
                "--service-account-issuer=https://fleet.invalid", "--service-cluster-ip-range=10.199.0.0/16",
                "--authorization-mode=RBAC", "--max-requests-inflight=1000", "--advertise-address=127.0.0.1",
                "--max-mutating-requests-inflight=500", "--endpoint-reconciler-type=none",
                f"--audit-policy-file={self.folder}/audit-policy", f"--audit-log-path={self.audit_log}",
            )  # fmt: skip
            wait_until(self._is_ready, "the API server is ready", seconds=START_SECONDS)
            access = f"--kubeconfig={self.kubeconfig}"
            self._spawn(
                node_programs, "kube-controller-manager", access, *CLIENT_LIMITS, "--leader-elect=false",
                f"--service-account-private-key-file={key}", f"--root-ca-file={self.folder}/certs/apiserver.crt",
                f"--secure-port={free_port()}", "--concurrent-deployment-syncs=20", "--concurrent-replicaset-syncs=20",
                "--concurrent-job-syncs=20", "--horizontal-pod-autoscaler-sync-period=120s",
                # A node that kwok was too busy to renew turns its pods unready, and kwok never turns them ready again.
                "--node-monitor-grace-period=1h",
            )  # fmt: skip
            self._spawn(
                node_programs, "kube-scheduler", access, *CLIENT_LIMITS, "--leader-elect=false",
                f"--secure-port={free_port()}",
            )  # fmt: skip
            if self._nodes:
                kwok = (access, "--manage-all-nodes", f"--config={STAGES}", "--cidr=10.200.0.1/16")
                self._spawn(_kwok(), "kwok", *kwok)

    def _spawn(self, program: Path, name: str, *arguments: str) -> None:
        link = self.folder / name
        link.symlink_to(program)
        with link.with_suffix(".log").open("wb") as log:
            self._processes.append(subprocess.Popen([str(link), *arguments], stdout=log, stderr=log))
        self._logs.append(link.with_suffix(".log"))

    def _is_ready(self) -> bool:
        for process, log in zip(self._processes, self._logs, strict=True):
            if process.poll() is not None:
                words = log.read_text(errors="replace")[-2000:]
                raise Problem(f"{log.stem} ended with {process.returncode}:\n{words}")
        try:
            self.request("GET", "/api/v1/namespaces/default")
        except (urllib.error.URLError, OSError):
            return False
        return True

    def _write_kubeconfig(self, path: Path, token: str) -> None:
        cluster = {"server": self._server, "insecure-skip-tls-verify": True}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fleet",
            "clusters": [{"name": "fleet", "cluster": cluster}],
            "users": [{"name": "fleet", "user": {"token": token}}],
            "contexts": [{"name": "fleet", "context": {"cluster": "fleet", "user": "fleet"}}],
        }
        path.write_text(json.dumps(config))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _kwok() -> Path:
    """Built once per machine, as the other tools are."""
    found = MACHINE_BIN / "kwok-v0.8.0" / "kwok"
    if not found.exists():
        with step(f"building {KWOK} (1 to 10 minutes)"):
            install = [go_tools.go(), "install", "-trimpath", KWOK]
            environment = {**go_tools.go_environment(), "GOBIN": str(found.parent)}
            run(install, env=environment, log=MACHINE / "logs" / "kwok.log")
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> dict[str, float]:
    """MiB resident now (VmRSS) and at most so far (VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    parts = [line.split() for line in lines if line.startswith(("VmRSS:", "VmHWM:"))]
    return {name.rstrip(":"): int(value) / 1024 for name, value, _ in parts}


def pause(seconds: float, why: str) -> None:
    print_line(f"{why}: {seconds:.0f} s")
    time.sleep(seconds)
