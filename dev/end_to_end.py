"""`make smoke`, `make end-to-end`: a deployed service from outside, as its users reach it.

Smoke only reads: alive, ready, documented, and closed to strangers. End to end also makes an account, signs in, opens a
WebSocket, reports an incident and sees it arrive there and in the list; what it made stays, so it is for staging.
Exit codes: 0 all as it should be; 1 not; 2 wrong arguments.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import ssl
import sys
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import aiohttp

SECONDS = 30.0
OPEN_PATHS = ("/health/live", "/health/ready", "/api/openapi.json", "/api/docs")


class Unexpected(Exception):
    """What was answered, and what should have been."""


async def smoke(http: aiohttp.ClientSession) -> None:
    """Nothing is changed. Raises Unexpected."""
    for path in OPEN_PATHS:
        await _asked(http, "GET", path, 200)
    await _asked(http, "GET", "/api/incidents", 401)


async def journey(http: aiohttp.ClientSession) -> None:
    """One user's way through the service. Raises Unexpected."""
    account = {
        "email": f"end-to-end-{secrets.token_hex(6)}@hogwarts.edu",
        "password": secrets.token_urlsafe(24),
    }
    await _asked(
        http, "POST", "/api/auth/register", 201, account | {"firstName": "Argus", "lastName": "Filch"}
    )
    token = (await _asked(http, "POST", "/api/auth/login", 200, account))["accessToken"]
    signed = {"Authorization": f"Bearer {token}"}
    async with http.ws_connect("/ws") as socket:
        await socket.send_json({"type": "auth", "token": token})
        await _frame(socket, "connection:acknowledged")
        incident = {
            "title": "A suit of armour sings in the Charms corridor",
            "description": "Off key, and only at night",
            "location": "HOGWARTS",
            "severity": "MISCHIEF",
        }
        created = await _asked(http, "POST", "/api/incidents", 201, incident, signed)
        while (await _frame(socket, "incident:created"))["data"]["id"] != created["id"]:
            pass  # somebody else's
    listed = await _asked(http, "GET", "/api/incidents?limit=50", 200, headers=signed)
    if created["id"] not in {found["id"] for found in listed["data"]}:
        raise Unexpected(f"incident {created['id']} is not among the newest 50")


async def _asked(
    http: aiohttp.ClientSession, method: str, path: str, status: int, body: Any = None, headers: Any = None
) -> Any:
    """The answer's JSON; None for other content."""
    async with http.request(method, path, json=body, headers=headers) as answer:
        if answer.status != status:
            raise Unexpected(f"{method} {path}: {answer.status}, not {status}: {(await answer.text())[:300]}")
        print(f"ok  {method} {path}: {status}")
        return await answer.json() if answer.content_type == "application/json" else None


async def _frame(socket: aiohttp.ClientWebSocketResponse, kind: str) -> Any:
    """The next frame of this type. Raises Unexpected when the socket closes, or after SECONDS."""
    try:
        async with asyncio.timeout(SECONDS):
            async for message in socket:
                frame = message.json()
                if frame["type"] == kind:
                    print(f"ok  WebSocket: {kind}")
                    return frame
    except TimeoutError as error:
        raise Unexpected(f"WebSocket: no {kind} within {SECONDS:.0f} s") from error
    raise Unexpected(f"WebSocket: closed with {socket.close_code} before {kind}")


async def check(url: str, *, only_read: bool, trusted: ssl.SSLContext | None = None) -> None:
    """All of it, on the service at `url`. Raises Unexpected or aiohttp.ClientError.

    `trusted`: whose certificates are believed; None: the machine's own.
    """
    timeout = aiohttp.ClientTimeout(SECONDS)
    connector = aiohttp.TCPConnector(ssl=trusted or True)
    async with aiohttp.ClientSession(url, timeout=timeout, connector=connector) as http:
        await smoke(http)
        if not only_read:
            await journey(http)


def address(text: str) -> str:
    """The address of a service, without a slash at the end. Raises argparse.ArgumentTypeError when it is none."""
    url = urlsplit(text)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no address such as https://staging.marauders-map.hogwarts.edu"
        )
    return text.rstrip("/")


def main(arguments: Sequence[str] | None = None) -> int:
    """Check and report what was found; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m dev.end_to_end",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("url", type=address, help="such as https://staging.marauders-map.hogwarts.edu")
    parser.add_argument("--only-read", action="store_true", help="change nothing")
    options = parser.parse_args(arguments)
    try:
        asyncio.run(check(options.url, only_read=options.only_read))
    except (Unexpected, aiohttp.ClientError, TimeoutError) as error:
        print(f"error: {options.url}: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
