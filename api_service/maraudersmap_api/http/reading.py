"""Reading a request's body: bounded in size and time, JSON and nothing else."""

import asyncio
import json
from typing import Any, NoReturn

from aiohttp import web

from maraudersmap_api.errors import (
    PayloadTooLarge,
    RequestTimeout,
    UnsupportedMediaType,
    ValidationError,
)

BODY_BYTES = 256 * 1024
BODY_SECONDS = 20.0


async def read_object(request: web.Request, *, optional: bool = False) -> dict[str, Any]:
    """The body as a JSON object; `optional` takes an empty one for {}.

    Raises UnsupportedMediaType, PayloadTooLarge, RequestTimeout and ValidationError.
    """
    if optional and not request.can_read_body:
        return {}
    if request.can_read_body and request.content_type != "application/json":
        raise UnsupportedMediaType("Send the body as application/json")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            raw = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise PayloadTooLarge(f"The body may have at most {BODY_BYTES // 1024} KiB") from None
    except TimeoutError:
        raise RequestTimeout(f"The body did not arrive within {BODY_SECONDS:.0f} s") from None
    return parse_object(raw)


def parse_object(raw: bytes) -> dict[str, Any]:
    """Strict JSON: UTF-8 only, no NaN, no depth or number that would hurt us. Raises ValidationError."""
    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        raise ValidationError.of("body", "The body is not valid UTF-8") from None
    except RecursionError:
        raise ValidationError.of("body", "The body is nested too deeply") from None
    except ValueError:  # JSONDecodeError, and integers of thousands of digits
        raise ValidationError.of("body", "The body is not valid JSON") from None
    if not isinstance(value, dict):
        raise ValidationError.of("body", "The body must be a JSON object")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
