"""Bytes to queue for: callers take turns, and none is ever lost."""

import asyncio

import pytest

from maraudersmap_api.errors import RateLimited, Unavailable
from maraudersmap_api.infra import budget
from maraudersmap_api.infra.budget import ByteBudget, Share
from maraudersmap_api.infra.turns import asking


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(5):
        await asyncio.sleep(0)


class Holder:
    """Holds some bytes until it is let go."""

    def __init__(self, purse: ByteBudget, size: int, caller: str = "") -> None:
        self.holds = False
        self.go = asyncio.Event()
        self.task = asyncio.create_task(self._hold(purse, size, caller))

    async def _hold(self, purse: ByteBudget, size: int, caller: str) -> None:
        asking.set(caller)  # in this task alone
        async with purse.hold(size):
            self.holds = True
            await self.go.wait()


async def test_no_more_is_held_than_there_is_and_nobody_overtakes() -> None:
    purse = ByteBudget(10)
    holders = [Holder(purse, size) for size in (4, 5, 3, 1)]
    await settle()
    assert [holder.holds for holder in holders] == [True, True, False, False]

    holders[0].go.set()
    await settle()
    assert [holder.holds for holder in holders] == [True, True, True, True]

    for holder in holders:
        holder.go.set()
    await asyncio.gather(*(holder.task for holder in holders))
    assert purse.free == 10


async def test_what_is_larger_than_all_there_is_has_it_alone() -> None:
    purse = ByteBudget(10)
    giant, other = Holder(purse, 1000), Holder(purse, 1)
    await settle()
    assert (giant.holds, other.holds) == (True, False)

    giant.go.set()
    other.go.set()
    await asyncio.gather(giant.task, other.task)
    assert purse.free == 10


async def test_who_gives_up_takes_nothing_and_stands_in_nobodys_way() -> None:
    purse = ByteBudget(10)
    first, giant, small = Holder(purse, 6), Holder(purse, 10), Holder(purse, 4)
    await settle()
    giant.task.cancel()
    await settle()
    assert (first.holds, small.holds) == (True, True)

    # cancelled in the very moment in which its turn comes
    last = Holder(purse, 10)
    await settle()
    first.go.set()
    small.go.set()
    await asyncio.gather(first.task, small.task)
    last.task.cancel()
    await settle()
    assert purse.free == 10


async def test_waiting_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "WAIT_SECONDS", 0.01)
    purse = ByteBudget(10)
    holder = Holder(purse, 10)
    await settle()

    with pytest.raises(Unavailable):
        async with purse.hold(1):
            pass

    holder.go.set()
    await holder.task
    assert purse.free == 10


async def test_callers_take_turns_however_much_each_of_them_asks_for() -> None:
    purse = ByteBudget(10)
    first = Holder(purse, 10, "moody")
    moody = [Holder(purse, 10, "moody") for _ in range(5)]
    harry = Holder(purse, 10, "harry")
    await settle()
    first.go.set()
    moody[0].go.set()
    await settle()

    assert (harry.holds, moody[1].holds) == (True, False)
    for holder in (harry, *moody):
        holder.go.set()
    await asyncio.gather(harry.task, *(holder.task for holder in moody))
    assert purse.free == 10


def _fill(share: Share) -> None:
    while True:
        share.grow(1)


async def test_however_many_take_all_they_can_there_is_something_left_for_the_next() -> None:
    purse = ByteBudget(1000, parts=4)
    greedy = [purse.share(f"user {number}") for number in range(8)]
    for share in greedy:
        with pytest.raises(RateLimited):  # which is their fault, and not Unavailable, which would be ours
            _fill(share)
    modest = purse.share("harry")
    modest.grow(20)

    modest.release()
    for share in greedy:
        share.release()
    assert purse.free == 1000
