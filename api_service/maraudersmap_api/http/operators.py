"""What is for operators only, on a port that no Service leads to: metrics, and why this process is not ready."""

import orjson
from aiohttp import web

from maraudersmap_api.http.answers import NO_STORE
from maraudersmap_api.http.health import readiness_json
from maraudersmap_api.infra.health import HealthBoard, Readiness
from maraudersmap_api.infra.listening import listening_socket
from maraudersmap_api.infra.metrics import CONTENT_TYPE, Metrics


class OperatorsServer:
    """A server of its own; it shares nothing with the other but what it reads."""

    def __init__(self, board: HealthBoard, metrics: Metrics) -> None:
        self._board = board
        self._metrics = metrics
        app = web.Application()
        app.router.add_get("/metrics", self._scrape)
        app.router.add_get("/health/ready", self._ready)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)

    async def start(self, host: str | None, port: int) -> int:
        """Listen; returns the port. Raises OSError."""
        listener = listening_socket(host, port)
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()
        return int(listener.getsockname()[1])

    async def stop(self) -> None:
        """Close."""
        await self._runner.cleanup()

    async def _scrape(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._metrics.render(), headers={"Content-Type": CONTENT_TYPE, **NO_STORE})

    async def _ready(self, _request: web.Request) -> web.Response:
        """The public answer, with `reasons`."""
        body = {**readiness_json(self._board), "reasons": self._board.reasons()}
        status = 503 if body["status"] is Readiness.NOT_READY else 200
        return web.Response(
            body=orjson.dumps(body), status=status, content_type="application/json", headers=NO_STORE
        )
