"""A pgbouncer that lends servers by the transaction, in front of a local PostgreSQL: for tests.

The program is Debian's `pgbouncer`; `make test-component` installs it where it is missing.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

START_SECONDS = 30.0
PORT = 6432  # of the socket's name only


@contextmanager
def local_pgbouncer(database_url: str, *, servers: int = 3, strict: bool = True) -> Iterator[str]:
    """Start it in front of a database on a Unix socket; gives the URL to use instead.

    `servers`: connections to PostgreSQL. `strict`: settings at the start of a connection are refused, as by default;
    else they are ignored. Raises RuntimeError with its log when it does not start.
    """
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        raise RuntimeError("there is no pgbouncer: apt-get install pgbouncer")
    parts = urlsplit(database_url)
    name = parts.path.lstrip("/")
    home = parse_qs(parts.query)["host"][0]
    folder = Path(tempfile.mkdtemp(prefix="marauders-pgbouncer-"))
    options = {
        "logfile": folder / "pgbouncer.log",
        "listen_addr": "",
        "listen_port": PORT,
        "unix_socket_dir": folder,
        "auth_type": "any",
        "pool_mode": "transaction",
        "default_pool_size": servers,
        "max_client_conn": 500,
        **({} if strict else {"ignore_startup_parameters": "statement_timeout,lock_timeout,jit,work_mem,"
                              "idle_in_transaction_session_timeout"}),
    }  # fmt: skip
    lines = ["[databases]", f"* = host={home} user=postgres", "[pgbouncer]"]
    lines += [f"{option} = {value}" for option, value in options.items()]
    configuration = folder / "pgbouncer.ini"
    configuration.write_text("\n".join(lines) + "\n")
    with open(folder / "output", "wb") as output:
        process = subprocess.Popen(
            [program, str(configuration)], stdout=output, stderr=output, **_owner_of(Path(home), folder)
        )
    url = f"postgresql://postgres@/{name}?host={quote(str(folder), safe='')}&port={PORT}"
    try:
        _wait(process, folder / f".s.PGSQL.{PORT}", folder)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=START_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)


def _owner_of(home: Path, folder: Path) -> dict[str, Any]:
    """It refuses root, and must reach the server's socket: that folder's owner can."""
    if os.geteuid() != 0:
        return {}
    owner = home.stat()
    os.chown(folder, owner.st_uid, owner.st_gid)
    return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}


def _wait(process: "subprocess.Popen[bytes]", socket_path: Path, folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _listens(socket_path):
        if process.poll() is not None or time.monotonic() > deadline:
            logs = [
                path.read_text() for path in (folder / "output", folder / "pgbouncer.log") if path.exists()
            ]
            raise RuntimeError("pgbouncer did not start:\n" + "\n".join(logs)[-2000:])
        time.sleep(0.05)


def _listens(socket_path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(socket_path))
        except OSError:
            return False
        return True
