"""What a value from outside may be: constraints that annotate a dataclass and make it a body or a query.

    @dataclass(frozen=True, slots=True)
    class NewIncident:
        title: Annotated[str, Text(most=255)]                       # required, not blank, trimmed
        location: Location                                          # required; a StrEnum by value
        description: Annotated[str, Text(most=10_000, blank=True)] = ""
        severity: Severity = Severity.MISCHIEF                      # an IntEnum by name: its numbers are ours alone
        tags: Annotated[tuple[str, ...], Items(20, Text(most=50))] = ()
        house: House | None = None                                  # only what allows None takes null
        witness_count: Annotated[int, Whole(0, INT32_MAX)] = 0      # `witnessCount` on the wire

A field without a default is required. In a PATCH, `title: Annotated[str, Text(255)] | Unset = UNSET` distinguishes "not sent"
from every value. `bool`, `UUID` and `datetime` need no constraint. A method `problems(self) -> Iterable[Detail]`, if
there is one, judges what single fields cannot. Pure: nothing here knows HTTP; `models.py` compiles it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from enum import Enum, IntEnum
from typing import Any, Protocol, TypeAlias
from uuid import UUID

INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1

# What Unicode shows as nothing (its default ignorable code points), and control characters, for a class of a regular
# expression. The first is written as JavaScript reads it, too.
_UNSEEN_OF_TWO_BYTES = (
    r"\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    r"\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
)
UNSEEN = rf"{_UNSEEN_OF_TWO_BYTES}\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
_SEEN = re.compile(rf"[^\s{UNSEEN}]")

Schema: TypeAlias = dict[str, Any]
"""A JSON Schema (2020-12)."""


class Unset(Enum):
    """The type of `UNSET`: this field was not sent."""

    UNSET = "unset"


UNSET = Unset.UNSET


class Wrong(Exception):
    """A value that does not fit. `tail` completes the sentence that begins with the field's name.

    `entries` holds (index, tail) pairs instead when the fault is inside a list.
    """

    def __init__(self, tail: str = "", entries: Iterable[tuple[int, str]] = ()) -> None:
        super().__init__(tail)
        self.tail = tail
        self.entries = tuple(entries)


class Kind(Protocol):
    """One kind of value: how to read it from JSON and from a query string, and its schema. Readers raise Wrong."""

    def from_json(self, value: Any) -> Any: ...
    def from_text(self, text: str) -> Any: ...
    def schema(self) -> Schema: ...


@dataclass(frozen=True, slots=True)
class Text:
    """A string of `least` to `most` characters, trimmed unless `strip` is off. Blank is refused unless allowed.

    Blank is what shows nothing; of a `secret`, whose look does not matter, only white space. `pattern` must match the whole
    value (after `lower`); `otherwise` is then the sentence's tail. Lengths are taken before trimming, so that what happens
    is what the published schema has; but it takes the rarest of what is not seen, beyond U+FFFF, for text.
    """

    most: int
    least: int = 0
    blank: bool = False
    strip: bool = True
    lower: bool = False
    pattern: str | None = None
    otherwise: str = "is not of the right form"
    published_pattern: str | None = (
        None  # when the pattern for what arrives differs from that for what remains
    )
    secret: bool = False

    def from_json(self, value: Any) -> str:
        if not isinstance(value, str):
            raise Wrong("must be text")
        return self.from_text(value)

    def from_text(self, text: str) -> str:
        if not self.blank and not (text.strip() if self.secret else _SEEN.search(text)):
            raise Wrong("must not be blank")
        if problem := text_problem(text):
            raise Wrong(problem)
        if len(text) < self.least:
            raise Wrong(f"must have at least {self.least} characters")
        if len(text) > self.most:
            raise Wrong(f"must have at most {self.most} characters")
        text = text.strip() if self.strip else text
        text = lowered(text) if self.lower else text
        if self.pattern is not None and not re.fullmatch(self.pattern, text):
            raise Wrong(self.otherwise)
        return text

    def schema(self) -> Schema:
        blank = r"\x00\x1c-\x1f\x85" if self.secret else _UNSEEN_OF_TWO_BYTES
        any_text = r"^[^\x00]*$" if self.blank else rf"^[^\x00]*[^\s{blank}][^\x00]*$"
        schema: Schema = {"type": "string", "maxLength": self.most}
        if least := max(self.least, 0 if self.blank else 1):
            schema["minLength"] = least
        schema["pattern"] = self.published_pattern or (f"^{self.pattern}$" if self.pattern else any_text)
        if self.secret:
            schema["format"] = "password"
        return schema


@dataclass(frozen=True, slots=True)
class Url:
    """An absolute http or https address, of a form that a browser can follow."""

    most: int = 2048

    # The control characters by number: regular expressions differ in which of them they call white space.
    _BLANK = r"\s\x00-\x20\x7f-\xa0\ufeff"
    _HOST = rf"(?:\[[0-9A-Fa-f:.]+\]|[^{_BLANK}/?#@:%|<>\[\]\\^]+)"
    _PORT = r"(?::(?:6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[0-9]{0,4}))?"
    _USER = rf"(?:[^{_BLANK}/?#@\[\]\\]*@)?"
    _FORM = rf"[Hh][Tt][Tt][Pp][Ss]?://{_USER}{_HOST}{_PORT}(?:[/?#][^{_BLANK}]*)?"

    def from_json(self, value: Any) -> str:
        if not isinstance(value, str):
            raise Wrong("must be text")
        return self.from_text(value)

    def from_text(self, text: str) -> str:
        if problem := text_problem(text):
            raise Wrong(problem)
        if len(text) > self.most:
            raise Wrong(f"must have at most {self.most} characters")
        if not re.fullmatch(self._FORM, text):
            raise Wrong("must be an http or https address")
        return text

    def schema(self) -> Schema:
        return {"type": "string", "maxLength": self.most, "pattern": f"^{self._FORM}$"}


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number from `least` to `most`. In JSON 3.0 is one, as JSON Schema has it; true is none."""

    least: int
    most: int

    def from_json(self, value: Any) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not self.least <= value <= self.most:
            raise Wrong(f"must be a whole number from {self.least} to {self.most}")
        return value

    def from_text(self, text: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,19}", text) or not self.least <= int(text) <= self.most:
            raise Wrong(f"must be a whole number from {self.least} to {self.most}")
        return int(text)

    def schema(self) -> Schema:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false."""

    def from_json(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise Wrong("must be true or false")
        return value

    def from_text(self, text: str) -> bool:
        if text not in ("true", "false"):
            raise Wrong("must be true or false")
        return text == "true"

    def schema(self) -> Schema:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class OneOf:
    """A member of an enumeration: a StrEnum's by value, an IntEnum's by name."""

    kind: type[Enum]
    _members: dict[str, Enum] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_members", {wire_name(member): member for member in self.kind})

    def from_json(self, value: Any) -> Enum:
        if not isinstance(value, str):
            raise Wrong(f"must be one of {', '.join(self._members)}")
        return self.from_text(value)

    def from_text(self, text: str) -> Enum:
        member = self._members.get(text)
        if member is None:
            raise Wrong(f"must be one of {', '.join(self._members)}")
        return member

    def schema(self) -> Schema:
        return {"type": "string", "enum": list(self._members)}


@dataclass(frozen=True, slots=True)
class Uuid:
    """A UUID in its usual 36 characters."""

    def from_json(self, value: Any) -> UUID:
        if not isinstance(value, str):
            raise Wrong("must be a UUID")
        return self.from_text(value)

    def from_text(self, text: str) -> UUID:
        if not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text):
            raise Wrong("must be a UUID")
        return UUID(text)

    def schema(self) -> Schema:
        return {"type": "string", "format": "uuid"}


@dataclass(frozen=True, slots=True)
class Moment:
    """RFC 3339 with an offset, or a date for its midnight in UTC."""

    _FORM = (
        r"\d{4}-\d{2}-\d{2}[Tt ](?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d{1,9})?"
        r"(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)"
    )

    def from_json(self, value: Any) -> datetime:
        if not isinstance(value, str):
            raise Wrong("must be a time such as 2026-01-31T12:00:00Z, or a date")
        return self.from_text(value)

    def from_text(self, text: str) -> datetime:
        try:
            if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
                moment = datetime.combine(date.fromisoformat(text), time(), UTC)
            else:
                # An unescaped + arrives as a space.
                text = re.sub(r" (?=\d{2}:\d{2}$)", "+", text)
                # What else the parser takes for a time differs from one Python to the next: weeks, 24:00, no seconds.
                if not re.fullmatch(self._FORM, text, re.ASCII):
                    raise ValueError
                # A leap second, which RFC 3339 knows, counts as the one before.
                text = re.sub(r"(?<=:\d\d):60", ":59", text)
                moment = datetime.fromisoformat(text.upper())
        except ValueError:
            raise Wrong("must be a time such as 2026-01-31T12:00:00Z, or a date") from None
        if moment.tzinfo is None or not 1 < moment.year < 9999:  # room for the offset
            raise Wrong("must be a time such as 2026-01-31T12:00:00Z, or a date")
        return moment.astimezone(UTC)

    def schema(self) -> Schema:
        return {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}]}


@dataclass(frozen=True, slots=True)
class Items:
    """A list of at most `most` entries, each of kind `of`; in a query string, separated by commas.

    `distinct` drops repetitions, keeping the first.
    """

    most: int
    of: Kind
    distinct: bool = False

    def from_json(self, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise Wrong("must be a list")
        if len(value) > self.most:
            raise Wrong(f"may have at most {self.most} entries")
        return self._read(value, self.of.from_json)

    def from_text(self, text: str) -> tuple[Any, ...]:
        parts = [part.strip() for part in text.split(",")]
        if len(parts) > self.most:
            raise Wrong(f"may have at most {self.most} entries")
        try:
            return self._read(parts, self.of.from_text)
        except Wrong as wrong:
            tail = wrong.entries[0][1].replace("must be one of", "must be a comma list of")
            raise Wrong(tail) from None

    def _read(self, values: list[Any], read: Any) -> tuple[Any, ...]:
        items, problems = [], []
        for index, value in enumerate(values):
            try:
                items.append(read(value))
            except Wrong as wrong:
                problems.append((index, wrong.tail))
        if problems:
            raise Wrong(entries=problems)
        return tuple(dict.fromkeys(items)) if self.distinct else tuple(items)

    def schema(self) -> Schema:
        return {"type": "array", "items": self.of.schema(), "maxItems": self.most}


def lowered(text: str) -> str:
    """The same address in small letters. Of what has more than ASCII there is none: a Kelvin sign must not become a `k`."""
    return text.lower() if text.isascii() else text


def wire_name(member: Enum) -> str:
    """What stands for an enumeration's member in JSON."""
    return member.name if isinstance(member, IntEnum) else str(member.value)


def text_problem(value: str) -> str | None:
    """What PostgreSQL or a reader could not take."""
    if "\x00" in value:
        return "must not contain the NUL character"
    try:
        value.encode()  # fails for nothing but surrogates, and looks at 10,000 characters in a microsecond
    except UnicodeEncodeError:
        return "is not valid Unicode"
    return None
