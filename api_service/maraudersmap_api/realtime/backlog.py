"""What waits to be sent, of all sockets together. Pure bookkeeping."""

from collections.abc import Callable

MOST_BYTES = 32 * 1024 * 1024


class Backlog:
    """Counts the bytes of frames in queues; one that waits in many queues is in memory once, and counts once."""

    def __init__(self, relieve: Callable[[], None] = lambda: None, most: int = MOST_BYTES) -> None:
        """`relieve` is called when there is more than `most`; it lets somebody go."""
        self._relieve = relieve
        self._most = most
        self._owners: dict[int, int] = {}  # by the frame's identity: the one that is counted holds it
        self.waiting = 0

    @property
    def too_much(self) -> bool:
        """Must somebody be let go?"""
        return self.waiting > self._most

    def add(self, frame: bytes) -> None:
        """It waits in one more queue."""
        owners = self._owners.get(id(frame), 0)
        self._owners[id(frame)] = owners + 1
        if not owners:
            self.waiting += len(frame)
            if self.too_much:
                self._relieve()

    def remove(self, frame: bytes) -> None:
        """It was sent from one of them, or dropped."""
        owners = self._owners[id(frame)] - 1
        if owners:
            self._owners[id(frame)] = owners
        else:
            del self._owners[id(frame)]
            self.waiting -= len(frame)
