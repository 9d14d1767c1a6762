"""`/health`, `/health/live`, `/health/ready` and `/metrics`: they read what others keep, and never wait."""

import time
from datetime import UTC, datetime
from typing import NotRequired, TypedDict

from aiohttp import web

from maraudersmap_api.http.answers import NO_STORE
from maraudersmap_api.http.api import Answer, Api
from maraudersmap_api.infra.health import Health, HealthBoard, Readiness
from maraudersmap_api.infra.metrics import CONTENT_TYPE, Metrics
from maraudersmap_api.settings import Dependency
from maraudersmap_api.wire import Timestamp, rfc3339


class LivenessJson(TypedDict):
    """How the process itself fares."""

    status: str
    timestamp: Timestamp
    reason: NotRequired[str]


class ChecksJson(TypedDict):
    """Each dependency."""

    database: Health
    cache: Health


class ReadinessJson(TypedDict):
    """May traffic come?"""

    status: Readiness
    checks: ChecksJson
    timestamp: Timestamp


def add_service_routes(api: Api, board: HealthBoard, metrics: Metrics, *, scraped: bool = True) -> None:
    """Routes for probes and, unless they have a port of their own (operators.py), scrapers."""
    routes = api.tagged("service", limited=False, needs_database=False)

    @routes.get("/health", name="health", cache=NO_STORE, also={503: "The process itself is ill"})
    @routes.get("/health/live", cache=NO_STORE, also={503: "The process itself is ill"})
    async def live(_request: web.Request) -> Answer[LivenessJson]:
        """Is the process itself well?

        Dependencies do not count; `/health` is an alias of `/health/live`.
        """
        problem = board.critical_failure(time.monotonic())
        now = rfc3339(datetime.now(UTC))
        if problem is not None:
            return Answer({"status": "failing", "timestamp": now, "reason": problem}, status=503)
        return Answer({"status": "alive", "timestamp": now})

    @routes.get("/health/ready", cache=NO_STORE, also={503: "Something this service requires is away"})
    async def ready(_request: web.Request) -> Answer[ReadinessJson]:
        """May traffic come?"""
        body = readiness_json(board)
        return Answer(body, status=503 if body["status"] is Readiness.NOT_READY else 200)

    if not scraped:
        return

    @routes.get("/metrics", produces="text/plain")
    async def scrape(_request: web.Request) -> web.StreamResponse:
        """Prometheus metrics, as text."""
        return web.Response(body=metrics.render(), headers={"Content-Type": CONTENT_TYPE, **NO_STORE})


def readiness_json(board: HealthBoard) -> ReadinessJson:
    """What everybody may know."""
    checks = board.checks()
    return {
        "status": board.readiness(),
        "checks": {"database": checks[Dependency.DATABASE], "cache": checks[Dependency.CACHE]},
        "timestamp": rfc3339(datetime.now(UTC)),
    }
