"""`/health`, `/health/live`, `/health/ready` and `/metrics`: they read what others keep, and never wait."""

import time
from datetime import UTC, datetime

from aiohttp import web

from maraudersmap_api.http.answers import NO_STORE, json_response, rfc3339
from maraudersmap_api.infra.health import HealthBoard, Readiness
from maraudersmap_api.infra.metrics import CONTENT_TYPE, Metrics


def add_service_routes(router: web.UrlDispatcher, board: HealthBoard, metrics: Metrics) -> None:
    """Routes for probes and scrapers."""

    async def live(_: web.Request) -> web.Response:
        problem = board.critical_failure(time.monotonic())
        body = {"status": "alive" if problem is None else "failing", "timestamp": rfc3339(datetime.now(UTC))}
        if problem is not None:
            body["reason"] = problem
        return json_response(body, status=200 if problem is None else 503, headers=NO_STORE)

    async def ready(_: web.Request) -> web.Response:
        status = board.readiness()
        body = {
            "status": status.value,
            "checks": {dependency.value: health.value for dependency, health in board.checks().items()},
            "timestamp": rfc3339(datetime.now(UTC)),
        }
        return json_response(body, status=503 if status is Readiness.NOT_READY else 200, headers=NO_STORE)

    async def scrape(_: web.Request) -> web.Response:
        return web.Response(body=metrics.render(), headers={"Content-Type": CONTENT_TYPE, **NO_STORE})

    router.add_get("/health", live)
    router.add_get("/health/live", live)
    router.add_get("/health/ready", ready)
    router.add_get("/metrics", scrape)
