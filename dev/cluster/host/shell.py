"""Running other programs, and waiting for what they start."""

import os
import shlex
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dev.cluster.host.console import Problem

_TAIL_LINES = 25
_POLL_SECONDS = 0.2


def run(
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    log: Path | None = None,
    remedy: str = "",
) -> str:
    """Run to the end and return standard output. Raises Problem with the last lines of the error.

    `env` is added to ours. With `log`, everything is written there and the answer is empty.
    """
    environment = {**os.environ, **(env or {})}
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w", encoding="utf-8") as sink:
            code = subprocess.run(
                command,
                cwd=cwd,
                env=environment,
                input=stdin,
                text=True,
                stdout=sink,
                stderr=subprocess.STDOUT,
                check=False,
            ).returncode
        output, error = "", log.read_text(encoding="utf-8", errors="replace")
    else:
        done = subprocess.run(
            command, cwd=cwd, env=environment, input=stdin, text=True, capture_output=True, check=False
        )
        code, output, error = done.returncode, done.stdout, done.stderr or done.stdout
    if code != 0:
        tail = "\n".join(error.strip().splitlines()[-_TAIL_LINES:])
        where = f" (all of it: {log})" if log else ""
        raise Problem(f"`{shlex.join(command)}` ended with {code}{where}:\n{tail}", remedy)
    return output


def succeeds(command: Sequence[str], *, env: Mapping[str, str] | None = None, timeout: float = 60) -> bool:
    """Whether the command ends with 0 within `timeout` seconds. A program that is not there is a no."""
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=timeout,
            check=False,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def wait_until(
    true: Callable[[], bool], what: str, *, seconds: float, remedy: str = "", every: float = _POLL_SECONDS
) -> None:
    """Look again until it is true. Raises Problem after `seconds`."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise Problem(f"{what}: not within {seconds:.0f} s", remedy)
        time.sleep(every)
