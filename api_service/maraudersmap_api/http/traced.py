"""The span of a request, and the trace that a request belongs to."""

import re
from collections.abc import Awaitable, Callable

from aiohttp import web

from maraudersmap_api.http.reading import header, route_of
from maraudersmap_api.infra.metrics import FOR_MACHINES
from maraudersmap_api.infra.tracing import Tracing

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

UNTRACED = FOR_MACHINES | {"/ws"}
"""Probes and scrapes are not traced; a socket's span would end with it, hours later."""
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_NONE = "0" * 32


def given_trace(request: web.Request) -> str | None:
    """The trace that the caller names (W3C traceparent), for log lines; None without a good one."""
    given = header(request, "traceparent")
    if given is None:
        return None
    found = _TRACEPARENT.fullmatch(given)
    return None if found is None or given.startswith("ff") or found[1] == _NONE else found[1]


class RequestSpans:
    """Puts a span around what answers a request; it continues the caller's trace."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracer = tracing.tracer

    def around(self, answer: Answer) -> Answer:
        """The handler that the server calls, traced."""
        from opentelemetry.trace import SpanKind, Status, StatusCode
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        caller = TraceContextTextMapPropagator()

        async def traced(request: web.Request) -> web.StreamResponse:
            path = request.path
            if path in UNTRACED:
                return await answer(request)
            names = ("traceparent", "tracestate")
            carried = {name: value for name in names if (value := header(request, name)) is not None}
            attributes = {"http.request.method": request.method, "url.path": path}
            with self._tracer.start_as_current_span(
                request.method,
                context=caller.extract(carried),
                kind=SpanKind.SERVER,
                attributes=attributes,
                record_exception=False,
            ) as span:
                response = await answer(request)
                route = route_of(request)
                if route is not None:
                    span.update_name(f"{request.method} {route}")
                    span.set_attribute("http.route", route)
                span.set_attribute("http.response.status_code", response.status)
                if response.status >= 500:
                    span.set_status(Status(StatusCode.ERROR))
                return response

        return traced

    def trace_of(self, request: web.Request) -> str | None:
        """The trace that is being written, else the one that the caller names."""
        from opentelemetry.trace import format_trace_id, get_current_span

        context = get_current_span().get_span_context()
        return format_trace_id(context.trace_id) if context.is_valid else given_trace(request)
