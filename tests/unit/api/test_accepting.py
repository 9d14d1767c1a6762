"""Accepting connections, on either loop, counted in its turns: how long one takes is a matter of who else is served."""

import asyncio
import errno
import logging
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise

import pytest
import uvloop
from tests.unit.api.conftest import TinyServer, make_tiny

from maraudersmap_api.http import accepting
from maraudersmap_api.http.accepting import Acceptor

A_FEW_TURNS = 10
AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset


@pytest.fixture(params=[uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=request.param) as made:
        yield made


@pytest.fixture
def clients() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def arrive(clients: ExitStack, port: int) -> socket.socket:
    """Connected as far as the kernel goes: the loop has no turn meanwhile."""
    return clients.enter_context(socket.create_connection(("127.0.0.1", port)))


async def turns_until(holds: Callable[[], bool]) -> int:
    turns = 0
    while not holds():
        await asyncio.sleep(0)
        turns += 1
        assert turns < 10_000
    return turns


def test_a_hundred_that_come_at_once_do_not_wait_for_a_turn_each(
    runner: asyncio.Runner, clients: ExitStack
) -> None:
    async def count(tiny: TinyServer) -> int:
        for _ in range(100):
            arrive(clients, tiny.port)
        return await turns_until(lambda: len(tiny.server._connections()) == 100)

    assert runner.run(_with_tiny(count)) <= A_FEW_TURNS


def test_those_that_are_served_wait_for_a_part_of_who_comes(
    runner: asyncio.Runner, clients: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accepting, "A_TURN", 8)

    async def count(tiny: TinyServer) -> int:
        for _ in range(100):
            arrive(clients, tiny.port)
        counts = [0]
        while counts[-1] < 100:
            await asyncio.sleep(0)
            counts.append(len(tiny.server._connections()))
        return max(after - before for before, after in pairwise(counts))

    assert runner.run(_with_tiny(count)) == 8


def test_one_that_has_gone_while_it_waited_keeps_nobody(
    runner: asyncio.Runner, clients: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    async def answer(tiny: TinyServer) -> int:
        gone = arrive(clients, tiny.port)
        gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
        gone.close()
        wire = await tiny.connect()
        return (await wire.get("/ok")).status

    assert runner.run(_with_tiny(answer)) == 200
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


class Failing(socket.socket):
    """A listening socket that fails first."""

    asked = 0
    failure: OSError | None = None

    def accept(self) -> tuple[socket.socket, object]:
        self.asked += 1
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        return super().accept()


def failing(clients: ExitStack, failure: OSError) -> Failing:
    """With one connection that waits."""
    listener = clients.enter_context(Failing())
    listener.failure = failure
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    arrive(clients, listener.getsockname()[1])
    return listener


def no_descriptor() -> OSError:
    return OSError(errno.EMFILE, "Too many open files")


def test_without_a_descriptor_it_pauses_and_logs_why(
    runner: asyncio.Runner, clients: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    async def pauses() -> int:
        listener = failing(clients, no_descriptor())
        acceptor = Acceptor(listener, asyncio.Protocol)
        await turns_until(lambda: listener.asked > 0)
        for _ in range(A_FEW_TURNS):
            await asyncio.sleep(0)
        await acceptor.close()
        return listener.asked

    assert runner.run(pauses()) == 1
    assert [record.message for record in caplog.records] == ["Cannot accept connections"]


def test_who_waited_for_a_descriptor_is_connected_once_there_is_one(
    runner: asyncio.Runner, clients: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accepting, "AGAIN_SECONDS", 0.0)
    runner.run(_connected(failing(clients, no_descriptor())))


def test_one_that_was_aborted_does_not_make_it_pause(
    runner: asyncio.Runner, clients: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    runner.run(_connected(failing(clients, ConnectionAbortedError())))
    assert caplog.records == []


async def _connected(listener: socket.socket) -> None:
    """The one that waits."""
    made = asyncio.Event()
    acceptor = Acceptor(listener, lambda: Signals(made))
    async with asyncio.timeout(30):
        await made.wait()
    await acceptor.close()


class Signals(asyncio.Protocol):
    """Sets an event when it is connected."""

    def __init__(self, made: asyncio.Event) -> None:
        self._made = made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._made.set()
        transport.close()


def test_closing_leaves_none_between_accepted_and_connected(
    runner: asyncio.Runner, clients: ExitStack
) -> None:
    async def closed_while_opening() -> bool:
        listener = clients.enter_context(socket.create_server(("127.0.0.1", 0)))
        made = asyncio.Event()
        acceptor = Acceptor(listener, lambda: Signals(made))
        arrive(clients, listener.getsockname()[1])
        await turns_until(lambda: bool(acceptor._opening))
        await acceptor.close()
        return made.is_set()

    assert runner.run(closed_while_opening())


async def _with_tiny(scenario: Callable[[TinyServer], Awaitable[int]]) -> int:
    tiny = await make_tiny()
    try:
        return await scenario(tiny)
    finally:
        await tiny.close()
