"""The parent of several workers, by itself; tests/component/api/test_workers.py has real ones."""

from __future__ import annotations

import subprocess
import sys

# The first worker is asked to end before it has handlers of its own; its successor ends the parent.
PROGRAM = """
import os, signal, socket, tempfile, time
from maraudersmap_api import exit_codes
from maraudersmap_api.workers import _Parent

fork, children = os.fork, 0

def asked_to_end_at_once():
    global children
    children += 1
    pid = fork()
    if pid == 0 and children == 1:
        os.kill(os.getpid(), signal.SIGTERM)
    return pid

def work(listener):
    if children == 1:
        time.sleep(600)
    return exit_codes.CONFIGURATION

os.fork = asked_to_end_at_once
with socket.socket() as listener, tempfile.TemporaryDirectory() as folder:
    _Parent(listener, work, folder).run(1)
"""


def test_a_worker_that_is_asked_to_end_before_it_can_listen_ends() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False
    )
    assert "ended with -15: replacing it" in ended.stderr
