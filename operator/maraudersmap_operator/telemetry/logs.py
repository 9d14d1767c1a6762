"""JSON logs, one object a line, the library's own lines included."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog
from structlog.tracebacks import ExceptionDictTransformer

# What kopf writes of a request whose connections it has closed itself: at the first attempt, and at each later one.
CLOSED = ("Connector is closed", "TCP closed")
# kopf logs at INFO what it does with each event; here the operator reports that itself.
NOISY = ("kopf", "kopf.objects", "kopf._core", "aiohttp.access", "asyncio")


def configure_logs(level: str) -> None:
    """Send structlog and the standard library's logging to standard error as JSON. `level`: debug, info, ..."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        # `dict_tracebacks` would show the locals of each frame: bodies, Secrets, tokens.
        structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.EventRenamer("message"),
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    handler.addFilter(_is_news)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING if level != "debug" else logging.INFO)


def _is_news(record: logging.LogRecord) -> bool:
    """Not that kopf's requests fail while the process ends: its connections are closed under them, and it calls that an
    error and plans to try again."""
    if not record.name.startswith("kopf"):
        return True
    message = record.getMessage()
    return not any(closed in message for closed in CLOSED)


def logger() -> structlog.stdlib.BoundLogger:
    """The operator's logger; `structlog.contextvars` binds namespace and name for the length of a pass."""
    bound: structlog.stdlib.BoundLogger = structlog.get_logger("maraudersmap_operator")
    return bound
