"""Cursors: where a reader stopped, bound to what was being read. Pure.

A cursor is not secret and not signed: it only means "after this place", and whatever is read from there is filtered
and judged like any other request. It is bound to its filters so that a client that changes them halfway gets an
error instead of a list with holes.
"""

import base64
import binascii
import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from maraudersmap_api.errors import ValidationError
from maraudersmap_api.fields import INT64_MAX
from maraudersmap_api.incidents.models import Filters, ListQuery, Order, Sort
from maraudersmap_api.wire import encode

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
# Milliseconds from the epoch to the ends of the calendar that Python's times have: beyond them there is no such moment.
_EARLIEST = -62_135_596_800_000  # 0001-01-01T00:00:00.000Z
_LATEST = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z
_LARGEST_RANK = 4


@dataclass(frozen=True, slots=True)
class Place:
    """The last row that was read. `rank` is the severity's or the stage's number, 0 when sorting by time alone."""

    rank: int
    reported_at: datetime
    id: int


def write_cursor(place: Place, query: ListQuery) -> str:
    """The place as text for the client."""
    milliseconds = (place.reported_at - _EPOCH) // _MILLISECOND
    values = [_binding(query), place.rank, milliseconds, place.id]
    return base64.urlsafe_b64encode(encode(values)).rstrip(b"=").decode()


def read_cursor(text: str, query: ListQuery) -> Place:
    """The place again. Raises ValidationError when the text is none of ours or belongs to another list."""
    match _values(text):
        case [str() as binding, int() as rank, int() as milliseconds, int() as number] if (
            0 <= rank <= _LARGEST_RANK and _EARLIEST <= milliseconds <= _LATEST and 0 < number <= INT64_MAX
        ):
            if binding != _binding(query):
                raise ValidationError.of("cursor", "cursor belongs to other filters or another order")
            return Place(rank, _EPOCH + milliseconds * _MILLISECOND, number)
        case _:
            raise ValidationError.of("cursor", "cursor is not one that this service gave")


def _values(text: str) -> Any:
    try:
        raw = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        return json.loads(raw)
    except (binascii.Error, ValueError, RecursionError):
        return None


def _binding(query: ListQuery) -> str:
    return _digest(query.filters, query.sorted_by, query.order)


@lru_cache(maxsize=256)
def _digest(filters: Filters, sort: Sort, order: Order) -> str:
    asked = json.dumps([asdict(filters), sort.value, order.value], default=str)
    return hashlib.sha256(asked.encode()).hexdigest()[:12]


def is_ranked(sort: Sort) -> bool:
    """Does this order go by a number first?"""
    return sort in (Sort.SEVERITY, Sort.STATUS)
