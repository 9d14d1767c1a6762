"""/healthz, /readyz and /metrics, from a server of their own, so that a stuck watch cannot hide behind a live one.

`/healthz` fails for an operator that is deaf (audits keep finding what no watch reported), stuck (a pass runs without end)
or starved (the event loop lags). A quiet cluster fails none of these.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from .metrics import Metrics

LAG_INTERVAL_SECONDS = 1.0
MAX_LAG_SECONDS = 10.0
MAX_PASS_SECONDS = 180.0
# One audit may catch events in flight; the same object wrong in two of them was never reported.
MAX_WRONG_AUDITS = 2


@dataclass(slots=True)
class Health:
    """What the parts report. Times are of time.monotonic()."""

    first_audit: asyncio.Event = field(default_factory=asyncio.Event)
    standby: bool = False
    wrong_audits: int = 0
    lag_seconds: float = 0.0
    passes: dict[object, float] = field(default_factory=dict)  # key -> when its running pass began

    @property
    def synced(self) -> bool:
        """The store has been held against the cluster at least once."""
        return self.first_audit.is_set()

    def problems(self) -> list[str]:
        """Why the process should be restarted; empty when it should not."""
        found = []
        if self.lag_seconds > MAX_LAG_SECONDS:
            found.append(f"event loop lags by {self.lag_seconds:.1f} s")
        if self.wrong_audits >= MAX_WRONG_AUDITS:
            found.append(f"{self.wrong_audits} audits in a row found objects that no watch event reported")
        now = time.monotonic()
        stuck = [str(k) for k, began in self.passes.items() if now - began > MAX_PASS_SECONDS]
        if stuck:
            found.append(f"passes without end: {', '.join(stuck)}")
        return found

    async def measure_lag(self) -> None:
        """Run for ever: how late the loop wakes."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(LAG_INTERVAL_SECONDS)
            self.lag_seconds = max(0.0, time.monotonic() - before - LAG_INTERVAL_SECONDS)


@asynccontextmanager
async def serve_http(health: Health, metrics: Metrics, port: int, host: str = "") -> AsyncIterator[int]:
    """Serve on all addresses while the context is open; gives the port (`port` 0 picks a free one)."""

    async def healthz(_: web.Request) -> web.Response:
        problems = health.problems()
        return web.Response(status=500 if problems else 200, text="\n".join(problems) or "ok")

    async def readyz(_: web.Request) -> web.Response:
        if health.standby:
            return web.Response(text="standby")
        return web.Response(
            status=200 if health.synced else 503, text="synced" if health.synced else "not synced"
        )

    async def show_metrics(_: web.Request) -> web.Response:
        # In a thread: with thousands of resources the text takes a good part of a second to make.
        body = await asyncio.to_thread(generate_latest, metrics.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", show_metrics)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host or None, port)
    await site.start()
    lag = asyncio.create_task(health.measure_lag())
    try:
        yield int(runner.addresses[0][1])
    finally:
        lag.cancel()
        await runner.cleanup()
