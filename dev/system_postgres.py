"""A PostgreSQL from binaries that are installed on this machine, so the component tests can run on other versions:

make test-component POSTGRES_BIN=/usr/lib/postgresql/15/bin
"""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote

VARIABLE = "MARAUDERS_POSTGRES_BIN"
SECONDS = 60


class SystemServer:
    """The part of the wheel's server that local_services.py uses. `data` is initialised when empty."""

    def __init__(self, data: Path, binaries: Path) -> None:
        self._data = data
        self._binaries = binaries
        # PostgreSQL refuses root; Debian's package has made this user.
        self._as: dict[str, Any] = (
            {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        )
        data.parent.mkdir(parents=True, exist_ok=True)
        if self._as:
            shutil.chown(data.parent, "postgres", "postgres")
        if not (data / "PG_VERSION").exists():
            self._run("initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", "-D", str(data))

    def ensure_postgres_running(self) -> None:
        """Start it and wait until it answers."""
        options = f"-k {self._data.parent} -c listen_addresses='' -c max_connections=200"
        log = self._data.parent / "postgres.log"
        self._run(
            "pg_ctl", "start", "-w", "-t", str(SECONDS), "-D", str(self._data), "-l", str(log), "-o", options
        )

    start = ensure_postgres_running

    def stop(self) -> None:
        """Stop it; connections break."""
        self._run("pg_ctl", "stop", "-w", "-m", "fast", "-D", str(self._data))

    def cleanup(self) -> None:
        """Stop it unless it is stopped."""
        if (self._data / "postmaster.pid").exists():
            self.stop()

    def get_uri(self, database: str = "postgres") -> str:
        """For DATABASE_URL."""
        return f"postgresql://postgres@/{database}?host={quote(str(self._data.parent), safe='')}"

    def psql(self, statement: str) -> None:
        """Run one statement outside of a transaction."""
        self._run("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", self.get_uri(), "-c", statement)

    def _run(self, program: str, *arguments: str) -> None:
        # Not a pipe: the server would inherit it, and nobody would see its end.
        with open(os.devnull, "r+b") as nothing:
            subprocess.run(
                [str(self._binaries / program), *arguments],
                check=True,
                timeout=2 * SECONDS,
                stdin=nothing,
                stdout=nothing,
                cwd="/",
                **self._as,
            )
