"""Commands side by side: all of them run at once, none is lost, and Ctrl-C leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LONG = 300.0


def run(*commands: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _line(*commands), cwd=ROOT, capture_output=True, text=True, timeout=LONG, check=False
    )


def _line(*commands: str) -> list[str]:
    return [sys.executable, "-m", "dev.side_by_side", *commands]


def test_both_run_at_the_same_time(tmp_path: Path) -> None:
    """Each waits for the other: one after the other would never end."""
    here, there = tmp_path / "here", tmp_path / "there"
    os.mkfifo(here)
    os.mkfifo(there)
    result = run(f"left=echo hello > {here}; cat {there}", f"right=cat {here}; echo back > {there}")
    assert result.returncode == 0, result.stderr
    assert "left  | back\n" in result.stdout
    assert "right | hello\n" in result.stdout


def test_one_that_fails_ends_no_other_and_fails_the_whole(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    # The good one goes on only when the bad one is at its end.
    result = run(f"bad=echo 'what broke'; echo done > {pipe}; exit 3", f"good=cat {pipe}; echo 'still here'")
    assert result.returncode == 1
    assert "good | still here\n" in result.stdout
    assert "bad  FAILED (3) after " in result.stdout
    assert "good passed after " in result.stdout
    assert result.stdout.count("bad  | what broke\n") == 2, "as it came, and at the end"


def test_output_without_a_newline_and_errors_are_shown() -> None:
    result = run("one=printf dots; printf oops >&2")
    assert "one | dotsoops\n" in result.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_what_the_commands_have_started(tmp_path: Path, number: signal.Signals) -> None:
    """The shell's child is ended as well, and has time to put things away."""
    child = (
        "import pathlib, sys, time\n"
        "try:\n"
        # Inside: the interrupt may come as soon as the line is read.
        "    print('up', flush=True)\n"
        "    time.sleep(60)\n"
        "except KeyboardInterrupt: pathlib.Path(sys.argv[1]).write_text('put away')\n"
    )
    program = tmp_path / "child.py"
    program.write_text(child)
    marks = [tmp_path / "first", tmp_path / "second"]
    commands = [f"{mark.name}={sys.executable} {program} {mark}; echo after" for mark in marks]
    with subprocess.Popen(_line(*commands), cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        seen = [process.stdout.readline(), process.stdout.readline()]
        assert sorted(seen) == ["first  | up\n", "second | up\n"]
        process.send_signal(number)
        rest = process.stdout.read()
        assert process.wait(LONG) == 130, rest
    assert [mark.read_text() for mark in marks] == ["put away", "put away"], rest
