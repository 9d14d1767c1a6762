"""Who is given up, by a table of what their buffers hold from second to second."""

import asyncio

from maraudersmap_api.http.slow_readers import (
    BUFFER_SECONDS,
    HARD_BYTES,
    SOFT_BYTES,
    STALL_SECONDS,
    SlowReaders,
)

STALLED = int(STALL_SECONDS)


class Reader(asyncio.Transport):
    """A connection that somebody reads from, or not."""

    def __init__(self, unsent: int = 0) -> None:
        super().__init__()
        self.unsent = unsent
        self.aborted = False

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def abort(self) -> None:
        self.aborted = True


def watched(*readers: Reader) -> SlowReaders:
    made = SlowReaders()
    for reader in readers:
        made.watch(reader)
    return made


def test_who_takes_nothing_is_given_up_and_who_takes_a_little_is_not() -> None:
    stuck, slow, idle = Reader(1000), Reader(1000), Reader(0)
    readers = watched(stuck, slow, idle)

    for second in range(STALLED + 3):
        readers.sweep(float(second))
        slow.unsent -= 1

    assert (stuck.aborted, slow.aborted, idle.aborted) == (True, False, False)


def test_a_drop_at_a_time_does_not_keep_a_connection_for_ever() -> None:
    trickle = Reader(1_000_000)
    readers = watched(trickle)

    for second in range(int(BUFFER_SECONDS) + 3):
        readers.sweep(float(second))
        trickle.unsent -= 1

    assert trickle.aborted


def test_a_stream_that_is_taken_piece_by_piece_goes_on() -> None:
    reader = Reader()
    readers = watched(reader)

    for second in range(int(BUFFER_SECONDS) * 2):
        reader.unsent = 500_000
        readers.full(reader, second + 0.1)
        readers.sweep(second + 0.2)
        reader.unsent = 0
        readers.emptied(reader)

    assert not reader.aborted


def test_together_they_keep_no_more_than_so_much() -> None:
    """Above the soft limit those go that have stood still for a second, the longest first."""
    count = SOFT_BYTES // 1_000_000 + 5
    stuck = [Reader(1_000_000) for _ in range(count)]
    readers = watched(*stuck)
    for number, reader in enumerate(stuck):
        readers.full(reader, number / 1000)
    assert not any(reader.aborted for reader in stuck), "none has had a second"

    readers.sweep(1.5)

    left = [reader for reader in stuck if not reader.aborted]
    assert sum(reader.unsent for reader in left) <= SOFT_BYTES
    assert left == stuck[count - len(left) :]


def test_and_never_more_than_twice_that() -> None:
    stuck = [Reader(1_000_000) for _ in range(HARD_BYTES // 1_000_000 + 20)]
    readers = watched(*stuck)

    for reader in stuck:
        readers.full(reader, 0.0)
    held = sum(reader.unsent for reader in stuck if not reader.aborted)

    assert held <= HARD_BYTES


def test_what_is_gone_is_not_looked_at() -> None:
    gone = Reader(1000)
    readers = watched(gone)
    readers.full(gone, 0.0)
    readers.forget(gone)

    readers.sweep(1000.0)

    assert not gone.aborted
