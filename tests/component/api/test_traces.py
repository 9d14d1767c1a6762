"""Traces: what is written, where it goes, and that without the setting nothing of it is there."""

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from dev.free_port import free_port
from dev.local_services import LocalRedis
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id
from tests.component.api.test_process import wait_ready
from tests.component.conftest import Api, environment, program, readiness

from maraudersmap_api.app import build
from maraudersmap_api.infra import logs
from maraudersmap_api.infra.tracing import Tracing
from maraudersmap_api.settings import load_settings

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
PARENT = {"traceparent": f"00-{TRACE}-{CALLER}-01"}


@asynccontextmanager
async def traced(database: str, **extra: str) -> AsyncIterator[tuple[Api, InMemorySpanExporter]]:
    exporter = InMemorySpanExporter()
    service = build(
        load_settings(environment(database, **extra)), tracing=Tracing(SimpleSpanProcessor(exporter))
    )
    port = await service.server.start("127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
            api = Api(service, http, database)
            await readiness(api, 200)
            yield api, exporter
    finally:
        await service.server.stop()


def of_trace(exporter: InMemorySpanExporter) -> list[ReadableSpan]:
    spans = exporter.get_finished_spans()
    return [span for span in spans if format_trace_id(span.context.trace_id) == TRACE]


async def test_a_request_with_its_statements_and_what_it_asks_redis(database: str, redis: LocalRedis) -> None:
    async with traced(database, REDIS_URL=redis.url) as (api, exporter):
        assert exporter.get_finished_spans() == (), "probes and checks have no spans"
        await api.person("harry")
        made = await api.report("harry", "Dungbombs")
        reply = await api.call(
            "GET", f"/api/incidents/{made['id']}/history?limit=5", user="harry", headers=PARENT
        )
        assert reply.status == 200

        spans = of_trace(exporter)
        (request,) = [span for span in spans if span.kind is SpanKind.SERVER]
        assert request.name == "GET /api/incidents/{id}/history"
        assert request.parent is not None
        assert format_span_id(request.parent.span_id) == CALLER
        assert dict(request.attributes or {}) == {
            "http.request.method": "GET",
            "url.path": f"/api/incidents/{made['id']}/history",
            "http.route": "/api/incidents/{id}/history",
            "http.response.status_code": 200,
        }
        children = [span for span in spans if span is not request]
        systems = {str((span.attributes or {})["db.system.name"]) for span in children}
        assert systems == {"postgresql", "redis"}
        assert all(span.parent and span.parent.span_id == request.context.span_id for span in children)
        texts = [str((span.attributes or {}).get("db.query.text")) for span in children]
        assert any("FROM incident_history" in text for text in texts)
        assert "harry" not in str([dict(span.attributes or {}) for span in children])


async def test_a_failure_is_marked_and_a_refusal_is_not(database: str) -> None:
    async with traced(database) as (api, exporter):
        await api.call("GET", "/api/incidents", headers=PARENT)
        await api.sql("ALTER TABLE users RENAME TO people")
        body = {"email": "harry@hogwarts.edu", "password": "12345678"}
        await api.call("POST", "/api/auth/login", json=body, headers=PARENT)

        refused, failed = [span for span in of_trace(exporter) if span.kind is SpanKind.SERVER]
        assert (refused.attributes or {})["http.response.status_code"] == 401
        assert refused.status.status_code is StatusCode.UNSET
        assert (failed.attributes or {})["http.response.status_code"] == 500
        assert failed.status.status_code is StatusCode.ERROR
        (statement,) = [span for span in of_trace(exporter) if span.kind is SpanKind.CLIENT]
        assert (statement.attributes or {})["error.type"] == "UndefinedTableError"


async def test_the_program_sends_them_to_a_receiver_and_writes_the_trace_into_its_log(database: str) -> None:
    received: list[ExportTraceServiceRequest] = []

    async def take(request: web.Request) -> web.Response:
        received.append(ExportTraceServiceRequest.FromString(await request.read()))
        return web.Response(content_type="application/x-protobuf")

    app = web.Application()
    app.router.add_post("/v1/traces", take)
    runner = web.AppRunner(app)
    await runner.setup()
    receiver, port = free_port(), free_port()
    await web.TCPSite(runner, "127.0.0.1", receiver).start()
    variables = environment(
        database,
        PORT=str(port),
        OTEL_TRACES_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{receiver}",
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test",
    )
    try:
        async with program("serve", variables) as running:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
                await wait_ready(http)
                async with http.get("/api/incidents", headers=PARENT) as reply:
                    assert reply.status == 401
                async with http.get("/api/incidents") as reply:
                    assert reply.status == 401
            running.terminate()  # what is not sent yet is sent now
            code, out, err = await running.ended()
        assert code == 0, err
    finally:
        await runner.cleanup()

    (resource,) = {
        part.resource.SerializeToString(): part.resource for r in received for part in r.resource_spans
    }.values()
    named = {attribute.key: attribute.value.string_value for attribute in resource.attributes}
    assert named["service.name"] == "marauders-map-api"
    assert named["deployment.environment.name"] == "test"
    spans = [
        span
        for r in received
        for part in r.resource_spans
        for scope in part.scope_spans
        for span in scope.spans
    ]
    assert {span.name for span in spans} == {"GET /api/incidents"}
    ids = [span.trace_id.hex() for span in spans]
    assert TRACE in ids
    assert len(ids) == 2
    lines = [json.loads(line)["context"] for line in out.splitlines()]
    asked = [line["traceId"] for line in lines if line.get("path") == "/api/incidents"]
    assert sorted(asked) == sorted(ids * 2), "received and completed"


async def test_a_receiver_that_is_away_holds_nobody_up(database: str) -> None:
    port = free_port()
    variables = environment(
        database,
        PORT=str(port),
        OTEL_TRACES_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}",
    )
    async with program("serve", variables) as running:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
            await wait_ready(http)
            async with http.get("/api/incidents") as reply:
                assert reply.status == 401
        running.terminate()
        assert (await running.ended())[0] == 0


@pytest.mark.parametrize(
    ("given", "written"),
    [
        (f"00-{TRACE}-{CALLER}-01", TRACE),
        (f"01-{TRACE}-{CALLER}-01-more", TRACE),
        (f"ff-{TRACE}-{CALLER}-01", None),
        (f"00-{'0' * 32}-{CALLER}-01", None),
        (f"00-{TRACE.upper()}-{CALLER}-01", None),
        ("nonsense", None),
    ],
)
async def test_without_the_setting_the_callers_trace_is_in_the_log(
    api: Api, caplog: pytest.LogCaptureFixture, given: str, written: str | None
) -> None:
    seen: list[object] = []

    class Keeps(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append((logs.request_context.get() or {}).get("traceId"))

    handler = Keeps()
    logs.log.addHandler(handler)
    caplog.set_level("INFO")
    try:
        await api.call("GET", "/api/incidents", headers={"traceparent": given})
    finally:
        logs.log.removeHandler(handler)
    assert seen[:2] == [written, written]


async def test_without_the_setting_nothing_is_imported(database: str) -> None:
    code = (
        "import sys; from maraudersmap_api.app import build; from maraudersmap_api.settings import load_settings; "
        f"build(load_settings({environment(database)!r})); "
        "sys.exit(sum(name.startswith('opentelemetry') for name in sys.modules))"
    )
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    assert await child.wait() == 0
