"""One at a time on a machine: two would build the same things, or start two daemons."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from dev.cluster.host.console import print_line
from dev.cluster.host.paths import MACHINE


@contextmanager
def machine_lock(of: str = "") -> Iterator[None]:
    """Hold the machine's lock, or the one `of` a tool whose build concerns no cluster.

    It is the kernel's, so a killed command never leaves it behind.
    """
    # Beside the folder, not in it: clean-all removes the folder while it holds the lock.
    path = MACHINE.with_name(f"{MACHINE.name}{of and '-'}{of}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print_line(f"waiting for another command of ours on this machine{of and f', which builds {of}'}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
