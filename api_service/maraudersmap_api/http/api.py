"""The front door: a handler's signature is read once, at registration, and gives both validation and the document.

How to write a handler:

    def add_incident_routes(api: Api, incidents: IncidentService) -> None:
        routes = api.tagged("incidents")

        @routes.patch("/api/incidents/{id}", refuses=(Forbidden, NotFound, PreconditionFailed), sends=("ETag",))
        async def update(id: int, body: IncidentPatch, caller: User, if_match: IfMatch) -> Answer[IncidentJson]:
            \"\"\"Change an incident.

            Further lines are the description. The function's name becomes the operationId: incidents_update.
            \"\"\"
            incident = await incidents.update(id, body, actor=caller, allows=if_match.allows)
            return Answer(incident_json(incident), etag=incident.etag)

What a parameter is follows from its name and type:
- a name in the path template (`comment_id` for `{commentId}`): `int` (`12abc` is 400, beyond 64 bits 404) or `UUID`;
- `body: SomeDataclass`: the JSON body, see `fields.py`; optional when all of its fields are;
- `query: SomeDataclass`: the query string. Without one, every query name is refused;
- `IfMatch`: judges the header; `.allows(etag)` is True without one. Raise PreconditionFailed yourself, in your order;
- `Idempotency`: the Idempotency-Key (or None) with the digest of the body, to coalesce and replay by;
- `RequestId`, `web.Request` (the raw request: then query names are yours to judge);
- anything that app.py provides by type (`Provider`): `User` (401 unless signed in), `ClientAddress`.
What it returns is the schema: `Answer[SomeTypedDict]` (`outputs.py`); `None` is 204; `web.StreamResponse` is sent as it is
(name its `produces`). `Answer(Encoded(data), ...)` sends bytes of JSON that a cache kept, `Answer(Pieces(made), ...)` sends
a body while it is made (`streams.py`). A GET whose answer has an
`etag` becomes 304 by If-None-Match without further ado. `status=` is the success status, `refuses=` what the service
raises beyond what the signature implies (400, 401, 404 of a path id, 408, 413, 415, 429, 503); `cache=` PRIVATE or NO_STORE.
Order of what is checked here: signed in, query names, path, query, headers, body. Bad signatures raise TypeError at start.
"""

import hashlib
import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, NewType, TypeAlias, TypeVar, get_args, get_origin, get_type_hints
from uuid import UUID

import orjson
from aiohttp import web

from maraudersmap_api.errors import (
    Conflict,
    DomainError,
    IdempotencyMisuse,
    NotFound,
    PreconditionFailed,
    ValidationError,
)
from maraudersmap_api.fields import INT64_MAX, Uuid, Wrong
from maraudersmap_api.http.answers import PRIVATE
from maraudersmap_api.http.conditions import allows, known
from maraudersmap_api.http.edge import REQUEST_ID
from maraudersmap_api.http.models import Model, camel, model, query_problems
from maraudersmap_api.http.reading import (
    has_query,
    header,
    header_list,
    path_part,
    query_of,
    read_body,
    read_object,
    understand,
)
from maraudersmap_api.http.streams import Pieces

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Awaitable[Any]])
Reader: TypeAlias = Callable[[web.Request], Any]

JSON = "application/json"
RequestId = NewType("RequestId", str)
ClientAddress = NewType("ClientAddress", str)
"""Where the request comes from, as the rate limits see it."""


class Encoded(bytes):
    """JSON that is ready to be sent."""

    __slots__ = ()


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
    """How to get a parameter of type `kind`; `signs_in` if that refuses whoever is not signed in."""

    kind: Any
    get: Callable[[web.Request], Awaitable[T]]
    signs_in: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One route as the document describes it."""

    method: str
    path: str
    tag: str
    name: str
    summary: str
    description: str
    status: int
    produces: str | None  # None: no body
    answer: Any  # the TypedDict; None when there is no body or it is not JSON
    body: Model[Any] | None
    query: Model[Any] | None
    path_parameters: tuple[tuple[str, type], ...]
    refuses: tuple[type[DomainError], ...]
    sends: tuple[str, ...]
    also: Mapping[int, str]
    signed_in: bool
    limited: bool
    needs_database: bool
    if_match: bool
    idempotent: bool


class Api:
    """Registers handlers with aiohttp's router and remembers what they are.

    `after_write` is awaited between a handler that may have changed something and its answer.
    """

    def __init__(
        self,
        router: web.UrlDispatcher,
        providers: tuple[Provider[Any], ...] = (),
        after_write: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._router = router
        self._after_write = after_write
        self._providers = {provider.kind: provider for provider in providers}
        self.operations: list[Operation] = []

    def tagged(self, tag: str, *, limited: bool = True, needs_database: bool = True) -> "Routes":
        """Routes of one subject. `limited` False: exempt from rate limits; see callers.EXEMPT."""
        return Routes(self, tag, limited=limited, needs_database=needs_database)

    def add(
        self, operation: Operation, handler: Callable[..., Awaitable[Any]], cache: Mapping[str, str]
    ) -> None:
        """Compile and register one handler."""
        plan = _Plan(handler, operation, self._providers)
        after = None if operation.method == "GET" else self._after_write
        answer = _compiled(handler, plan, operation, cache, after)
        if operation.method == "GET":
            self._router.add_get(operation.path, answer)  # HEAD comes with it
        else:
            self._router.add_route(operation.method, operation.path, answer)
        self.operations.append(operation)

    def provider(self, kind: Any) -> Provider[Any] | None:
        """Who makes parameters of this type."""
        return self._providers.get(kind)


class Routes:
    """Decorators for the methods of HTTP."""

    def __init__(self, api: Api, tag: str, *, limited: bool, needs_database: bool) -> None:
        self._api = api
        self._tag = tag
        self._limited = limited
        self._needs_database = needs_database

    def get(self, path: str, **options: Any) -> Callable[[F], F]:
        """GET (and HEAD)."""
        return self.route("GET", path, **options)

    def post(self, path: str, **options: Any) -> Callable[[F], F]:
        """POST."""
        return self.route("POST", path, **options)

    def put(self, path: str, **options: Any) -> Callable[[F], F]:
        """PUT."""
        return self.route("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> Callable[[F], F]:
        """PATCH."""
        return self.route("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> Callable[[F], F]:
        """DELETE."""
        return self.route("DELETE", path, **options)

    def route(
        self,
        method: str,
        path: str,
        *,
        status: int | None = None,
        refuses: tuple[type[DomainError], ...] = (),
        sends: tuple[str, ...] = (),
        also: Mapping[int, str] | None = None,
        cache: Mapping[str, str] = PRIVATE,
        produces: str = JSON,
        name: str | None = None,
    ) -> Callable[[F], F]:
        """Register the decorated handler; `also` has further statuses with the same body and their descriptions."""

        def register(handler: F) -> F:
            operation = self._operation(method, path, handler, name or handler.__name__, produces)
            operation = replace(
                operation,
                status=status or operation.status,
                refuses=tuple(dict.fromkeys((*operation.refuses, *refuses))),
                sends=sends,
                also=dict(also or {}),
            )
            self._api.add(operation, handler, cache)
            return handler

        return register

    def _operation(
        self, method: str, path: str, handler: Callable[..., Any], name: str, produces: str
    ) -> Operation:
        hints = get_type_hints(handler, include_extras=True)
        returned = hints.pop("return", None)
        kinds = set(_hashable(hints.values()))
        summary, _, description = (inspect.getdoc(handler) or name).partition("\n")
        answer = get_args(returned)[0] if get_origin(returned) is Answer and produces == JSON else None
        empty = returned is type(None)
        implied: tuple[type[DomainError], ...] = ()
        path_parameters = tuple(
            (wire, kind)
            for attribute, kind in hints.items()
            if "{" + (wire := camel(attribute)) + "}" in path
        )
        if any(kind is int for _, kind in path_parameters):
            implied = (NotFound,)
        if IfMatch in kinds:
            implied = (*implied, PreconditionFailed)
        if Idempotency in kinds:
            implied = (*implied, Conflict, IdempotencyMisuse)
        providers = [self._api.provider(kind) for kind in kinds]
        return Operation(
            method=method,
            path=path,
            tag=self._tag,
            name=name,
            summary=summary.strip().rstrip("."),
            description=inspect.cleandoc(description),
            status=204 if empty else 200,
            produces=None if empty else produces,
            answer=answer,
            body=model(hints["body"]) if "body" in hints else None,
            query=model(hints["query"]) if "query" in hints else None,
            path_parameters=path_parameters,
            refuses=implied,
            sends=(),
            also={},
            signed_in=any(provider.signs_in for provider in providers if provider),
            limited=self._limited,
            needs_database=self._needs_database,
            if_match=IfMatch in kinds,
            idempotent=Idempotency in kinds,
        )


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
        self.refuses_queries = operation.query is None and web.Request not in _hashable(hints.values())
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
        """Fill in what the request's head tells. Raises ValidationError, NotFound."""
        if self.refuses_queries and has_query(request):
            _refuse_queries(request)
        for name, read in self.now:
            arguments[name] = read(request)


def _compiled(
    handler: Callable[..., Awaitable[Any]],
    plan: _Plan,
    operation: Operation,
    cache: Mapping[str, str],
    after_write: Callable[[], Awaitable[None]] | None,
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The handler that aiohttp calls."""
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
            return await result.body.send(request, status=result.status or status, headers=headers)
        body = result.body if isinstance(result.body, bytes) else encode(result.body)
        return web.Response(body=body, status=result.status or status, headers=headers)

    return answer


def encode(value: Any) -> Encoded:
    """Compact UTF-8 JSON."""
    return Encoded(orjson.dumps(value))


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
    # The body was read before, so this costs nothing; without a key nobody looks at the digest.
    return Idempotency(key, b"" if key is None else hashlib.sha256(await read_body(request)).digest())


def _refuse_queries(request: web.Request) -> None:
    if details := query_problems(query_of(request), frozenset()):
        raise ValidationError(details)


def _not_modified(request: web.Request, etag: str) -> bool:
    given = header_list(request, "If-None-Match")
    return given is not None and known(given, etag)


def _content_type(produces: str | None) -> str:
    return "application/json; charset=utf-8" if produces == JSON else produces or ""


def _hashable(values: Any) -> list[Any]:
    return [value for value in values if getattr(value, "__hash__", None)]
