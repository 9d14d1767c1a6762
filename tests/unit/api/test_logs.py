"""Logs: exactly the shape that was asked for."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from maraudersmap_api.infra import logs
from maraudersmap_api.infra.logs import configure_logs, error_context, log, log_line, request_context
from maraudersmap_api.settings import LogLevel


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)
    log.setLevel(logging.NOTSET)
    logging.captureWarnings(False)


def test_one_object_a_line_with_the_fields_of_the_contract(stream: io.StringIO) -> None:
    configure_logs("production", LogLevel.INFO, stream)
    log.setLevel(logging.NOTSET)
    token = request_context.set({"userId": "u", "requestId": "r", "method": "GET", "path": "/x"})
    try:
        raise ValueError("two\nlines")
    except ValueError as error:
        log.error(
            "It\nbroke", extra={"context": {"duration_ms": 1.5, "status": 500, "error": error_context(error)}}
        )
    finally:
        request_context.reset(token)

    assert stream.getvalue().count("\n") == 1
    line = json.loads(stream.getvalue())
    assert list(line) == ["timestamp", "level", "message", "context", "service", "environment"]
    assert (line["level"], line["service"], line["environment"]) == (
        "error",
        "marauders-map-api",
        "production",
    )
    assert line["timestamp"][10] == "T"
    assert line["timestamp"][-5:][0] == "."
    assert line["timestamp"].endswith("Z")
    assert list(line["context"]) == [
        "userId",
        "requestId",
        "method",
        "path",
        "duration_ms",
        "status",
        "error",
    ]
    assert line["context"]["error"]["name"] == "ValueError"
    assert "test_logs.py" in line["context"]["error"]["stack"]


@pytest.mark.parametrize(
    ("level", "written"),
    [
        (LogLevel.DEBUG, ["debug", "info", "warn", "error"]),
        (LogLevel.INFO, ["info", "warn", "error"]),
        (LogLevel.WARN, ["warn", "error"]),
        (LogLevel.ERROR, ["error"]),
    ],
)
def test_levels(stream: io.StringIO, level: LogLevel, written: list[str]) -> None:
    configure_logs("production", level, stream)
    log.setLevel(logging.NOTSET)
    for write in (log.debug, log.info, log.warning, log.error):
        write("x")

    assert [json.loads(line)["level"] for line in stream.getvalue().splitlines()] == written


def test_a_developer_gets_colour_and_the_stack(stream: io.StringIO) -> None:
    configure_logs("development", LogLevel.INFO, stream)
    log.setLevel(logging.NOTSET)
    log.warning(
        "Odd", extra={"context": {"path": "/x", "error": {"name": "E", "message": "m", "stack": "the stack"}}}
    )

    assert "\x1b[33m" in stream.getvalue()
    assert "path=/x" in stream.getvalue()
    assert "the stack" in stream.getvalue()


def test_a_developers_terminal_gets_no_lines_or_commands_of_a_clients(stream: io.StringIO) -> None:
    configure_logs("development", LogLevel.INFO, stream)
    log.info("Request received", extra={"context": {"path": "/x\n12:00:00 error forged\x1b[2J"}})

    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b[2J" not in stream.getvalue()


def test_libraries_lines_take_the_same_shape(stream: io.StringIO) -> None:
    configure_logs("production", LogLevel.INFO, stream)
    logging.getLogger("asyncio").error("Task was destroyed")

    assert json.loads(stream.getvalue())["message"] == "Task was destroyed"


def test_no_line_repeats_what_a_client_offers_to_speak(stream: io.StringIO) -> None:
    """A page cannot set headers of a WebSocket, so many send their token as a subprotocol."""
    configure_logs("production", LogLevel.DEBUG, stream)
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol": "access_token, eyJhbGciOi.a.token",
    }
    assert web.WebSocketResponse().can_prepare(make_mocked_request("GET", "/ws", headers=headers)).ok
    assert "eyJhbGciOi" not in stream.getvalue()


def test_what_utf8_cannot_say_is_escaped_not_lost(stream: io.StringIO) -> None:
    configure_logs("production", LogLevel.INFO, stream)
    log.info("Request received", extra={"context": {"path": "/\udcff", "size": 2**70}})

    context = json.loads(stream.getvalue())["context"]
    assert (context["path"], context["size"]) == ("/\udcff", 2**70)


def test_files_get_all_lines_and_errors_as_json(stream: io.StringIO, tmp_path: Path) -> None:
    configure_logs("development", LogLevel.INFO, stream, tmp_path)
    log.info("fine")
    log.error("not fine")
    configure_logs("development", LogLevel.INFO, stream)  # closes the files

    read = {name: (tmp_path / name).read_text().splitlines() for name in ("combined.log", "error.log")}
    assert [json.loads(line)["message"] for line in read["combined.log"]] == ["fine", "not fine"]
    assert [json.loads(line)["message"] for line in read["error.log"]] == ["not fine"]
    assert "not fine" in stream.getvalue()


def test_files_rotate(stream: io.StringIO, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "FILE_BYTES", 2000)
    monkeypatch.setattr(logs, "FILES_KEPT", 2)
    configure_logs("production", LogLevel.INFO, stream, tmp_path)
    for number in range(100):
        log.info(f"line {number}")
    configure_logs("production", LogLevel.INFO, stream)

    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["combined.log", "combined.log.1", "combined.log.2", "error.log"]
    assert all(path.stat().st_size <= 2000 for path in tmp_path.iterdir())


class Counted(io.StringIO):
    """A stream that knows how often it was written to."""

    writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        return super().write(text)


async def test_the_lines_of_one_turn_are_written_together_and_in_order(stream: io.StringIO) -> None:
    counted = Counted()
    configure_logs("production", LogLevel.INFO, counted)
    log.setLevel(logging.NOTSET)
    for number in range(5):
        log.info("line %d", number)
    assert counted.getvalue() == ""
    await asyncio.sleep(0)

    assert [json.loads(line)["message"] for line in counted.getvalue().splitlines()] == [
        f"line {number}" for number in range(5)
    ]
    assert counted.writes == 1


async def test_an_error_is_written_at_once_with_what_came_before(stream: io.StringIO) -> None:
    configure_logs("production", LogLevel.INFO, stream)
    log.setLevel(logging.NOTSET)
    log.info("before")
    log.error("It broke")

    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["before", "It broke"]


def test_what_a_loop_that_has_ended_left_is_written_with_the_next_line(stream: io.StringIO) -> None:
    configure_logs("production", LogLevel.INFO, stream)
    log.setLevel(logging.NOTSET)

    async def last_words() -> None:
        asyncio.get_running_loop().stop()
        log.info("in the loop")

    loop = asyncio.new_event_loop()
    task = loop.create_task(last_words())
    loop.run_forever()
    assert task.done()
    loop.close()
    log.info("after it")

    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == [
        "in the loop",
        "after it",
    ]


class Heard(logging.Handler):
    """Another handler on the root logger, such as a library or a test puts there."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.mark.parametrize("environment", ["production", "development"])
@pytest.mark.parametrize("level", [logging.INFO, logging.WARNING, logging.ERROR])
async def test_a_line_without_a_record_is_the_same_line(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch, environment: str, level: int
) -> None:
    configure_logs(environment, LogLevel.INFO, stream)
    monkeypatch.setattr(logs, "_timestamp", lambda _created: "2026-11-29T00:00:00.000Z")
    context = {"status": 200, "path": "/\udcff", "nothing": None}
    token = request_context.set({"userId": None, "requestId": "r", "path": "/x"})
    try:
        log.log(level, "Request completed", extra={"context": context})
        log_line(level, "Request completed", context)
    finally:
        request_context.reset(token)
    await asyncio.sleep(0)

    one, other = stream.getvalue().splitlines()
    assert one == other
    assert "Request completed" in one
    assert "r" in one


async def test_lines_with_and_without_a_record_keep_their_order(stream: io.StringIO) -> None:
    configure_logs("production", LogLevel.INFO, stream)
    for number in range(6):
        if number % 2:
            log.info("line %d", number)
        else:
            log_line(logging.INFO, f"line {number}", {})
    await asyncio.sleep(0)

    messages = [json.loads(line)["message"] for line in stream.getvalue().splitlines()]
    assert messages == [f"line {number}" for number in range(6)]


async def test_another_handler_gets_records_of_all_lines(stream: io.StringIO) -> None:
    configure_logs("production", LogLevel.INFO, stream)
    heard = Heard()
    logging.getLogger().addHandler(heard)
    log_line(logging.INFO, "Request received", {"ip": "192.0.2.1"})
    await asyncio.sleep(0)

    assert [record.getMessage() for record in heard.records] == ["Request received"]
    assert json.loads(stream.getvalue())["context"] == {"ip": "192.0.2.1"}


def test_a_line_below_the_level_is_not_written(stream: io.StringIO) -> None:
    configure_logs("production", LogLevel.WARN, stream)
    log.setLevel(logging.NOTSET)
    log_line(logging.INFO, "Request received", {})
    log_line(logging.WARNING, "Request completed", {})

    assert [json.loads(line)["level"] for line in stream.getvalue().splitlines()] == ["warn"]
