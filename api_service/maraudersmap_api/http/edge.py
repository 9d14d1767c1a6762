"""The outermost layer: every answer passes here, whatever went wrong on the way.

It sits outside aiohttp's middlewares because aiohttp itself refuses some requests before any of them run (a failed
expectation) and, with asyncio's debug mode on, would put tracebacks into its own 500s.
For each request: an id, two log lines, metrics, an error as JSON, the security headers, and `Connection: close`
when this connection should end.
"""

import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from maraudersmap_api.addresses import whole_site_of
from maraudersmap_api.errors import BadRequest
from maraudersmap_api.http.heads import doubtful
from maraudersmap_api.http.problems import malformed_response, problem_response, unquoted, unshown
from maraudersmap_api.http.reading import header, let_go, route_of
from maraudersmap_api.infra.logs import error_context, log, log_line, request_context
from maraudersmap_api.infra.metrics import UNMATCHED, Metrics
from maraudersmap_api.infra.parsing import understand
from maraudersmap_api.infra.turns import asking

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

REQUEST_ID = web.RequestKey("REQUEST_ID", str)
USER_ID = web.RequestKey("USER_ID", str)
"""Whose credential, valid at this moment, came with the request; absent for anonymous ones."""
UNJUDGED = web.RequestKey("UNJUDGED", bool)
"""There is a credential, but it cannot be known now whether it is still valid."""
ROUTED = web.RequestKey("ROUTED", bool)
"""There once aiohttp has found the route and code of ours runs."""
DOUBTFUL = web.RequestKey("DOUBTFUL", str)
"""Why it can be read in two ways (see heads.py), or that its body broke: where the next request begins is not known."""
EXTRA_HEADERS = web.RequestKey("EXTRA_HEADERS", dict[str, str])
"""Headers for the answer, success or not (rate limits, CORS)."""

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-XSS-Protection": "1; mode=block",
    "Strict-Transport-Security": "max-age=31536000",  # settings may add to it
    "Content-Security-Policy": "default-src 'self'",
}
SERVER = "marauders-map"
CLIENT_WENT_AWAY = 499
"""What nginx writes into its log, and no status of HTTP's: no one gets this answer. Logs and metrics, and what judges a
revision by them, must not take a client that went away in the middle for a failure of ours."""
LONGEST_AGENT = 256  # characters of it in the log
_SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


@web.middleware
async def routed(request: web.Request, handler: Answer) -> web.StreamResponse:
    """The first of all middlewares: from here on a failure is ours. What can be read in two ways is marked."""
    request[ROUTED] = True
    if doubt := doubtful(request):
        request[DOUBTFUL] = doubt
    return await handler(request)


@web.middleware
async def understood(request: web.Request, handler: Answer) -> web.StreamResponse:
    """The last of all middlewares, so that what it refuses is counted, and a page may read why. Raises BadRequest for what
    can be read in two ways."""
    if doubt := request.get(DOUBTFUL):
        raise BadRequest(doubt)
    return await handler(request)


class Edge:
    """Wraps the application's handler; `closing` decides whether a request's connection should end after it."""

    def __init__(
        self,
        metrics: Metrics,
        closing: Callable[[web.Request], bool],
        *,
        hsts: str = SECURITY_HEADERS["Strict-Transport-Security"],
        address: Callable[[web.Request], str | None] = lambda request: request.remote,
        trace: Callable[[web.Request], str | None] = lambda _: None,
        around: Callable[[Answer], Answer] | None = None,
    ) -> None:
        """`trace` finds to which trace a request belongs; `around` may put something around all that answers it."""
        self._metrics = metrics
        self._closing = closing
        self._address = address
        self._trace = trace
        self._around = around
        self._security = {**SECURITY_HEADERS, "Strict-Transport-Security": hsts}

    def wrap(self, handler: Answer) -> Answer:
        """The handler that the server calls."""

        async def answer(request: web.Request) -> web.StreamResponse:
            started = time.perf_counter()
            request_id = request[REQUEST_ID] = _request_id(request)
            context: dict[str, Any] = {
                "userId": None,
                "requestId": request_id,
                "method": request.method,
                "path": request.path,
            }
            trace = understand("traceparent", self._trace, request)
            if trace is not None:
                context["traceId"] = trace
            request_context.set(context)
            origin = self._origin(request)
            place = whole_site_of(origin["ip"] or "")
            asking.set(place)
            log_line(logging.INFO, "Request received", origin)
            error: BaseException | None = None
            try:
                response = await handler(request)
            except Exception as problem:  # noqa: BLE001 - the last layer: everything becomes an answer
                error = problem
                if isinstance(problem, ConnectionError) and _has_gone(request):
                    response = web.Response(status=CLIENT_WENT_AWAY)
                elif ROUTED not in request and not isinstance(problem, web.HTTPException):
                    # Nothing of ours has run yet: aiohttp failed on bytes of the client (a header Expect that is not UTF-8).
                    response = problem_response(BadRequest("The request cannot be understood"), request_id)
                else:
                    response = problem_response(problem, request_id)
                if isinstance(problem, web.RequestPayloadError):
                    request[DOUBTFUL] = "The body broke off"
            finally:
                let_go(request)
            if not response.prepared:
                self.finish_headers(request, response)
                if DOUBTFUL in request:
                    response.force_close()
                    response.headers["Connection"] = "close"
            context["userId"] = request.get(USER_ID)
            self._account(request, response.status, time.perf_counter() - started, error, place)
            return response

        return answer if self._around is None else self._around(answer)

    async def on_prepare(self, request: web.Request, response: web.StreamResponse) -> None:
        """For answers that a handler sends itself (streams): same headers. All others have them by then."""
        if "X-Request-ID" not in response.headers:
            self.finish_headers(request, response)

    def finish_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        """Put on what every answer carries."""
        for name, value in self._security.items():
            response.headers.setdefault(name, value)  # the docs page has a policy of its own
        response.headers["Server"] = SERVER  # aiohttp would name itself and Python, with versions
        response.headers["X-Request-ID"] = request[REQUEST_ID]
        for name, value in request.get(EXTRA_HEADERS, {}).items():
            response.headers.setdefault(name, value)
        if response.status != 101 and self._closing(request):  # an upgrade's Connection header says "upgrade"
            response.force_close()
            response.headers["Connection"] = "close"

    def beyond(self, status: int, error: BaseException | None) -> web.Response:
        """The answer where no request could be made of it: 400 for bytes that are not HTTP, else our own failure.

        The connection cannot be used any further.
        """
        request_id = secrets.token_hex(16)
        response = (
            malformed_response(request_id) if status < 500 else problem_response(RuntimeError(), request_id)
        )
        response.headers.update({**self._security, "Server": SERVER, "X-Request-ID": request_id})
        response.headers["Connection"] = "close"
        response.force_close()
        context: dict[str, Any] = {"userId": None, "requestId": request_id, "method": None, "path": None}
        context["status"] = response.status
        if error is not None:
            frames, text = (1, unshown) if status < 500 else (None, unquoted)
            context["error"] = error_context(error, frames=frames, text=text)
        write = log.warning if status < 500 else log.error
        write("Malformed request" if status < 500 else "Request failed", extra={"context": context})
        self._metrics.requests.labels("OTHER", UNMATCHED, str(response.status)).inc()
        return response

    def _origin(self, request: web.Request) -> dict[str, Any]:
        """Where a request comes from, for its first line."""
        agent = header(request, "User-Agent")
        return {
            "userAgent": None if agent is None else agent[:LONGEST_AGENT],
            "ip": understand("X-Forwarded-For", self._address, request),
        }

    def _account(
        self,
        request: web.Request,
        status: int,
        seconds: float,
        error: BaseException | None,
        caller: str,
    ) -> None:
        self._metrics.observe_request(request.method, _route_template(request), status, seconds, caller)
        context: dict[str, Any] = {"duration_ms": round(seconds * 1000, 1), "status": status}
        if error is not None:
            # The whole stack of a bug; of a refusal only where it was decided.
            context["error"] = error_context(error, frames=None if status >= 500 else 3, text=unquoted)
        level = logging.ERROR if status >= 500 else logging.WARNING if status >= 400 else logging.INFO
        log_line(level, "Request completed", context)


def _has_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _request_id(request: web.Request) -> str:
    """The caller's id when it is harmless to repeat, else one of ours."""
    given = header(request, "X-Request-ID") or ""
    return given if _SANE_ID.fullmatch(given) else secrets.token_hex(16)


def _route_template(request: web.Request) -> str:
    return route_of(request) or UNMATCHED
