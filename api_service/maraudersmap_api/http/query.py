"""Reading query strings: like Form, for values that are all text. Unknown and repeated names are refused."""

import re
from datetime import UTC, date, datetime, time
from enum import Enum, StrEnum
from typing import TypeVar
from uuid import UUID

from multidict import MultiMapping

from maraudersmap_api.errors import Detail, ValidationError

E = TypeVar("E", bound=Enum)
S = TypeVar("S", bound=StrEnum)


class Query:
    """Values of one query string; `finish` raises everything that was wrong."""

    def __init__(self, values: MultiMapping[str]) -> None:
        self._values = values
        self._asked: set[str] = set()
        self._details: list[Detail] = []

    def text(self, name: str, *, most: int) -> str:
        """Free text, trimmed."""
        value = self._take(name) or ""
        if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
            self.refuse(name, f"{name} holds characters that are not valid")
            return ""
        if len(value) > most:
            self.refuse(name, f"{name} must have at most {most} characters")
        return value.strip()

    def integer(self, name: str, *, default: int, least: int, most: int) -> int:
        """A whole number from `least` to `most`."""
        value = self._take(name)
        if value is None:
            return default
        if not re.fullmatch(r"[0-9]{1,12}", value) or not least <= int(value) <= most:
            self.refuse(name, f"{name} must be a whole number from {least} to {most}")
            return default
        return int(value)

    def choices(self, name: str, kind: type[E]) -> tuple[E, ...]:
        """A comma list of an enumeration's names."""
        value = self._take(name)
        if value is None:
            return ()
        items = [item.strip() for item in value.split(",")]
        if not all(item in kind.__members__ for item in items):
            self.refuse(name, f"{name} must be a comma list of {', '.join(kind.__members__)}")
            return ()
        return tuple(dict.fromkeys(kind[item] for item in items))

    def one_of(self, name: str, kind: type[S], *, default: S) -> S:
        """One of an enumeration's values."""
        value = self._take(name)
        if value is None:
            return default
        try:
            return kind(value)
        except ValueError:
            self.refuse(name, f"{name} must be one of {', '.join(kind)}")
            return default

    def uuid(self, name: str) -> UUID | None:
        """A UUID."""
        value = self._take(name)
        if value is None:
            return None
        try:
            return UUID(value)
        except ValueError:
            self.refuse(name, f"{name} must be a UUID")
            return None

    def moment(self, name: str) -> datetime | None:
        """RFC 3339 with an offset, or a date for its midnight in UTC."""
        value = self._take(name)
        if value is None:
            return None
        try:
            if re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
                return datetime.combine(date.fromisoformat(value), time(), UTC)
            # An unescaped + arrives as a space.
            moment = datetime.fromisoformat(re.sub(r" (?=\d{2}:\d{2}$)", "+", value))
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None or not 1 < moment.year < 9999:  # room for the offset
            self.refuse(name, f"{name} must be a time such as 2026-01-31T12:00:00Z, or a date")
            return None
        return moment

    def refuse(self, name: str, message: str) -> None:
        """Add a problem that the caller found."""
        self._details.append(Detail(name, message))

    def finish(self) -> None:
        """Raise ValidationError if anything was wrong."""
        for name in dict.fromkeys(self._values):
            shown = name if re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name) else "?"
            if name not in self._asked:
                self.refuse(shown, f"Query parameter {shown} is unknown")
            elif len(self._values.getall(name)) > 1:
                self.refuse(shown, f"Query parameter {shown} is given more than once")
        if self._details:
            raise ValidationError(self._details)

    def _take(self, name: str) -> str | None:
        self._asked.add(name)
        return self._values.get(name)
