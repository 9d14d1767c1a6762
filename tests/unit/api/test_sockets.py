"""What sockets keep in memory, and who waits at the door: pure parts."""

import asyncio
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maraudersmap_api.outbox.models import Event, EventType
from maraudersmap_api.realtime import door
from maraudersmap_api.realtime.backlog import Backlog
from maraudersmap_api.realtime.catch_up import ALLOWED_AT_ONCE, ALLOWED_PER_SECOND, USERS_KEPT, Purses
from maraudersmap_api.realtime.door import MOST_UNKNOWN_OF_AN_ADDRESS, MOST_WAITING_OF_AN_ADDRESS, Door
from maraudersmap_api.realtime.portions import LIGHT_BYTES, PORTION_BYTES, portions

HARRY, RON = UUID(int=1), UUID(int=2)
KINDS = (EventType.INCIDENT_UPDATED, EventType.COMMENT_CREATED, EventType.INCIDENT_DELETED)


async def settle() -> None:
    """Let every task that can run do so."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_a_frame_in_many_queues_is_in_memory_once() -> None:
    calls: list[int] = []
    backlog = Backlog(lambda: calls.append(backlog.waiting), most=10)
    shared, other = b"12345678", b"abcd"
    for _ in range(1000):
        backlog.add(shared)
    assert (backlog.waiting, calls) == (8, [])

    backlog.add(other)
    assert (backlog.waiting, calls, backlog.too_much) == (12, [12], True)

    for _ in range(1000):
        backlog.remove(shared)
    assert (backlog.waiting, backlog.too_much) == (4, False)


@given(
    st.lists(st.tuples(st.sampled_from(KINDS), st.integers(1, 5)), max_size=60),
    st.dictionaries(st.integers(1, 5), st.integers(0, 300_000)),
)
def test_portions_are_the_same_events_and_each_fits(
    what: list[tuple[EventType, int]], weights: dict[int, int]
) -> None:
    events = [Event(number, kind, incident, {}) for number, (kind, incident) in enumerate(what)]

    made = list(portions(events, weights))

    assert [event for portion in made for event in portion] == events
    for portion in made:
        read = sum(weights.get(incident, 0) for incident in {event.incident_id for event in portion})
        sent = sum(
            weights.get(event.incident_id, 0) for event in portion if event.type is EventType.INCIDENT_UPDATED
        )
        one_more = LIGHT_BYTES + 2 * max(weights.values(), default=0)
        assert read + sent <= PORTION_BYTES + one_more


def test_ordinary_events_are_read_together() -> None:
    events = [Event(number, EventType.INCIDENT_UPDATED, number, {}) for number in range(50)]

    assert list(portions(events, dict.fromkeys(range(50), 400))) == [events]


def test_a_purse_is_filled_by_time_and_belongs_to_one_user() -> None:
    now = 0.0
    purses = Purses(lambda: now)
    assert purses.spend(HARRY, ALLOWED_AT_ONCE)
    assert not purses.spend(HARRY, 1)
    assert purses.spend(RON, ALLOWED_AT_ONCE)

    now = 10.0
    assert purses.spend(HARRY, 10 * ALLOWED_PER_SECOND)
    assert not purses.spend(HARRY, 1)
    now = 1e6
    assert purses.spend(HARRY, ALLOWED_AT_ONCE)
    assert not purses.spend(HARRY, 1), "never more than that at once"


def test_purses_are_bounded() -> None:
    purses = Purses(lambda: 0.0)
    for number in range(USERS_KEPT + 10):
        purses.spend(UUID(int=number), 1)

    assert len(purses._purses) == USERS_KEPT


async def test_who_waits_gets_in_in_order_and_a_line_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "WAIT_SECONDS", 30.0)
    here, order = Door(), []
    for _ in range(MOST_UNKNOWN_OF_AN_ADDRESS):
        assert await here.admit("a")

    async def come(number: int) -> None:
        if await here.admit("a"):
            order.append(number)

    waiting = [asyncio.create_task(come(number)) for number in range(MOST_WAITING_OF_AN_ADDRESS)]
    await settle()
    assert not await here.admit("a")
    assert await here.admit("b")
    waiting[1].cancel()
    await settle()
    for _ in range(MOST_WAITING_OF_AN_ADDRESS + MOST_UNKNOWN_OF_AN_ADDRESS - 1):
        here.known("a")
    await asyncio.gather(*waiting, return_exceptions=True)

    assert order == [0, *range(2, MOST_WAITING_OF_AN_ADDRESS)]
    for _ in range(MOST_UNKNOWN_OF_AN_ADDRESS):
        assert await here.admit("a"), "all places are free again"


async def test_waiting_at_the_door_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "WAIT_SECONDS", 0.01)
    here = Door()
    for _ in range(MOST_UNKNOWN_OF_AN_ADDRESS):
        assert await here.admit("a")

    assert not await here.admit("a")

    here.known("a")
    assert await here.admit("a")
