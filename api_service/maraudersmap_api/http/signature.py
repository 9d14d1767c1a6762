"""The types that stand in a handler's signature; `api.py` explains what each of them means there."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, NewType, TypeVar

from aiohttp import web

from maraudersmap_api.http.conditions import allows
from maraudersmap_api.http.streams import Pieces
from maraudersmap_api.wire import Encoded

T = TypeVar("T")

JSON = "application/json"
RequestId = NewType("RequestId", str)


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """A success: `body` fits the declared schema. `status` None is the route's own."""

    body: T | Encoded | Pieces
    status: int | None = None
    etag: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IfMatch:
    """The If-Match header, None without one."""

    value: str | None

    def allows(self, etag: str) -> bool:
        """May something whose present tag is `etag` be changed? Weak tags never match."""
        return self.value is None or allows(self.value, etag)


@dataclass(frozen=True, slots=True)
class Idempotency:
    """The caller's key, and a digest that differs for different bodies."""

    key: str | None
    digest: bytes


@dataclass(frozen=True, slots=True)
class Provider(Generic[T]):
    """How to get a parameter of type `kind`; `signs_in` if that refuses callers who are not signed in."""

    kind: Any
    get: Callable[[web.Request], Awaitable[T]]
    signs_in: bool = False
