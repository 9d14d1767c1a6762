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

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from aiohttp import web

from maraudersmap_api.errors import DomainError
from maraudersmap_api.http.answers import PRIVATE
from maraudersmap_api.http.compiling import compiled
from maraudersmap_api.http.operations import Operation, operation_of
from maraudersmap_api.http.signature import JSON, Answer, Idempotency, IfMatch, Provider, RequestId
from maraudersmap_api.http.streams import Entitled, Pieces
from maraudersmap_api.wire import Encoded

__all__ = [  # what authors of handlers need is here
    "Answer",
    "Api",
    "Encoded",
    "Idempotency",
    "IfMatch",
    "Pieces",
    "Provider",
    "RequestId",
    "Routes",
]

F = TypeVar("F", bound=Callable[..., Awaitable[Any]])


class Api:
    """Registers handlers with aiohttp's router and remembers what they are.

    `after_write` is awaited between a handler that may have changed something and its answer; `entitled` is asked between
    the pieces of a long one.
    """

    def __init__(
        self,
        router: web.UrlDispatcher,
        providers: tuple[Provider[Any], ...] = (),
        after_write: Callable[[], Awaitable[None]] | None = None,
        entitled: Entitled | None = None,
    ) -> None:
        self._router = router
        self._after_write = after_write
        self._entitled = entitled
        self.providers: Mapping[Any, Provider[Any]] = {provider.kind: provider for provider in providers}
        self.operations: list[Operation] = []

    def tagged(self, tag: str, *, limited: bool = True, needs_database: bool = True) -> "Routes":
        """Routes of one subject. `limited` False: exempt from rate limits; see metrics.FOR_MACHINES."""
        return Routes(self, tag, limited=limited, needs_database=needs_database)

    def add(
        self, operation: Operation, handler: Callable[..., Awaitable[Any]], cache: Mapping[str, str]
    ) -> None:
        """Compile and register one handler."""
        after = None if operation.method == "GET" else self._after_write
        answer = compiled(handler, operation, cache, self.providers, after, self._entitled)
        if operation.method == "GET":
            self._router.add_get(operation.path, answer)  # HEAD comes with it
        else:
            self._router.add_route(operation.method, operation.path, answer)
        self.operations.append(operation)


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
            operation = operation_of(
                handler,
                method=method,
                path=path,
                tag=self._tag,
                name=name or handler.__name__,
                produces=produces,
                limited=self._limited,
                needs_database=self._needs_database,
                providers=self._api.providers,
            )
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
