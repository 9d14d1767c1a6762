"""Which events are read and rendered together, so that it fits into memory. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from maraudersmap_api.outbox.models import Event, EventType

PORTION_BYTES = 256 * 1024
"""Of frames, and of incidents read for them, plus at most one of either more."""

LIGHT_BYTES = 4 * 1024  # a comment, a notification, a mere number
_LIGHT = frozenset(
    {
        EventType.COMMENT_CREATED,
        EventType.COMMENT_DELETED,
        EventType.INCIDENT_DELETED,
        EventType.NOTIFICATION_NEW,
    }
)


def portions(
    events: Sequence[Event], weights: Mapping[int, int], most: int = PORTION_BYTES
) -> Iterator[list[Event]]:
    """The same events in the same order. `weights`: bytes of their incidents."""
    portion: list[Event] = []
    known: set[int] = set()
    size = 0
    for event in events:
        weight = weights.get(event.incident_id, 0)
        size += LIGHT_BYTES
        if event.type not in _LIGHT:
            size += weight  # each event is a frame of its own
        if event.incident_id not in known:
            size += weight  # but is read once
            known.add(event.incident_id)
        portion.append(event)
        if size > most:
            yield portion
            portion, known, size = [], set(), 0
    if portion:
        yield portion
