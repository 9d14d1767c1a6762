"""Logs: one JSON object a line on standard output, or readable colour when developing.

The standard library's `logging` is the front, so that what libraries log takes the same shape. Values that belong
to the request at hand travel in a context variable: a line written deep inside a repository names its request.
"""

import asyncio
import json
import logging
import sys
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from contextvars import ContextVar
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, TextIO

import orjson

from maraudersmap_api import SERVICE_NAME
from maraudersmap_api.settings import LOG_FILES, LogLevel
from maraudersmap_api.wire import rfc3339

log = logging.getLogger("maraudersmap")

request_context: ContextVar[Mapping[str, Any] | None] = ContextVar("request_context", default=None)
"""Context fields of the request being answered: userId, requestId, method, path."""

FILE_BYTES = 10 * 1024 * 1024
FILES_KEPT = 5  # beside the one that is written

_LEVELS = {LogLevel.DEBUG: 10, LogLevel.INFO: 20, LogLevel.WARN: 30, LogLevel.ERROR: 40}


def configure_logs(
    environment: str, level: LogLevel, stream: TextIO = sys.stdout, folder: Path | None = None
) -> None:
    """Send every logger's records to `stream`; `environment` "development" chooses the readable form.

    `folder`: also, always as JSON, to error.log (errors) and combined.log (all) in it. Raises OSError.
    """
    handler = Batched(stream, _Readable() if environment == "development" else JsonLines(environment))
    root = logging.getLogger()
    for former in root.handlers:
        if isinstance(former, RotatingFileHandler):
            former.close()
    root.handlers[:] = [handler]
    if folder is not None:
        root.handlers += [_file(folder / name, environment) for name in LOG_FILES]
        root.handlers[1].setLevel(logging.ERROR)
    root.setLevel(_LEVELS[level])
    # Libraries speak only when something is wrong: their debug lines may carry query arguments.
    for name in ("asyncio", "aiohttp", "asyncpg", "redis"):
        logging.getLogger(name).setLevel(max(_LEVELS[level], logging.WARNING))
    # It warns of nothing but subprotocols that are not taken, in full, and pages send tokens as such.
    logging.getLogger("aiohttp.websocket").setLevel(logging.ERROR)
    logging.captureWarnings(True)
    # What no line of ours shows, and what finding it costs is as much as writing the line (the library's own advice).
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None


def _file(path: Path, environment: str) -> logging.Handler:
    """Rotating: together they never hold more than FILE_BYTES times the files kept."""
    handler = RotatingFileHandler(path, maxBytes=FILE_BYTES, backupCount=FILES_KEPT, encoding="utf-8")
    handler.setFormatter(JsonLines(environment))
    return handler


def log_line(level: int, message: str, context: Mapping[str, Any]) -> None:
    """What `log.log(level, message, extra={"context": context})` does, for the two lines that each answer has.

    A record with its two dozen fields takes longer than the line that is made of five, so there is none where nothing
    but our own handler would get it.
    """
    if not log.isEnabledFor(level):
        return
    handlers = logging.root.handlers
    if len(handlers) == 1 and isinstance(handlers[0], Batched) and level < logging.ERROR:
        handlers[0].take(time.time(), level, message, {**(request_context.get() or {}), **context})
    else:
        log.log(level, message, extra={"context": context})


def error_context(
    error: BaseException, *, frames: int | None = None, text: Callable[[BaseException], str] = str
) -> dict[str, str]:
    """An exception as `{name, message, stack}`; `frames` keeps only that many of the innermost.

    `text`: what to show of an exception's message, also of those that it came from.
    """
    limit = None if frames is None else -frames
    message = str(error)
    stack = "".join(traceback.format_exception(type(error), error, error.__traceback__, limit=limit))
    for each in _chain(error):
        if (shown := text(each)) != (whole := str(each)):
            message, stack = message.replace(whole, shown), stack.replace(whole, shown)
    return {"name": type(error).__name__, "message": message, "stack": stack}


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and what it came from, as a traceback shows them."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


class Lines(logging.Formatter, ABC):
    """What a line looks like."""

    @abstractmethod
    def line(self, created: float, level: int, message: str, context: Mapping[str, Any]) -> str:
        """One line; `created` in seconds since the epoch, `level` as the standard library counts them."""

    def format(self, record: logging.LogRecord) -> str:
        """The same of a record."""
        return self.line(record.created, record.levelno, record.getMessage(), _context(record))


class Batched(logging.Handler):
    """Writes what one turn of the event loop logs at once: a write for each line costs more than making it.

    An error takes what waits along and is written before `log.error` returns, and so is all that is logged outside of
    the loop. Nothing waits longer than the turn; the end of the process is a flush too.
    """

    def __init__(self, stream: TextIO, lines: Lines) -> None:
        super().__init__()
        self.setFormatter(lines)
        self._lines = lines
        self._stream = stream
        self._waiting: list[str] = []
        self._written_by: asyncio.AbstractEventLoop | None = None  # whose next turn writes what waits

    def emit(self, record: logging.LogRecord) -> None:
        """One line more."""
        try:
            self._write(self.format(record), at_once=record.levelno >= logging.ERROR)
        except Exception:  # noqa: BLE001 - a line that cannot be written must not be a failure of what it is about
            self.handleError(record)

    def take(self, created: float, level: int, message: str, context: Mapping[str, Any]) -> None:
        """The same without a record. Raises OSError outside of an event loop."""
        line = self._lines.line(created, level, message, context)
        with self.lock or nullcontext():  # of what the library calls, it holds it already
            self._write(line, at_once=False)

    def _write(self, line: str, *, at_once: bool) -> None:
        self._waiting.append(line)
        loop = asyncio._get_running_loop()  # the public one raises where there is none
        if at_once or loop is None:
            self.flush()
        elif self._written_by is not loop:
            self._written_by = loop
            loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write all that waits. Raises OSError."""
        with self.lock or nullcontext():
            self._written_by = None
            if self._waiting:
                lines, self._waiting = self._waiting, []
                self._stream.write("\n".join((*lines, "")))
            self._stream.flush()


class JsonLines(Lines):
    """`{timestamp, level, message, context{...}, service, environment}`."""

    def __init__(self, environment: str) -> None:
        super().__init__()
        self._environment = environment

    def line(self, created: float, level: int, message: str, context: Mapping[str, Any]) -> str:
        """An object; what UTF-8 cannot write is escaped."""
        line = {
            "timestamp": _timestamp(created),
            "level": level_name(level),
            "message": message,
            "context": context,
            "service": SERVICE_NAME,
            "environment": self._environment,
        }
        try:
            return orjson.dumps(line, default=str).decode()
        except orjson.JSONEncodeError:  # a surrogate or an enormous number, which only escapes can write
            return json.dumps(line, default=str)


class _Readable(Lines):
    """For a developer's terminal."""

    _COLOURS = {"debug": "90", "info": "36", "warn": "33", "error": "31"}  # noqa: RUF012 - a constant table

    def line(self, created: float, level: int, message: str, context: Mapping[str, Any]) -> str:
        """Colour, and below it the stack of an error."""
        name = level_name(level)
        error = context.get("error")
        pairs = " ".join(
            f"{key}={_harmless(value)}"
            for key, value in context.items()
            if value is not None and key != "error"
        )
        line = f"\x1b[{self._COLOURS[name]}m{_timestamp(created)[11:23]} {name:5}\x1b[0m {message}"
        line = f"{line} \x1b[90m{pairs}\x1b[0m" if pairs else line
        return f"{line}\n{error['stack']}" if error else line


def _harmless(value: object) -> str:
    """Without what would begin another line, or steer a terminal."""
    text = str(value)
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def level_name(level: int) -> str:
    """Our four levels; what is above error stays error."""
    if level == logging.INFO:  # nearly all, and an enumeration's value takes its time
        return "info"
    if level >= logging.ERROR:
        return LogLevel.ERROR.value
    if level >= logging.WARNING:
        return LogLevel.WARN.value
    return LogLevel.INFO.value if level >= logging.INFO else LogLevel.DEBUG.value


def _timestamp(created: float) -> str:
    return rfc3339(datetime.fromtimestamp(created, UTC))


def _context(record: logging.LogRecord) -> dict[str, Any]:
    context: dict[str, Any] = {**(request_context.get() or {}), **getattr(record, "context", {})}
    if record.exc_info and record.exc_info[1] is not None:
        context["error"] = error_context(record.exc_info[1])
    return context
