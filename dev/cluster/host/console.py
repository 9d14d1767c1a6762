"""What the person who runs a command sees: steps with their times, and errors that name a remedy."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

_START = time.monotonic()


class Problem(Exception):
    """Something is missing or failed. `remedy` is what the person can do about it, empty when unknown."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy


def print_line(message: str) -> None:
    """One line on standard error, after the seconds since the start of the command."""
    print(f"[{time.monotonic() - _START:6.1f}s] {message}", file=sys.stderr, flush=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Announce a step, and report how long it took when it is done."""
    print_line(f"{what} ...")
    began = time.monotonic()
    yield
    print_line(f"{what}: done in {time.monotonic() - began:.1f} s")
