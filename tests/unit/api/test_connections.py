"""Connections that are lent: to one at a time, and never one that is of no use."""

import asyncio
from typing import Any

import asyncpg
import pytest

from maraudersmap_api.infra.connections import IDLE_SECONDS, Connections


class Connection:
    """What is used of asyncpg's. As there, nothing may be asked of one that has ended but whether it has."""

    def __init__(self) -> None:
        self.ended = ""
        self.transaction = False

    def is_closed(self) -> bool:
        return bool(self.ended)

    def is_in_transaction(self) -> bool:
        assert not self.ended
        return self.transaction

    def terminate(self) -> None:
        self.ended = self.ended or "cut"

    async def close(self) -> None:
        await asyncio.sleep(0)
        self.ended = "closed"


@pytest.fixture
def connections() -> Connections:
    async def connect() -> Connection:
        await asyncio.sleep(0)
        return Connection()

    return Connections(connect)


async def lent(connections: Connections, number: int) -> list[Any]:
    return [await connections.take() for _ in range(number)]


async def test_each_is_lent_to_one_at_a_time_and_the_last_used_first(connections: Connections) -> None:
    one, two = await lent(connections, 2)
    assert one is not two
    connections.give_back(one)
    connections.give_back(two)
    assert await lent(connections, 2) == [two, one]


@pytest.mark.parametrize("harm", ["terminate", "transaction", "ended while idle"])
async def test_what_is_of_no_use_is_not_lent_again(connections: Connections, harm: str) -> None:
    (one,) = await lent(connections, 1)
    if harm == "terminate":
        one.terminate()
    one.transaction = harm == "transaction"
    connections.give_back(one)
    one.terminate()
    (two,) = await lent(connections, 1)
    assert (one.ended, two.ended, two is one) == ("cut", "", False)


async def test_one_left_in_a_transaction_is_cut_at_once(connections: Connections) -> None:
    """The server rolls it back; and holds its locks until then."""
    (one,) = await lent(connections, 1)
    one.transaction = True
    connections.give_back(one)
    assert one.ended == "cut"


async def test_those_that_are_expired_are_cut_and_others_made(connections: Connections) -> None:
    busy, idle = await lent(connections, 2)
    connections.give_back(idle)
    connections.expire()
    assert (idle.ended, busy.ended) == ("cut", "")
    connections.give_back(busy)
    assert busy.ended == "cut"
    (new,) = await lent(connections, 1)
    connections.give_back(new)
    assert new.ended == ""


async def test_those_that_no_one_needs_are_cut(
    connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    often, seldom = await lent(connections, 2)
    connections.give_back(seldom)
    connections.give_back(often)
    now = asyncio.get_running_loop().time()
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now + IDLE_SECONDS + 1)
    assert await lent(connections, 1) == [often]
    connections.give_back(often)
    assert (often.ended, seldom.ended) == ("", "cut")


async def test_closing_waits_for_those_that_are_lent(connections: Connections) -> None:
    busy, idle = await lent(connections, 2)
    connections.give_back(idle)
    closing = asyncio.create_task(connections.close())
    for _ in range(5):
        await asyncio.sleep(0)
    assert (closing.done(), idle.ended, busy.ended) == (False, "closed", "")
    connections.give_back(busy)
    await closing
    assert busy.ended == "cut"
    with pytest.raises(ConnectionError):
        await connections.take()


async def test_closing_cuts_those_that_are_not_given_back(
    connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maraudersmap_api.infra.connections.CLOSING_SECONDS", 0.0)
    (busy,) = await lent(connections, 1)
    await connections.close()
    assert busy.ended == "cut"


async def test_a_server_that_gives_no_more_has_those_that_there_are_shared() -> None:
    one, made = Connection(), 0

    async def connect() -> Connection:
        nonlocal made
        made += 1
        if made > 1:
            raise asyncpg.TooManyConnectionsError
        return one

    connections = Connections(connect)
    assert await connections.take() is one
    waiting = [asyncio.create_task(connections.take()) for _ in range(2)]
    for _ in range(2):
        done, _pending = await asyncio.wait(waiting, timeout=0.05, return_when=asyncio.FIRST_COMPLETED)
        assert not done
        connections.give_back(one)
        done, _pending = await asyncio.wait(waiting, timeout=20, return_when=asyncio.FIRST_COMPLETED)
        (lucky,) = done
        assert await lucky is one
        waiting.remove(lucky)

    # Nothing is left to wait for: who waits learns that there is none to be had.
    last = asyncio.create_task(connections.take())
    await asyncio.sleep(0)
    one.terminate()
    connections.give_back(one)
    with pytest.raises(asyncpg.TooManyConnectionsError):
        await last
    with pytest.raises(asyncpg.TooManyConnectionsError):
        await connections.take()
