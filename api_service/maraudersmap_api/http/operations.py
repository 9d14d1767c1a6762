"""A route as the document describes it, read off its handler."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin, get_type_hints

from maraudersmap_api.errors import Conflict, DomainError, IdempotencyMisuse, NotFound, PreconditionFailed
from maraudersmap_api.http.models import Model, camel, model
from maraudersmap_api.http.signature import JSON, Answer, Idempotency, IfMatch, Provider


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


def operation_of(
    handler: Callable[..., Any],
    *,
    method: str,
    path: str,
    tag: str,
    name: str,
    produces: str,
    limited: bool,
    needs_database: bool,
    providers: Mapping[Any, Provider[Any]],
) -> Operation:
    """What the handler's signature and docstring say of its route."""
    hints = get_type_hints(handler, include_extras=True)
    returned = hints.pop("return", None)
    kinds = set(hashable(hints.values()))
    summary, _, description = (inspect.getdoc(handler) or name).partition("\n")
    answer = get_args(returned)[0] if get_origin(returned) is Answer and produces == JSON else None
    empty = returned is type(None)
    implied: tuple[type[DomainError], ...] = ()
    path_parameters = tuple(
        (wire, kind) for attribute, kind in hints.items() if "{" + (wire := camel(attribute)) + "}" in path
    )
    if any(kind is int for _, kind in path_parameters):
        implied = (NotFound,)
    if IfMatch in kinds:
        implied = (*implied, PreconditionFailed)
    if Idempotency in kinds:
        implied = (*implied, Conflict, IdempotencyMisuse)
    provided = [providers[kind] for kind in kinds if kind in providers]
    return Operation(
        method=method,
        path=path,
        tag=tag,
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
        signed_in=any(provider.signs_in for provider in provided),
        limited=limited,
        needs_database=needs_database,
        if_match=IfMatch in kinds,
        idempotent=Idempotency in kinds,
    )


def hashable(values: Any) -> list[Any]:
    """Those that can be looked up in a set of types."""
    return [value for value in values if getattr(value, "__hash__", None)]
