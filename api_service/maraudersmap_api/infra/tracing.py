"""Traces of OpenTelemetry: off by default, and then nothing of it is imported and nothing is asked for each request.

When on, other classes take the place of the usual ones (a connection whose statements are spans, a Redis whose calls are),
chosen when the service is built. SQL and Redis are spans within a request only: health checks and background reading each
second would bury everything else.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from maraudersmap_api import SERVICE_NAME, __version__
from maraudersmap_api.infra.db import MeasuredConnection, Row
from maraudersmap_api.infra.metrics import Metrics
from maraudersmap_api.infra.redis import Redis
from maraudersmap_api.infra.redis_line import Command

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Tracer


FLUSH_SECONDS = 5.0
"""What the receiver of the last spans gets before the process goes without them."""


class Tracing:
    """The library, set up. Settings of sampling, batches and the receiver are the standard variables OTEL_*."""

    def __init__(self, processor: "SpanProcessor | None" = None) -> None:
        """`processor` None: batches to the OTLP receiver. Raises ImportError without the extra `otel`."""
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider

        if processor is None:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.trace.export import BatchSpanProcessor

            processor = BatchSpanProcessor(OTLPSpanExporter())
        named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get(
            "OTEL_RESOURCE_ATTRIBUTES", ""
        )
        attributes = {"service.version": __version__} | ({} if named else {"service.name": SERVICE_NAME})
        self._provider = TracerProvider(resource=Resource.create(attributes), shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self.tracer: Tracer = self._provider.get_tracer(SERVICE_NAME, __version__)

    def close(self) -> None:
        """Send what is left, for FLUSH_SECONDS at most. Blocks: call it in a thread."""
        # The library waits for as long as its receiver does not answer; a daemon holds nothing up.
        ending = threading.Thread(target=self._provider.shutdown, name="otel-shutdown", daemon=True)
        ending.start()
        ending.join(FLUSH_SECONDS)

    def connection(self, connection: Any, metrics: Metrics) -> "TracedConnection":
        """For Database: a connection whose statements are spans."""
        return TracedConnection(connection, metrics, self.tracer)


@contextmanager
def _span(tracer: "Tracer", name: str, system: str, attributes: dict[str, str]) -> Iterator[None]:
    """A span within a request's, of a call to another server; nothing outside of one."""
    from opentelemetry.trace import SpanKind, Status, StatusCode, get_current_span

    if not get_current_span().is_recording():
        yield
        return
    with tracer.start_as_current_span(
        name,
        kind=SpanKind.CLIENT,
        attributes={"db.system.name": system, **attributes},
        record_exception=False,  # a driver's text may hold values
        set_status_on_exception=False,
    ) as span:
        try:
            yield
        except BaseException as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(Status(StatusCode.ERROR))
            raise


class TracedConnection(MeasuredConnection):
    """Statements with their text, never with their arguments."""

    __slots__ = ("_tracer",)

    def __init__(self, connection: Any, metrics: Metrics, tracer: "Tracer") -> None:
        super().__init__(connection, metrics)
        self._tracer = tracer

    async def fetch(self, query: str, *args: Any) -> list[Row]:
        with self._statement(query):
            return await super().fetch(query, *args)

    async def fetchrow(self, query: str, *args: Any) -> Row | None:
        with self._statement(query):
            return await super().fetchrow(query, *args)

    async def fetchval(self, query: str, *args: Any) -> Any:
        with self._statement(query):
            return await super().fetchval(query, *args)

    async def execute(self, query: str, *args: Any) -> str:
        with self._statement(query):
            return await super().execute(query, *args)

    def _statement(self, query: str) -> Any:
        text = " ".join(query.split())
        name = text.partition(" ")[0].upper()
        return _span(self._tracer, name, "postgresql", {"db.query.text": text, "db.operation.name": name})


class TracedRedis(Redis):
    """Commands by name, never with keys or values."""

    def __init__(self, tracer: "Tracer", *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._tracer = tracer

    async def send(self, *commands: Command) -> list[Any]:
        name = " ".join(dict.fromkeys(str(command[0]).upper() for command in commands))
        with _span(self._tracer, name, "redis", {"db.operation.name": name}):
            return await super().send(*commands)
