"""A PostgreSQL from binaries that are somewhere on this machine, so the component tests can run on other versions:

make test-component POSTGRES_BIN=/usr/lib/postgresql/15/bin
"""

import asyncio
import os
import pwd
import shutil
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg

VARIABLE = "MARAUDERS_POSTGRES_BIN"
SECONDS = 60


class SystemServer:
    """The part of the wheel's server that local_services.py uses. `data` is initialised when empty."""

    def __init__(self, data: Path, binaries: Path) -> None:
        self._data = data
        self._binaries = binaries
        self._as = _other_than_root()
        data.parent.mkdir(parents=True, exist_ok=True)
        if self._as:
            shutil.chown(data.parent, self._as["user"], self._as["group"])
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
        """Run one statement outside of a transaction. In a thread: callers may be inside an event loop."""
        failure: list[BaseException] = []

        def run() -> None:
            try:
                asyncio.run(_execute(self.get_uri(), statement))
            except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
                failure.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if failure:
            raise failure[0]

    def _run(self, program: str, *arguments: str) -> None:
        # Not a pipe: the server would inherit it, and its end would never be seen.
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


def _other_than_root() -> dict[str, Any]:
    """How to run what refuses root: as Debian's user for it, or as the one that owns nothing."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return {"user": name, "group": pwd.getpwnam(name).pw_gid, "extra_groups": []}
    raise RuntimeError("neither a user postgres nor a user nobody: PostgreSQL does not run as root")


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
