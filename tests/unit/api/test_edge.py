"""The outermost layer: whatever happens inside, the answer has our shape, our headers, a line and a number."""

import asyncio
import json
import logging

import pytest
from tests.unit.api.conftest import Answer, TinyServer

from maraudersmap_api.infra.metrics import Metrics

EXPECTED_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-XSS-Protection": "1; mode=block",
    "Strict-Transport-Security": "max-age=31536000",
    "Content-Security-Policy": "default-src 'self'",
    "Server": "marauders-map",
}


def assert_headers(answer: Answer) -> None:
    assert {name: answer.headers.get(name) for name in EXPECTED_HEADERS} == EXPECTED_HEADERS
    assert len(answer.headers["X-Request-ID"]) == 32


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/ok", "", 200),
        ("HEAD", "/nothing", "", 404),
        ("GET", "/stream", "", 200),
        ("GET", "/nothing", "", 404),
        ("DELETE", "/ok", "", 405),
        ("GET", "/ok", "Expect: the-spanish-inquisition\r\n", 417),
        ("GET", "/wrong", "", 400),
        ("GET", "/away", "", 503),
        ("GET", "/bug", "", 500),
        ("TRACE", "/ok", "", 405),
        ("POST", "/echo", "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 415),
    ],
)
async def test_every_answer_carries_the_headers(
    tiny: TinyServer, method: str, path: str, headers: str, status: int
) -> None:
    wire = await tiny.connect()
    await wire.send(f"{method} {path} HTTP/1.1\r\nHost: map\r\nConnection: close\r\n{headers}\r\n".encode())
    raw = (await wire.reader.read()).decode()
    head = raw.split("\r\n\r\n", 1)[0].split("\r\n")

    assert int(head[0].split()[1]) == status
    for name, value in EXPECTED_HEADERS.items():
        assert f"{name}: {value}" in head


@pytest.mark.parametrize(
    "raw",
    [
        b"GARBAGE\r\n\r\n",
        b"GET /ok HTTP/9.9\r\n\r\n",
        b"GET /ok HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET /ok HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n",
        b"GET /ok HTTP/1.1\r\n" + b"".join(b"H%d: x\r\n" % n for n in range(200)) + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        # The parser takes these, and no request can be made of them.
        b"GET http://xn--/ok HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET http://xn--a/ok HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST http://xn--*/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}",
        b"GET http://xn--/ok HTTP/1.1\r\nHost: a\r\n\r\nGET /ok HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
async def test_bytes_that_are_not_http_get_our_error_and_the_connection_ends(
    tiny: TinyServer, raw: bytes
) -> None:
    wire = await tiny.connect()
    await wire.send(raw)
    answer = await wire.answer()

    assert answer.status == 400
    assert_headers(answer)
    assert json.loads(answer.body)["error"]["code"] == "BAD_REQUEST"
    assert answer.headers["Connection"] == "close"
    assert await wire.closed()


async def test_a_bug_is_a_500_that_tells_nothing_even_in_asyncio_debug_mode(tiny: TinyServer) -> None:
    asyncio.get_running_loop().set_debug(True)
    wire = await tiny.connect()

    answer = await wire.get("/bug", headers="Accept: text/html\r\n")

    assert answer.status == 500
    assert b"hunter2" not in answer.body
    assert b"Traceback" not in answer.body
    assert json.loads(answer.body)["requestId"] == answer.headers["X-Request-ID"]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b'{"a":1}', "Content-Type: application/json\r\n", 200),
        (b'{"a":1}', "Content-Type: application/json; charset=utf-8\r\n", 200),
        (b"{}" + b" " * 2000, "Content-Type: application/json\r\n", 413),
        (b"a=1", "Content-Type: application/x-www-form-urlencoded\r\n", 415),
        (b"\xff", "Content-Type: application/json\r\n", 400),
        (b"", "", 400),
    ],
)
async def test_bodies(tiny: TinyServer, body: bytes, headers: str, status: int) -> None:
    wire = await tiny.connect()
    await wire.send(
        f"POST /echo HTTP/1.1\r\nHost: a\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body
    )

    answer = await wire.answer()

    assert answer.status == status
    assert_headers(answer)


async def test_a_broken_chunked_body_is_a_400(tiny: TinyServer) -> None:
    wire = await tiny.connect()
    await wire.send(
        b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nXX\r\n"
    )

    answer = await wire.answer()

    assert answer.status == 400
    assert_headers(answer)


@pytest.mark.parametrize("given", ["abc-123", "a" * 128])
async def test_a_sane_request_id_comes_back(tiny: TinyServer, given: str) -> None:
    wire = await tiny.connect()
    answer = await wire.get("/ok", headers=f"X-Request-ID: {given}\r\n")

    assert answer.headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["a" * 129, "a b", '"><script>', "\u00e9"])
async def test_any_other_request_id_is_replaced(tiny: TinyServer, given: str) -> None:
    wire = await tiny.connect()
    answer = await wire.get("/ok", headers=f"X-Request-ID: {given}\r\n")

    assert_headers(answer)


async def test_two_lines_a_request_with_the_level_of_the_outcome(
    tiny: TinyServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    wire = await tiny.connect()
    for path in ("/ok", "/wrong", "/bug"):
        await wire.get(path)

    lines = [
        (r.levelname, r.getMessage(), getattr(r, "context", {}))
        for r in caplog.records
        if r.name == "maraudersmap"
    ]
    assert [(level, message) for level, message, _ in lines] == [
        ("INFO", "Request received"),
        ("INFO", "Request completed"),
        ("INFO", "Request received"),
        ("WARNING", "Request completed"),
        ("INFO", "Request received"),
        ("ERROR", "Request completed"),
    ]
    assert [context.get("status") for _, _, context in lines[1::2]] == [200, 400, 500]
    assert lines[3][2]["error"]["name"] == "ValidationError"
    assert lines[3][2]["error"]["message"] == "Title is required"
    assert "hunter2" in lines[5][2]["error"]["stack"]


async def test_a_client_that_goes_away_in_the_middle_is_no_error_of_ours(
    tiny: TinyServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody who closes the page during an export must not look like a broken revision."""
    caplog.set_level(logging.INFO)
    wire = await tiny.connect()
    await wire.send(b"GET /endless HTTP/1.1\r\nHost: map\r\n\r\n")
    await tiny.entered.wait()
    wire.writer.transport.abort()

    await tiny.server.stop()  # it waits for its requests

    text = tiny.metrics.render().decode()
    assert 'http_requests_total{method="GET",path="/endless",status="499"} 1.0' in text
    assert [r.levelname for r in caplog.records if r.getMessage() == "Request completed"] == ["WARNING"]


async def test_paths_in_metrics_are_route_templates_and_unknown_ones_share_a_label(tiny: TinyServer) -> None:
    wire = await tiny.connect()
    for path in ("/things/1", "/things/2", "/secret-1", "/secret-2"):
        await wire.get(path)
    await wire.get("/ok", method="TRACE")

    text = tiny.metrics.render().decode()
    assert 'http_requests_total{method="GET",path="/things/{id}",status="200"} 2.0' in text
    assert 'http_requests_total{method="GET",path="unmatched",status="404"} 2.0' in text
    assert 'method="OTHER"' in text
    assert "secret" not in text
    assert "_created" not in text.replace("incidents_created", "")
    assert "TRACE" not in text


def test_callers_are_counted_in_groups_that_are_the_same_everywhere() -> None:
    def groups(*callers: str, path: str = "/x", status: int = 200) -> dict[str, str]:
        metrics = Metrics()
        for caller in callers:
            metrics.observe_request("GET", path, status, 0.02, caller)
        lines = [
            line
            for line in metrics.render().decode().splitlines()
            if line.startswith("http_requests_by_callers")
        ]
        assert len(lines) == 32
        return {name: value for name, value in (line.split(" ") for line in lines) if value != "0.0"}

    name = 'http_requests_by_callers_total{{failed="{}",group="7"}}'
    assert groups("192.0.2.1", "192.0.2.1") == {name.format("false"): "2.0"}
    assert groups("192.0.2.1", status=500) == {name.format("true"): "1.0"}
    assert groups("192.0.2.1", path="/health/ready", status=503) == {}
    assert len(groups(*(f"192.0.2.{n}" for n in range(256)))) == 16


def test_the_buckets_that_were_asked_for(tiny_metrics: str) -> None:
    found = [part.split('"')[0] for part in tiny_metrics.split('le="')[1:]]

    assert found == ["0.01", "0.05", "0.1", "0.5", "1.0", "2.0", "5.0", "+Inf"]


@pytest.fixture
def tiny_metrics() -> str:
    metrics = Metrics()
    metrics.observe_request("GET", "/x", 200, 0.02, "192.0.2.1")
    return "\n".join(
        line for line in metrics.render().decode().splitlines() if "request_duration_seconds_bucket" in line
    )
