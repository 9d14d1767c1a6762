"""Turn-taking: fair, with a way to the front, and no turn is ever lost."""

import asyncio

from maraudersmap_api.infra.turns import FairSemaphore, asking


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_first_come_first_served_and_urgent_goes_ahead() -> None:
    turns, order = FairSemaphore(1), []
    await turns.acquire()

    async def take(name: str, *, urgent: bool = False) -> None:
        await turns.acquire(urgent=urgent)
        order.append(name)
        turns.release()

    tasks = [asyncio.create_task(take(name)) for name in "abc"]
    await settle()
    tasks.append(asyncio.create_task(take("check", urgent=True)))
    await settle()
    turns.release()
    await asyncio.gather(*tasks)

    assert order == ["check", "a", "b", "c"]


async def test_callers_take_turns_however_much_each_of_them_asks_for() -> None:
    turns, order = FairSemaphore(1), []
    await turns.acquire()

    async def take(caller: str, number: int) -> None:
        asking.set(caller)  # in this task alone
        await turns.acquire()
        order.append(f"{caller}{number}")
        turns.release()

    wanted = [("moody", 1), ("moody", 2), ("moody", 3), ("harry", 1), ("luna", 1), ("harry", 2)]
    tasks = [asyncio.create_task(take(caller, number)) for caller, number in wanted]
    await settle()
    turns.release()
    await asyncio.gather(*tasks)

    assert order == ["moody1", "harry1", "luna1", "moody2", "harry2", "moody3"]


async def test_a_newcomer_cannot_slip_in_between() -> None:
    turns, order = FairSemaphore(1), []
    await turns.acquire()

    async def wait() -> None:
        await turns.acquire()
        order.append("waited")
        turns.release()

    waiting = asyncio.create_task(wait())
    await settle()
    turns.release()
    await turns.acquire()
    order.append("newcomer")

    await waiting
    assert order == ["waited", "newcomer"]


async def test_whoever_gives_up_leaves_no_hole() -> None:
    turns = FairSemaphore(1)
    await turns.acquire()
    impatient = asyncio.create_task(turns.acquire())
    lucky = asyncio.create_task(turns.acquire())
    await settle()
    impatient.cancel()
    turns.release()  # before the cancelled one has noticed
    await asyncio.gather(impatient, return_exceptions=True)

    async with asyncio.timeout(60):
        await lucky


async def test_giving_up_in_the_moment_of_ones_turn_passes_it_on() -> None:
    turns = FairSemaphore(1)
    await turns.acquire()
    late = asyncio.create_task(turns.acquire())
    await settle()
    turns.release()  # hands the turn to `late`, which has not run yet
    late.cancel()
    await asyncio.gather(late, return_exceptions=True)

    async with asyncio.timeout(60):
        await turns.acquire()
