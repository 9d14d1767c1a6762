"""Handlers as aiohttp calls them: their arguments taken from the request, their answers made responses.

All that can be decided at registration is decided there; a request only runs through the lists of a plan.
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias, get_type_hints
from uuid import UUID

from aiohttp import web

from maraudersmap_api.errors import NotFound, ValidationError
from maraudersmap_api.fields import INT64_MAX, Uuid, Wrong
from maraudersmap_api.http.conditions import known
from maraudersmap_api.http.edge import REQUEST_ID
from maraudersmap_api.http.models import Model, camel, model, query_problems
from maraudersmap_api.http.operations import Operation, hashable
from maraudersmap_api.http.reading import (
    has_query,
    header,
    header_list,
    path_part,
    query_of,
    read_body,
    read_object,
)
from maraudersmap_api.http.signature import JSON, Answer, Idempotency, IfMatch, Provider, RequestId
from maraudersmap_api.http.streams import Entitled, Pieces
from maraudersmap_api.infra.parsing import understand
from maraudersmap_api.wire import encode

Reader: TypeAlias = Callable[[web.Request], Any]


def compiled(
    handler: Callable[..., Awaitable[Any]],
    operation: Operation,
    cache: Mapping[str, str],
    providers: Mapping[Any, Provider[Any]],
    after_write: Callable[[], Awaitable[None]] | None,
    entitled: Entitled | None,
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The handler that aiohttp calls. Raises TypeError when nothing can fill one of its parameters."""
    plan = _Plan(handler, operation, providers)
    head = {"Content-Type": _content_type(operation.produces), **cache}
    bodiless = dict(cache)
    conditional = operation.method == "GET"
    status = operation.status

    async def answer(request: web.Request) -> web.StreamResponse:
        arguments: dict[str, Any] = {}
        for name, provide in plan.first:
            arguments[name] = await provide(request)
        understand("The request", plan.read_now, request, arguments)
        for name, provide in plan.later:
            arguments[name] = await provide(request)
        result = await handler(**arguments)
        if after_write is not None:
            await after_write()
        if result is None:
            return web.Response(status=status, headers=bodiless)
        if not isinstance(result, Answer):
            return result  # type: ignore[no-any-return] # a stream
        headers = {**head, **result.headers}
        if result.etag is not None:
            headers["ETag"] = result.etag
            if conditional and _not_modified(request, result.etag):
                headers.pop("Content-Type")
                return web.Response(status=304, headers=headers)
        if isinstance(result.body, Pieces):
            return await result.body.send(
                request, status=result.status or status, headers=headers, entitled=entitled
            )
        body = result.body if isinstance(result.body, bytes) else encode(result.body)
        return web.Response(body=body, status=result.status or status, headers=headers)

    return answer


class _Plan:
    """Where each argument comes from, in the order of refusal."""

    def __init__(
        self, handler: Callable[..., Any], operation: Operation, providers: Mapping[Any, Provider[Any]]
    ) -> None:
        hints = get_type_hints(handler, include_extras=True)
        hints.pop("return", None)
        self.first: list[tuple[str, Callable[[web.Request], Awaitable[Any]]]] = []
        self.now: list[tuple[str, Reader]] = []
        self.later: list[tuple[str, Callable[[web.Request], Awaitable[Any]]]] = []
        self.refuses_queries = operation.query is None and web.Request not in hashable(hints.values())
        ranks: list[tuple[int, str, Reader]] = []
        wires = dict(operation.path_parameters)
        for name, kind in hints.items():
            if camel(name) in wires:
                ranks.append((0, name, _path_reader(camel(name), kind)))
            elif name == "query":
                ranks.append((1, name, _query_reader(model(kind))))
            elif name == "body":
                self.later.insert(0, (name, _body_reader(model(kind))))
            elif kind is IfMatch:
                ranks.append((2, name, lambda request: IfMatch(header_list(request, "If-Match"))))
            elif kind is RequestId:
                ranks.append((2, name, lambda request: request[REQUEST_ID]))
            elif kind is web.Request:
                ranks.append((2, name, lambda request: request))
            elif kind is Idempotency:
                self.later.append((name, _idempotency))
            elif kind in providers:
                provider = providers[kind]
                (self.first if provider.signs_in else self.later).append((name, provider.get))
            else:
                raise TypeError(
                    f"{operation.tag}.{operation.name}: nothing provides the parameter {name}: {kind}"
                )
        self.now = [(name, reader) for _, name, reader in sorted(ranks, key=lambda rank: rank[0])]
        missing = set(re.findall(r"{(\w+)}", operation.path)) - wires.keys()
        if missing:
            raise TypeError(f"{operation.tag}.{operation.name}: the path names {missing}, no parameter does")

    def read_now(self, request: web.Request, arguments: dict[str, Any]) -> None:
        """Fill in what the request's head gives. Raises ValidationError, NotFound."""
        if self.refuses_queries and has_query(request):
            _refuse_queries(request)
        for name, read in self.now:
            arguments[name] = read(request)


def _path_reader(wire: str, kind: Any) -> Reader:
    if kind is int:
        return lambda request: _path_int(wire, path_part(request, wire))
    if kind is UUID:
        return lambda request: _path_uuid(wire, path_part(request, wire))
    raise TypeError(f"{wire}: a path parameter is int or UUID, not {kind}")


def _path_int(wire: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,30}", text, re.ASCII):
        raise ValidationError.of(wire, f"{wire[:1].upper()}{wire[1:]} must be a whole number")
    number = int(text)
    if not 1 <= number <= INT64_MAX:
        raise NotFound("There is nothing with this id")
    return number


def _path_uuid(wire: str, text: str) -> UUID:
    try:
        return Uuid().from_text(text)
    except Wrong as wrong:
        raise ValidationError.of(wire, f"{wire[:1].upper()}{wire[1:]} {wrong.tail}") from None


def _query_reader(of: Model[Any]) -> Reader:
    return lambda request: of.from_query(query_of(request))


def _body_reader(of: Model[Any]) -> Callable[[web.Request], Awaitable[Any]]:
    optional = not any(member.required for member in of.members)

    async def read(request: web.Request) -> Any:
        return understand("The body", of.from_object, await read_object(request, optional=optional))

    return read


async def _idempotency(request: web.Request) -> Idempotency:
    key = header(request, "Idempotency-Key")
    if key is not None and not re.fullmatch(r"[\x21-\x7e]{1,255}", key):
        raise ValidationError.of(
            "Idempotency-Key", "Idempotency-Key must have 1 to 255 printable ASCII characters"
        )
    # The body was read before, so this costs nothing; without a key the digest is not used.
    return Idempotency(key, b"" if key is None else hashlib.sha256(await read_body(request)).digest())


def _refuse_queries(request: web.Request) -> None:
    if details := query_problems(query_of(request), frozenset()):
        raise ValidationError(details)


def _not_modified(request: web.Request, etag: str) -> bool:
    given = header_list(request, "If-None-Match")
    return given is not None and known(given, etag)


def _content_type(produces: str | None) -> str:
    return "application/json; charset=utf-8" if produces == JSON else produces or ""
