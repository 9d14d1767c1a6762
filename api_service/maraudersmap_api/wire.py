"""How values look in JSON: what shapes of answers and frames are made of."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson


@dataclass(frozen=True, slots=True)
class Format:
    """A string's format, such as `uuid` or `uri`: a note for the document."""

    name: str


Timestamp = Annotated[str, Format("date-time")]
"""RFC 3339, UTC, milliseconds: `rfc3339`."""

Id = Annotated[str, Format("uuid")]


class Encoded(bytes):
    """JSON that is ready to be sent."""

    __slots__ = ()


def encode(value: Any) -> Encoded:
    """Compact UTF-8 JSON."""
    return Encoded(orjson.dumps(value))


def rfc3339(moment: datetime) -> str:
    """UTC with milliseconds and Z."""
    if moment.tzinfo is not UTC:  # what the database gives already is
        moment = moment.astimezone(UTC)
    # A list has some fifty of them, and isoformat takes three times as long. It is quoted, and has no fraction that is zero.
    written = orjson.dumps(moment)
    return written[1:24].decode() + "Z" if moment.microsecond else written[1:20].decode() + ".000Z"


def rfc3339_or_none(moment: datetime | None) -> str | None:
    """The same for what may not have happened yet."""
    return None if moment is None else rfc3339(moment)
