"""Headers that many answers share, and answers outside the typed front door."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from maraudersmap_api.wire import encode

PRIVATE = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Origin"}
"""For what depends on who asks."""

NO_STORE = {"Cache-Control": "no-store"}
"""For answers that hold tokens or momentary state."""


def json_response(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """`body` as compact UTF-8 JSON."""
    return web.Response(
        body=encode(body),
        status=status,
        content_type="application/json",
        charset="utf-8",
        headers=headers,
    )
