"""What the operator reports of itself: metrics, logs, health."""

from .health import Health, serve_http
from .logs import configure_logs, logger
from .metrics import Metrics

__all__ = ["Health", "Metrics", "configure_logs", "logger", "serve_http"]
