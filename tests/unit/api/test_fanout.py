"""What a process tells the others of what it stored."""

from typing import Any

import orjson
import pytest

from maraudersmap_api.infra.metrics import Metrics
from maraudersmap_api.infra.names import Names
from maraudersmap_api.infra.redis import Redis
from maraudersmap_api.outbox.models import Event, EventType
from maraudersmap_api.realtime import fanout as module
from maraudersmap_api.realtime.fanout import Fanout, together


def test_events_that_follow_each_other_are_one_message() -> None:
    room: dict[str, Any] = {"room": 7, "type": "typing", "data": {}}
    messages: list[dict[str, Any]] = [{"events": [1]}, {"events": [2, 3]}, room, {"events": [4]}]

    assert together(messages) == [{"events": [1, 2, 3]}, room, {"events": [4]}]


class Dispatcher:
    """Remembers what it was offered."""

    def __init__(self) -> None:
        self.offered: list[int] = []

    def offer(self, events: list[Event]) -> None:
        self.offered += [event.id for event in events]


async def test_its_own_messages_are_not_read_and_those_of_others_are(monkeypatch: pytest.MonkeyPatch) -> None:
    def fanout(installation: str) -> tuple[Fanout, Dispatcher]:
        heard: Any = Dispatcher()
        return Fanout(Redis("redis://unused", Metrics(), Names(installation)), heard), heard

    (one, of_one), (other, of_other), (stranger, of_stranger) = (
        fanout("hogwarts"),
        fanout("hogwarts"),
        fanout("durmstrang"),
    )
    one.events([Event(5, EventType.INCIDENT_UPDATED, 7, {})])
    of_one.offered.clear()
    payload = orjson.dumps({**one._sender, **one._outgoing.get_nowait()})
    other._received(payload)
    stranger._received(payload)
    monkeypatch.setattr(module, "json", None)  # nothing is left to read it with
    one._received(payload)

    assert (of_one.offered, of_other.offered, of_stranger.offered) == ([], [5], [])
