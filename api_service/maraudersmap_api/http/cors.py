"""CORS: configured origins only; errors carry the headers too, or a browser could not read why it was refused."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import hdrs, web

from maraudersmap_api.http.edge import DOUBTFUL, EXTRA_HEADERS
from maraudersmap_api.http.reading import header

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

METHODS = "GET, POST, PUT, PATCH, DELETE"
REQUEST_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-ID"
EXPOSED = (
    "Age, Allow, Content-Disposition, ETag, Idempotency-Replayed, Location, Retry-After, Warning, WWW-Authenticate, "
    "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, X-Request-ID"
)
"""Every header of ours that is meant for a page; browsers keep the others from it."""
PREFLIGHT_SECONDS = 600


def cors(origins: tuple[str, ...]) -> Any:
    """Middleware: answer preflights, mark answers to allowed origins."""
    allowed = frozenset(origins)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = header(request, hdrs.ORIGIN)
        extra = request.setdefault(EXTRA_HEADERS, {})
        extra["Vary"] = "Origin"
        if origin in allowed:
            extra["Access-Control-Allow-Origin"] = str(origin)
            extra["Access-Control-Expose-Headers"] = EXPOSED
        preflight = (
            request.method == "OPTIONS" and header(request, hdrs.ACCESS_CONTROL_REQUEST_METHOD) is not None
        )
        if not (preflight and origin is not None) or DOUBTFUL in request:
            return await handler(request)
        # Also for origins that are not allowed: without the headers above a browser goes no further.
        answer = web.Response(status=204)
        if origin in allowed:
            answer.headers["Access-Control-Allow-Methods"] = METHODS
            answer.headers["Access-Control-Allow-Headers"] = REQUEST_HEADERS
            answer.headers["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
        return answer

    return middleware
