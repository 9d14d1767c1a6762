"""Measure the operator with a fleet of MaraudersMaps on nodes that kwok fakes: memory, idle time, writes, latency.

Starts a control plane of its own on loopback and the operator of this checkout as a process; both are gone afterwards.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.fleet import fleet
from bench.fleet.audit import Audit
from bench.fleet.plane import Plane, cpu_seconds, free_port, memory, pause
from dev.cluster.host.console import Problem, print_line
from dev.cluster.host.shell import wait_until

# So many of the writes of a quiet fleet are shown, each with what it wrote.
SHOWN = 20
EDITS = 20
SLOW_SECONDS = 2.0
START_SECONDS = 300.0
Row = tuple[str, str]


class Operator:
    """A process of the operator against the plane."""

    def __init__(self, plane: Plane, log: Path) -> None:
        self._port = free_port()
        environment = {
            **os.environ,
            "KUBECONFIG": str(plane.operator_kubeconfig),
            "LEADER_ELECTION": "false",
            "HTTP_PORT": str(self._port),
            "LOG_LEVEL": "warning",
            # As in the image.
            "MALLOC_ARENA_MAX": "2",
            "MALLOC_TRIM_THRESHOLD_": "131072",
        }
        self._log = log.open("ab")
        command = [sys.executable, "-m", "maraudersmap_operator"]
        self._process = subprocess.Popen(command, env=environment, stdout=self._log, stderr=self._log)
        self.pid = self._process.pid

    def stop(self) -> None:
        self._process.terminate()
        code = self._process.wait(60)
        self._log.close()
        if code != 0:
            raise Problem(f"the operator was asked to stop and ended with {code}")

    def is_ready(self) -> bool:
        if self._process.poll() is not None:
            raise Problem(f"the operator ended with {self._process.returncode}")
        try:
            return bool(self._get("/readyz"))
        except OSError:
            return False

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=10) as answer:
            return str(answer.read().decode())


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.fleet", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="resources (1000)")
    parser.add_argument(
        "--idle", type=float, default=600, help="seconds that the quiet fleet is watched for (600)"
    )
    parser.add_argument(
        "--settle", type=float, default=60, help="seconds of rest before each measurement (60)"
    )
    parser.add_argument("--limit", type=float, default=1200, help="seconds until all must be Ready (1200)")
    parser.add_argument("--log", type=Path, default=Path("/dev/null"), help="where the operator's log goes")
    parser.add_argument(
        "--audit", type=Path, help="where the API server's log of the operator's requests is kept"
    )
    arguments = parser.parse_args(argv)
    try:
        with Plane() as plane:
            try:
                rows = _measure(plane, arguments)
            finally:
                if arguments.audit:
                    shutil.copyfile(plane.audit_log, arguments.audit)
    except Problem as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    print(f"\n| {arguments.count} resources | |\n| --- | --- |")
    for name, value in rows:
        print(f"| {name} | {value} |")
    return 0


def _measure(plane: Plane, arguments: argparse.Namespace) -> list[Row]:
    rows: list[Row] = []

    def row(name: str, value: str) -> None:
        rows.append((name, value))
        print_line(f"{name}: {value}")

    count = arguments.count
    row("machine", f"{os.cpu_count()} cores, load {_load()} at the start")
    fleet.prepare(plane, count)
    operator = Operator(plane, arguments.log)
    try:
        wait_until(operator.is_ready, "the operator is ready", seconds=START_SECONDS)
        row("resident, no resource", _megabytes(operator.pid))
        fleet.create(plane, count)
        row("all Ready after", f"{fleet.wait_ready(plane, count, arguments.limit):.0f} s")
        pause(arguments.settle, "settling")
        row("resident, settled", _megabytes(operator.pid))
        _idle(plane, operator, arguments.idle, row)
    finally:
        operator.stop()
    operator = Operator(plane, arguments.log)
    try:
        began = time.monotonic()
        wait_until(operator.is_ready, "the operator is ready again", seconds=START_SECONDS)
        row("restart: ready after", f"{time.monotonic() - began:.1f} s")
        pause(arguments.settle, "settling after the restart")
        row("resident, restarted", _megabytes(operator.pid))
        _edits(plane, count, row)
        row("resident, after the edits", _megabytes(operator.pid))
    finally:
        operator.stop()
    row("load at the end", _load())
    return rows


def _idle(plane: Plane, operator: Operator, seconds: float, row) -> None:  # type: ignore[no-untyped-def]
    audit, cpu, began = Audit(plane.audit_log), cpu_seconds(operator.pid), time.monotonic()
    pause(seconds, "watching the quiet fleet")
    used, passed = cpu_seconds(operator.pid) - cpu, time.monotonic() - began
    seen = audit.since()
    row(f"CPU in {passed:.0f} idle seconds", f"{used:.1f} s = {100 * used / passed:.1f} % of a core")
    row("writes in that time", seen.counted(seen.writes))
    row("reads in that time", seen.counted(seen.reads))
    for write in seen.writes[:SHOWN]:
        print_line(write.described())


def _edits(plane: Plane, count: int, row) -> None:  # type: ignore[no-untyped-def]
    edits = min(EDITS, count)
    step = count // edits
    took = []
    for number in range(edits):
        took.append(fleet.edit(plane, number * step, "marauders-map-api:0.2.0"))
        if took[-1] > SLOW_SECONDS:
            print_line(f"edit of map-{number * step}, until {datetime.now(UTC):%H:%M:%S}: {took[-1]:.1f} s")
    took.sort()
    row(
        f"edit to candidate in the status, {edits} edits",
        f"median {took[edits // 2] * 1000:.0f} ms, worst {took[-1] * 1000:.0f} ms",
    )


def _megabytes(pid: int) -> str:
    found = memory(pid)
    return f"{found['VmRSS']:.0f} MiB, at most {found['VmHWM']:.0f} MiB"


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    sys.exit(main())
