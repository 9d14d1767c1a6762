"""Reading requests: one object that takes fields out of a body or a query and remembers every problem.

    form = Form(await read_object(request))
    title = form.text("title", most=255)
    ...
    form.finish()          # raises ValidationError with all problems, in the order the fields were asked for

Unknown fields are refused, so a misspelt optional field is never silently ignored.
"""

import asyncio
import json
import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, NoReturn, TypeVar

from aiohttp import web

from maraudersmap_api.errors import (
    Detail,
    NotFound,
    PayloadTooLarge,
    RequestTimeout,
    UnsupportedMediaType,
    ValidationError,
)

E = TypeVar("E", bound=Enum)

BODY_BYTES = 256 * 1024
BODY_SECONDS = 20.0
INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1


async def read_object(request: web.Request, *, optional: bool = False) -> dict[str, Any]:
    """The body as a JSON object; `optional` takes an empty one for {}.

    Raises UnsupportedMediaType, PayloadTooLarge, RequestTimeout and ValidationError.
    """
    if optional and not request.can_read_body:
        return {}
    if request.can_read_body and request.content_type != "application/json":
        raise UnsupportedMediaType("Send the body as application/json")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            raw = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise PayloadTooLarge(f"The body may have at most {BODY_BYTES // 1024} KiB") from None
    except TimeoutError:
        raise RequestTimeout(f"The body did not arrive within {BODY_SECONDS:.0f} s") from None
    return parse_object(raw)


def parse_object(raw: bytes) -> dict[str, Any]:
    """Strict JSON: UTF-8 only, no NaN, no depth or number that would hurt us. Raises ValidationError."""
    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        raise ValidationError.of("body", "The body is not valid UTF-8") from None
    except RecursionError:
        raise ValidationError.of("body", "The body is nested too deeply") from None
    except ValueError:  # JSONDecodeError, and integers of thousands of digits
        raise ValidationError.of("body", "The body is not valid JSON") from None
    if not isinstance(value, dict):
        raise ValidationError.of("body", "The body must be a JSON object")
    return value


def path_id(request: web.Request, name: str = "id") -> int:
    """A positive integer from the path; `12abc` is a 400, an integer beyond 64 bits a 404."""
    text = request.match_info[name]
    if not re.fullmatch(r"[0-9]{1,30}", text):
        raise ValidationError.of(name, "Id must be a whole number")
    number = int(text)
    if not 1 <= number <= INT64_MAX:
        raise NotFound("There is no such incident")
    return number


class Form:
    """Fields of one JSON object. Every getter returns a usable value even after a problem, so all are found."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self._asked: set[str] = set()
        self._details: list[Detail] = []

    def has(self, name: str) -> bool:
        """Was the field sent at all?"""
        return name in self._values

    def text(
        self,
        name: str,
        *,
        most: int,
        least: int = 0,
        required: bool = False,
        default: str = "",
        strip: bool = True,
    ) -> str:
        """A string of `least` to `most` characters; required means also not blank."""
        value = self._take(name)
        if value is None or (required and isinstance(value, str) and not value.strip()):
            if required:
                self._problem(name, f"{_label(name)} is required")
            return default
        if not isinstance(value, str):
            self._problem(name, f"{_label(name)} must be text")
            return default
        value = value.strip() if strip else value
        if problem := _text_problem(value):
            self._problem(name, f"{_label(name)} {problem}")
        elif len(value) < least:
            self._problem(name, f"{_label(name)} must have at least {least} characters")
        elif len(value) > most:
            self._problem(name, f"{_label(name)} must have at most {most} characters")
        return value

    def choice(
        self, name: str, kind: type[E], *, default: E | None = None, required: bool = False
    ) -> E | None:
        """One of an enumeration's names."""
        value = self._take(name)
        if value is None:
            if required:
                self._problem(name, f"{_label(name)} is required")
            return default
        if not isinstance(value, str) or value not in kind.__members__:
            self._problem(name, f"{_label(name)} must be one of {', '.join(kind.__members__)}")
            return default
        return kind[value]

    def count(self, name: str, *, default: int = 0, most: int = INT32_MAX) -> int:
        """A whole number from 0 to `most`."""
        value = self._take(name)
        if value is None:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
            self._problem(name, f"{_label(name)} must be a whole number from 0 to {most}")
            return default
        return value

    def texts(self, name: str, *, most_items: int, most: int, url: bool = False) -> tuple[str, ...]:
        """A list of strings, each not blank and of at most `most` characters."""
        value = self._take(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            self._problem(name, f"{_label(name)} must be a list")
            return ()
        if len(value) > most_items:
            self._problem(name, f"{_label(name)} may have at most {most_items} entries")
            return ()
        items: list[str] = []
        for index, item in enumerate(value):
            problem = _item_problem(item, most=most, url=url)
            if problem:
                self._problem(f"{name}[{index}]", f"{_label(name)}: entry {index + 1} {problem}")
            else:
                items.append(item.strip())
        return tuple(items)

    def refuse(self, name: str, message: str) -> None:
        """Add a problem that the caller found."""
        self._problem(name, message)

    def finish(self) -> None:
        """Raise ValidationError if anything was wrong, unknown fields included."""
        for name in self._values:
            if name not in self._asked:
                shown = name if re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name) else "?"
                self._problem(shown, f"Field {shown} is unknown or cannot be set")
        if self._details:
            raise ValidationError(self._details)

    def _take(self, name: str) -> Any:
        self._asked.add(name)
        return self._values.get(name)

    def _problem(self, name: str, message: str) -> None:
        self._details.append(Detail(name, message))


def _text_problem(value: str) -> str | None:
    """What PostgreSQL or a reader could not take."""
    if "\x00" in value:
        return "must not contain the NUL character"
    if any("\ud800" <= character <= "\udfff" for character in value):
        return "is not valid Unicode"
    return None


def _item_problem(item: Any, *, most: int, url: bool) -> str | None:
    if not isinstance(item, str) or not item.strip():
        return "must be text and not blank"
    if problem := _text_problem(item):
        return problem
    if len(item.strip()) > most:
        return f"must have at most {most} characters"
    if url and not re.fullmatch(r"https?://[^\s/?#]+[^\s]*", item.strip(), re.IGNORECASE):
        return "must be an http or https address"
    return None


def _label(name: str) -> str:
    """`firstName` as `First name`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
    return words[:1].upper() + words[1:]


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
