"""Hashing: a few at once, and no caller keeps the others from signing in."""

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest

from maraudersmap_api.auth.passwords import AT_ONCE, LONGEST_LINE, Passwords
from maraudersmap_api.errors import RateLimited, Unavailable
from maraudersmap_api.infra.turns import asking


class Slow:
    """Hashes nothing until it is let go; notes what it was given."""

    def __init__(self) -> None:
        self.given: list[str] = []
        self.may_go = threading.Semaphore(0)

    def hash(self, password: str) -> str:
        self.given.append(password)
        self.may_go.acquire()
        return password


@pytest.fixture
def slow() -> Iterator[tuple[Passwords, Slow]]:
    passwords, hasher = Passwords(), Slow()
    passwords._hasher = hasher  # type: ignore[assignment]
    yield passwords, hasher
    hasher.may_go.release(1000)
    passwords.close()


async def _hash(passwords: Passwords, caller: str, password: str) -> str:
    asking.set(caller)  # in this task alone
    return await passwords.hash(password)


async def test_callers_take_turns(slow: tuple[Passwords, Slow]) -> None:
    passwords, hasher = slow
    tasks = [asyncio.create_task(_hash(passwords, "moody", f"moody{n}")) for n in range(AT_ONCE + 5)]
    await _until(lambda: len(hasher.given) == AT_ONCE)
    tasks.append(asyncio.create_task(_hash(passwords, "harry", "harry")))
    await asyncio.sleep(0)
    hasher.may_go.release(2)
    await _until(lambda: len(hasher.given) == AT_ONCE + 2)

    assert "harry" in hasher.given
    hasher.may_go.release(1000)
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("callers", [1, 10])
async def test_however_many_take_all_they_may_the_next_one_gets_in(
    slow: tuple[Passwords, Slow], callers: int
) -> None:
    passwords, hasher = slow
    greedy = [
        asyncio.create_task(_hash(passwords, f"caller{n}", "x"))
        for n in range(callers)
        for _ in range(LONGEST_LINE + 10)
    ]
    await _until(lambda: len(hasher.given) == AT_ONCE)
    harry = asyncio.create_task(_hash(passwords, "harry", "harry"))
    await asyncio.sleep(0)
    hasher.may_go.release(1000)

    assert await harry == "harry"
    found = await asyncio.gather(*greedy, return_exceptions=True)
    assert {type(one) for one in found} == {str, RateLimited}


async def test_a_line_of_many_callers_is_bounded(slow: tuple[Passwords, Slow]) -> None:
    passwords, hasher = slow
    tasks = [asyncio.create_task(_hash(passwords, f"caller{n}", "x")) for n in range(LONGEST_LINE + 10)]
    await _until(lambda: len(hasher.given) == AT_ONCE)
    hasher.may_go.release(1000)

    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(isinstance(one, Unavailable) for one in found) == 10


async def _until(holds: Callable[[], bool]) -> None:
    """It is for another thread to come true."""
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.001)
