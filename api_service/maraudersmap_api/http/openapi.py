"""The OpenAPI 3.1 document, made from the operations that are registered: it cannot drift from them."""

import re
from http import HTTPStatus
from typing import Any
from uuid import UUID

from maraudersmap_api import __version__
from maraudersmap_api.errors import (
    DomainError,
    ErrorCode,
    PayloadTooLarge,
    RateLimited,
    RequestTimeout,
    Unauthorized,
    Unavailable,
    UnsupportedMediaType,
    ValidationError,
)
from maraudersmap_api.fields import INT64_MAX, Schema, Uuid, Whole
from maraudersmap_api.http.answers import NO_STORE
from maraudersmap_api.http.api import Answer, Api, Encoded
from maraudersmap_api.http.operations import Operation
from maraudersmap_api.http.outputs import schema_of
from maraudersmap_api.http.problems import STATUS
from maraudersmap_api.http.signature import JSON
from maraudersmap_api.wire import encode

_HEADERS: dict[str, Schema] = {
    "X-Request-ID": {"description": "Names this request in the logs", "schema": {"type": "string"}},
    "X-RateLimit-Limit": {"description": "Requests allowed in a window", "schema": {"type": "integer"}},
    "X-RateLimit-Remaining": {"description": "Requests left in this window", "schema": {"type": "integer"}},
    "X-RateLimit-Reset": {
        "description": "Epoch second at which the window ends",
        "schema": {"type": "integer"},
    },
    "Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer"}},
    "ETag": {"description": "Names this version", "schema": {"type": "string"}},
    "Location": {"description": "Where it is now", "schema": {"type": "string"}},
}

_PROBLEM: Schema = {
    "type": "object",
    "description": "Every refusal has this shape",
    "required": ["error", "requestId"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string", "enum": [code.value for code in ErrorCode]},
                "message": {"type": "string"},
                "details": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["field", "message"],
                        "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
                    },
                },
            },
        },
        "requestId": {"type": "string"},
    },
}


def add_document_route(api: Api) -> None:
    """`/api/openapi.json`; made at the first request, when every route is there."""
    routes = api.tagged("service", needs_database=False)
    made: list[Encoded] = []

    @routes.get("/api/openapi.json", cache=NO_STORE)
    async def openapi() -> Answer[dict[str, Any]]:
        """This document."""
        if not made:
            made.append(encode(document(api.operations)))
        return Answer(made[0])


def document(operations: list[Operation]) -> dict[str, Any]:
    """The document of these operations."""
    components: dict[str, Schema] = {"Problem": _PROBLEM}
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "The Marauder's Map",
            "version": __version__,
            "description": "The incident register of the Ministry of Magic: report, view, escalate, discuss and "
            "resolve incidents. Times are RFC 3339 in UTC with milliseconds. Unknown fields and query names are "
            "refused. HEAD is answered wherever GET is.",
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for operation in operations)],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.items())),
            "headers": _HEADERS,
            "responses": {str(status): _problem_response(status) for status in sorted(set(STATUS.values()))},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def declared_statuses(operation: Operation) -> frozenset[int]:
    """Every status that the document promises for it."""
    implied: list[type[DomainError]] = [ValidationError]
    if operation.signed_in:
        implied.append(Unauthorized)
    if operation.limited:
        implied.append(RateLimited)
    if operation.needs_database:
        implied.append(Unavailable)
    if operation.body is not None:
        implied += [PayloadTooLarge, RequestTimeout, UnsupportedMediaType]
    refused = {STATUS[kind.code] for kind in (*implied, *operation.refuses)}
    conditional = {304} if operation.method == "GET" and "ETag" in operation.sends else set()
    return frozenset({operation.status, *operation.also, *refused, *conditional})


def _operation(operation: Operation, components: dict[str, Schema]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "tags": [operation.tag],
        "operationId": f"{operation.tag}_{operation.name}",
        "summary": operation.summary,
    }
    if operation.description:
        described["description"] = operation.description
    if parameters := _parameters(operation):
        described["parameters"] = parameters
    if operation.body is not None:
        components[operation.body.name] = operation.body.schema()
        described["requestBody"] = {
            "required": any(member.required for member in operation.body.members),
            "content": {JSON: {"schema": {"$ref": f"#/components/schemas/{operation.body.name}"}}},
        }
    described["responses"] = _responses(operation, components)
    if operation.signed_in:
        described["security"] = [{"bearer": []}]
    return described


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name, kind in operation.path_parameters:
        schema = Uuid().schema() if kind is UUID else Whole(1, INT64_MAX).schema()
        found.append({"name": name, "in": "path", "required": True, "schema": schema})
    for member in operation.query.members if operation.query else ():
        schema = member.schema()
        parameter = {"name": member.wire, "in": "query", "required": member.required, "schema": schema}
        if schema.get("type") == "array":
            schema["minItems"] = 1  # `status=` names no status
            parameter |= {"style": "form", "explode": False}
        found.append(parameter)
    if operation.if_match:
        found.append(_header("If-Match", "Change only this version; see ETag"))
    if operation.method == "GET" and "ETag" in operation.sends:
        found.append(_header("If-None-Match", "Answer 304 when this is still the version"))
    if operation.idempotent:
        schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}
        found.append(
            {**_header("Idempotency-Key", "The same key and body replay the answer"), "schema": schema}
        )
    return found


def _header(name: str, description: str) -> dict[str, Any]:
    schema = {"type": "string"}
    return {"name": name, "in": "header", "required": False, "description": description, "schema": schema}


def _responses(operation: Operation, components: dict[str, Schema]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status in sorted(declared_statuses(operation)):
        if status == operation.status or status in operation.also:
            responses[str(status)] = _success(operation, status, components)
        elif status == 304:
            responses["304"] = {"description": "Not modified"}
        else:
            responses[str(status)] = {"$ref": f"#/components/responses/{status}"}
    return responses


def _success(operation: Operation, status: int, components: dict[str, Schema]) -> dict[str, Any]:
    names = ["X-Request-ID", *operation.sends]
    if operation.limited:
        names += ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"]
    success: dict[str, Any] = {
        "description": operation.also.get(status) or HTTPStatus(status).phrase,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
    }
    if operation.answer is not None:
        success["content"] = {JSON: {"schema": schema_of(operation.answer, components)}}
    elif operation.produces is not None and status != 101:
        success["content"] = {operation.produces: {"schema": {"type": "string"}}}
    return success


def _problem_response(status: int) -> dict[str, Any]:
    headers = ["X-Request-ID", *(["Retry-After"] if status in (429, 503) else [])]
    codes = [code.value for code, number in STATUS.items() if number == status]
    return {
        "description": " or ".join(re.sub("_", " ", code).capitalize() for code in codes),
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in headers},
        "content": {JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
