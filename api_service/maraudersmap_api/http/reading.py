"""Reading what a client sent: the one place where its bytes become values, and where failing to read them is its fault.

Headers, path, query and body are taken through here and nowhere else (a unit test looks). Parsers state themselves what
they refuse; `understand` (infra/parsing.py) is for what was not foreseen.

A body is bounded in size and time, JSON and nothing else. What has arrived of all bodies together is bounded too: each
counts with what it has sent, until its request is over, so many who send slowly are no way to keep others out; nor is
one who sends a lot, who may have a part of it only.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import unquote_to_bytes

from aiohttp import StreamReader, web
from multidict import MultiMapping

from maraudersmap_api.errors import (
    DomainError,
    PayloadTooLarge,
    RequestTimeout,
    UnsupportedMediaType,
    ValidationError,
)
from maraudersmap_api.infra.budget import ByteBudget, Share
from maraudersmap_api.infra.parsing import NameTwice, strict_json, understand

BODY_BYTES = 256 * 1024
BODY_SECONDS = 20.0
BODIES_BYTES = 16 * 1024 * 1024
"""Of all requests at once: 64 bodies of the greatest size."""
BODIES_PARTS = 4
"""Of those of one caller; see ByteBudget."""

_SAME_BYTES = frozenset({"utf-8", "utf8", "us-ascii"})
"""Charsets in which ASCII and UTF-8 bytes mean what they do to us."""


@dataclass(frozen=True, slots=True)
class Bodies:
    """The purse that bodies are paid from, and by whom."""

    purse: ByteBudget
    caller: Callable[[web.Request], str]


BODIES = web.AppKey("BODIES", Bodies)
"""Where an application keeps it."""
SHARE = web.RequestKey("SHARE", Share)
"""What a request's body holds of it; the edge gives it back."""
_BODY = web.RequestKey("_BODY", object)
"""What reading it came to: the bytes, or the refusal, for half of a body is gone then."""


def header(request: web.Request, name: str) -> str | None:
    """A header's first line, None without one. Bytes that are not UTF-8 are lone surrogates in it."""
    return request.headers.get(name)


def header_lines(request: web.Request, name: str) -> list[str]:
    """Each line of a header; for lists, several lines mean the same as one with commas."""
    return request.headers.getall(name, [])


def header_list(request: web.Request, name: str) -> str | None:
    """All lines of a header that holds a list, as one; None without any."""
    lines = header_lines(request, name)
    return ", ".join(lines) if lines else None


def query_of(request: web.Request) -> MultiMapping[str]:
    """The names and values after the question mark. Raises ValidationError for what is not UTF-8, of which yarl would leave
    the percent signs as text."""
    raw = request.rel_url.raw_query_string
    if "%" in raw:
        try:
            unquote_to_bytes(raw).decode("utf-8")
        except UnicodeDecodeError:
            raise ValidationError.of("query", "The query is not valid UTF-8") from None
    return request.query


def has_query(request: web.Request) -> bool:
    """Is there anything after the question mark?"""
    return bool(request.query_string)


def path_part(request: web.Request, name: str) -> str:
    """What stands where the route has `{name}`."""
    return request.match_info[name]


def route_of(request: web.Request) -> str | None:
    """The template of the route that was found, None without one."""
    match_info = request.match_info
    resource = match_info.route.resource if match_info is not None else None
    return None if resource is None else resource.canonical


def host(request: web.Request) -> str:
    """The name under which the client found us."""
    return request.host


async def read_object(request: web.Request, *, optional: bool = False) -> dict[str, Any]:
    """The body as a JSON object; `optional` takes an empty one for {}.

    Raises UnsupportedMediaType, PayloadTooLarge, RequestTimeout, RateLimited, Unavailable and ValidationError.
    """
    if optional and not (request.can_read_body and await read_body(request)):
        return {}
    if request.can_read_body and understand("Content-Type", _content_type, request) != "application/json":
        raise UnsupportedMediaType("Send the body as application/json")
    if request.can_read_body and understand("Content-Type", _charset, request) not in _SAME_BYTES:
        raise UnsupportedMediaType("Send the body in UTF-8: no other charset is taken")
    return understand("The body", parse_object, await read_body(request))


async def read_body(request: web.Request) -> bytes:
    """All of it, as it was sent; a second call costs nothing.

    Raises UnsupportedMediaType for a compressed one, whose size is not known before it is unpacked; PayloadTooLarge,
    RequestTimeout, RateLimited when those of its caller are too much at once, Unavailable when all together are.
    """
    read = request.get(_BODY)
    if read is None:
        if understand("Content-Encoding", _codings, request) - {"identity"}:
            raise UnsupportedMediaType("Send the body as it is: a compressed one is not taken")
        if (request.content_length or 0) > request.client_max_size:
            raise _too_large()  # it says so itself: nothing of it has to be waited for, or held
        bodies = request.app[BODIES]
        share = request[SHARE] = bodies.purse.share(bodies.caller(request))
        try:
            read = await _arrived(request, share)
        except DomainError as refusal:
            share.release()
            read = refusal
        request[_BODY] = read
    if isinstance(read, DomainError):
        raise read
    return cast("bytes", read)


async def _arrived(request: web.Request, share: Share) -> bytes:
    """aiohttp would read it too, but without a word before it is whole."""
    if request.content.is_eof():  # it came with the head: there is nothing to wait for
        return await _collected(request, share)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _collected(request, share)
    except TimeoutError:
        raise RequestTimeout(f"The body did not arrive within {BODY_SECONDS:.0f} s") from None


async def _collected(request: web.Request, share: Share) -> bytes:
    body = bytearray()  # not pieces: each byte that comes alone would be an object
    while piece := await request.content.readany():
        if len(body) + len(piece) > request.client_max_size:
            raise _too_large()
        share.grow(len(piece))
        body += piece
    return bytes(body)


def body_stream(request: web.BaseRequest) -> StreamReader:
    """Where the bytes of its body arrive."""
    return request.content


def break_off(body: StreamReader) -> None:
    """What was to come of a body cannot be read: who waits for it learns it now. Nothing happens to one that is whole."""
    if not body.is_eof():
        body.set_exception(web.RequestPayloadError("not well-formed"))
        body.feed_eof()


def let_go(request: web.Request) -> None:
    """The request is over: what its body held is for others. Costs nothing for one without."""
    share = request.get(SHARE)
    if share is not None:
        share.release()


def parse_object(raw: bytes) -> dict[str, Any]:
    """Strict JSON: UTF-8 only, no NaN, no name twice, no depth or number that would hurt us. Raises ValidationError."""
    try:
        value = strict_json(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise ValidationError.of("body", "The body is not valid UTF-8") from None
    except RecursionError:
        raise ValidationError.of("body", "The body is nested too deeply") from None
    except NameTwice:
        raise ValidationError.of("body", "The body has a field twice") from None
    except ValueError:  # JSONDecodeError, and integers of thousands of digits
        raise ValidationError.of("body", "The body is not valid JSON") from None
    if not isinstance(value, dict):
        raise ValidationError.of("body", "The body must be a JSON object")
    return value


def _too_large() -> PayloadTooLarge:
    return PayloadTooLarge(f"The body may have at most {BODY_BYTES // 1024} KiB")


def _charset(request: web.Request) -> str:
    """Whatever is declared, bytes are read as UTF-8: another reader in front must not see other text."""
    return (request.charset or "utf-8").lower()


def _content_type(request: web.Request) -> str:
    return request.content_type


def _codings(request: web.Request) -> set[str]:
    """What was done to the body, in lower case."""
    named = (header_list(request, "Content-Encoding") or "").split(",")
    return {coding for name in named if (coding := name.strip().lower())}
