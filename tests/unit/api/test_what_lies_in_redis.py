"""What is found in Redis under a name of ours may be somebody else's."""

from typing import Any
from uuid import UUID

import pytest

from maraudersmap_api.infra.names import Names
from maraudersmap_api.infra.shared_tier import SharedTier
from maraudersmap_api.realtime.presence import ONLINE, Presence

HARRY = UUID(int=1)


class Redis:
    """Has the same answer to everything."""

    names = Names("hogwarts")

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    async def send(self, *commands: Any) -> list[Any]:
        return [self._answer for _ in commands]


@pytest.mark.parametrize("stored", [b"", b"hello", b"|[]", b"seven|[]", b"\xff|[]"])
async def test_an_entry_without_a_floor_is_none(stored: bytes) -> None:
    redis: Any = Redis(stored)
    assert await SharedTier(redis).get("lists") is None


async def test_an_entry_of_ours_is_one() -> None:
    redis: Any = Redis(b"7|[1|2]")
    assert await SharedTier(redis).get("lists") == (7, b"[1|2]")


async def test_who_is_no_user_is_not_here() -> None:
    redis: Any = Redis([b"hello", b"\xff", b"pod|peeves", f"pod|{HARRY}".encode()])
    assert await Presence(redis, dict).of(ONLINE) == {HARRY}
