"""`serve --workers N`: several server processes behind one listening socket, for one machine without an orchestrator.

In a cluster a container runs one process and the autoscaler counts pods. Here the parent opens the socket, forks, and
replaces workers that die; SIGTERM and SIGINT go to all of them, which drain side by side. The parent imports neither
the event loop's server nor the metrics library: the library decides at its import whether values are shared.
Each worker has DB_POOL_SIZE connections of its own. Metrics are those of all workers; process metrics are left out.
"""

import ctypes
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress

from maraudersmap_api import exit_codes
from maraudersmap_api.infra.listening import listening_socket
from maraudersmap_api.settings import SettingsError, load_settings

PAUSE_SECONDS = 1.0  # between the death of a worker and its successor: no fork storm when all die at start
MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"  # infra.metrics has it too, but must not be imported yet

PR_SET_PDEATHSIG = 1  # prctl(2)

_SIGNALS = (signal.SIGTERM, signal.SIGINT)

Worker = Callable[[socket.socket], int]


def serve_with_workers(count: int, worker: Worker) -> int:
    """Run `count` workers until asked to stop; returns the exit code. Raises SettingsError.

    `worker` runs in each child with the listening socket and returns its exit code.
    """
    settings = load_settings(os.environ)
    if settings.log_dir is not None:
        raise SettingsError(["LOG_DIR does not go with several workers: each would rotate the others' files"])
    if settings.metrics_port is not None:
        raise SettingsError(["METRICS_PORT does not go with several workers: each would need one of its own"])
    try:
        listener = listening_socket(settings.host, settings.port)
    except OSError as error:
        print(f"cannot listen on port {settings.port}: {error}", file=sys.stderr)  # noqa: T201 - no logs yet
        return exit_codes.FAILED
    folder = tempfile.mkdtemp(prefix="marauders-metrics-")
    os.environ[MULTIPROCESS] = folder
    try:
        return _Parent(listener, worker, folder).run(count)
    finally:
        listener.close()
        shutil.rmtree(folder, ignore_errors=True)


class _Parent:
    """Starts, replaces and ends workers."""

    def __init__(self, listener: socket.socket, worker: Worker, folder: str) -> None:
        self._listener = listener
        self._worker = worker
        self._folder = folder
        self._children: set[int] = set()
        self._stopping = False
        self._failed = False

    def run(self, count: int) -> int:
        for number in _SIGNALS:
            signal.signal(number, self._stop)
        for _ in range(count):
            self._start()
        while self._children:
            try:
                pid, status = os.wait()
            except ChildProcessError:
                break
            self._children.discard(pid)
            self._forget_gauges(pid)
            code = os.waitstatus_to_exitcode(status)
            if self._stopping:
                # By the signal itself: it had not begun to serve yet.
                self._failed |= code not in (exit_codes.OK, -signal.SIGTERM)
            elif code == exit_codes.CONFIGURATION:
                self._stop(signal.SIGTERM, None)
                self._failed = True
            else:
                print(f"worker {pid} ended with {code}: replacing it", file=sys.stderr)  # noqa: T201
                time.sleep(PAUSE_SECONDS)
                if not self._stopping:
                    self._start()
        return exit_codes.FAILED if self._failed else exit_codes.OK

    def _start(self) -> None:
        parent = os.getpid()
        # One that came right after the fork would meet the parent's handler in the child, and end everyone but the child.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        pid = os.fork()
        if pid:
            self._children.add(pid)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            return
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        _end_with(parent)
        code = exit_codes.FAILED
        try:
            code = self._worker(self._listener)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)  # not through the parent's own clean-up

    def _stop(self, _number: int, _frame: object) -> None:
        self._stopping = True
        for pid in self._children:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def _forget_gauges(self, pid: int) -> None:
        """What prometheus_client.multiprocess.mark_process_dead does, without importing it here."""
        for name in os.listdir(self._folder):
            if name.startswith("gauge_live") and name.endswith(f"_{pid}.db"):
                os.unlink(os.path.join(self._folder, name))


def _end_with(parent: int) -> None:
    """Ask for SIGTERM when the parent dies, also by SIGKILL: orphans would serve on, and no one could find them.

    Linux only; elsewhere a killed parent leaves them.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before we could ask
        os.kill(os.getpid(), signal.SIGTERM)
