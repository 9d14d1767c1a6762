"""Run commands at the same time, and report how each of them ended: `python -m dev.side_by_side NAME='command' ...`

Every line of output is shown as it comes, with the name in front, and the last lines of what failed once more at the end.
One that fails does not end the others. Ctrl-C ends all of them, and what they have started. Exit code: 0 when all succeeded,
1 when one failed, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import IO

# From the interrupt, which lets fixtures put away what they have started, to the end of patience.
PATIENCE_SECONDS = 60.0
LAST_LINES = 40
# While all is quiet: how soon an end or an interrupt is noticed.
LOOK_SECONDS = 0.2


@dataclass(slots=True)
class Command:
    """One that runs, with all it starts in a process group of its own. `nice` counts between groups of one session only."""

    name: str
    process: subprocess.Popen[bytes]
    began: float
    last: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))
    seconds: float = 0.0

    @property
    def output(self) -> IO[bytes]:
        assert self.process.stdout is not None
        return self.process.stdout

    def signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return


@dataclass(slots=True)
class Asked:
    """How often someone asked for the end."""

    times: int = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.times += 1


def main(arguments: Sequence[str]) -> int:
    named = _parsed(arguments)
    with _asked() as asked:
        running = [_start(name, command) for name, command in named]
        width = max(len(c.name) for c in running)
        _follow(running, asked, width)
    for command in running:
        if command.process.returncode:
            print(f"\nthe last lines of {command.name}:", *command.last, sep="\n")
    print()
    for command in running:
        code = command.process.returncode
        outcome = "passed" if code == 0 else f"FAILED ({code})"
        print(f"{command.name:{width}} {outcome} after {command.seconds:.0f} s")
    if asked.times:
        return 130
    return int(any(c.process.returncode for c in running))


def _parsed(arguments: Sequence[str]) -> list[tuple[str, str]]:
    """Names and commands. Ends the program with 2 when they are not understood."""
    parser = argparse.ArgumentParser(
        prog="python -m dev.side_by_side",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "commands", nargs="+", metavar="NAME=COMMAND", help="a line for the shell, and its name"
    )
    named = [argument.partition("=") for argument in parser.parse_args(arguments).commands]
    for name, _, command in named:
        if not name or not command:
            parser.error(f"{name or command!r} is no NAME=COMMAND")
    return [(name, command) for name, _, command in named]


def _start(name: str, command: str) -> Command:
    process = subprocess.Popen(  # noqa: S602 (what the Makefile says)
        command,
        shell=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        process_group=0,
    )
    return Command(name, process, time.monotonic())


def _follow(running: Sequence[Command], asked: Asked, width: int) -> None:
    """Until all have ended, and nothing that they started writes any more."""
    ended_by = None
    with selectors.DefaultSelector() as reading:
        rest = {c.name: b"" for c in running}
        for command in running:
            os.set_blocking(command.output.fileno(), False)
            reading.register(command.output, selectors.EVENT_READ, command)
        while reading.get_map():
            for key, _ in reading.select(LOOK_SECONDS):
                command = key.data
                read = command.output.read(65536)
                *lines, rest[command.name] = (rest[command.name] + (read or b"")).split(b"\n")
                if not read:
                    reading.unregister(command.output)
                    command.process.wait()
                    command.seconds = time.monotonic() - command.began
                    lines += [rest[command.name]] if rest[command.name] else []
                for line in lines:
                    _show(command, line.decode(errors="replace"), width)
            if asked.times and ended_by is None:
                ended_by = time.monotonic() + PATIENCE_SECONDS
                _signal(running, signal.SIGINT)
            if ended_by is not None and (asked.times > 1 or time.monotonic() > ended_by):
                _signal(running, signal.SIGKILL)


def _signal(running: Sequence[Command], number: signal.Signals) -> None:
    """Those that have not ended; of those that have, the group may be gone and its number another's."""
    for command in running:
        if not command.output.closed and command.seconds == 0:
            command.signal(number)


def _show(command: Command, line: str, width: int) -> None:
    shown = f"{command.name:{width}} | {line}".rstrip()
    command.last.append(shown)
    print(shown, flush=True)


@contextmanager
def _asked() -> Iterator[Asked]:
    """Interrupts and requests to end are counted instead of followed at once."""
    asked = Asked()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, asked) for number in numbers}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
