"""The limit for bench/api: aiohttp on uvloop, and nothing else that answers `/health/live` with the headers that ours has.

Neither logs, nor limits, nor metrics, nor a request id of its own: what ours adds to this is what ours costs.
The loop is ours as well: on a slower one this would be no limit.
"""

import json
import os
from datetime import UTC, datetime

import uvloop
from aiohttp import web

HEADERS: dict[str, str] = json.loads(os.environ["HEADERS"])


async def alive(_: web.Request) -> web.Response:
    """What ours answers."""
    body = json.dumps({"status": "alive", "timestamp": datetime.now(UTC).isoformat()})
    return web.Response(text=body, content_type="application/json", headers=HEADERS)


def main() -> None:
    """Serve on PORT."""
    app = web.Application()
    app.router.add_get("/health/live", alive)
    port = int(os.environ["PORT"])
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None, loop=uvloop.new_event_loop())


if __name__ == "__main__":
    main()
