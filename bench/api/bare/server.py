"""The limit for bench/api: aiohttp and nothing else that answers `/health/live` with the headers that ours has.

Neither logs, nor limits, nor metrics, nor a request id of its own: what ours adds to this is what ours costs.
"""

import json
import os
from datetime import UTC, datetime

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
    web.run_app(app, host="127.0.0.1", port=int(os.environ["PORT"]), access_log=None, print=None)


if __name__ == "__main__":
    main()
