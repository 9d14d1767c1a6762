"""Shaping answers: JSON, times and tags."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web

PRIVATE = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Origin"}
"""For what depends on who asks."""

NO_STORE = {"Cache-Control": "no-store"}
"""For answers that hold tokens or momentary state."""


def json_response(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """`body` as compact UTF-8 JSON."""
    return web.Response(
        body=orjson.dumps(body),
        status=status,
        content_type="application/json",
        charset="utf-8",
        headers=headers,
    )


def rfc3339(moment: datetime) -> str:
    """UTC with milliseconds and Z."""
    if moment.tzinfo is not UTC:  # what the database gives already is; a list has some fifty of them
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"


def rfc3339_or_none(moment: datetime | None) -> str | None:
    """The same for what may not have happened yet."""
    return None if moment is None else rfc3339(moment)
