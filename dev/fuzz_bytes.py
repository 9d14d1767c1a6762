"""The part of `make fuzz-api` that no document describes: headers, request lines and WebSocket frames of mutated bytes."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from dev import hostile
from dev.hostile import Request

AT_ONCE = 32
SOCKETS_AT_ONCE = 8  # one address may have 20 that have not signed in
TARGETS = (
    ("GET", b"/api/incidents?limit=2", None),
    ("GET", b"/api/incidents/1", None),
    ("PATCH", b"/api/incidents/1", b'{"witnessCount":1}'),
    ("POST", b"/api/incidents", b'{"title":"x","location":"HOGWARTS"}'),
    ("POST", b"/api/auth/login", b'{"email":"x","password":"y"}'),
    ("GET", b"/api/docs", None),
    ("OPTIONS", b"/api/incidents", None),
    ("GET", b"/ws", None),
)
INTERNAL_ERROR = 1011


def storm(port: int, token: str, *, requests: int, sockets: int, seed: int) -> list[str]:
    """Send so many of each; what was answered with a 5xx, or ended by an internal error."""
    return asyncio.run(_storm(port, token, requests, sockets, random.Random(seed)))  # noqa: S311 - repeatable, not secret


async def _storm(port: int, token: str, requests: int, sockets: int, chance: random.Random) -> list[str]:
    found: list[str] = []
    opening = hostile.text_frame(f'{{"type":"auth","token":"{token}"}}'.encode())

    async def one_request() -> None:
        request = _request(chance, token)
        status = await hostile.status_of(port, request.encoded())
        if status is not None and status >= 500:
            found.append(f"{status}: {request.encoded()!r}")

    async def one_socket() -> None:
        frames = [_frame(chance) for _ in range(chance.randint(1, 20))]
        first = opening if chance.random() < 0.7 else b""
        code = await hostile.converse(port, frames, first=first)
        if code == INTERNAL_ERROR:
            found.append(f"closed with {code}: {frames!r}")

    await _many(one_request, requests, AT_ONCE)
    await _many(one_socket, sockets, SOCKETS_AT_ONCE)
    return found


async def _many(once: Callable[[], Awaitable[None]], times: int, at_once: int) -> None:
    left = iter(range(times))

    async def worker() -> None:
        for _ in left:
            await once()

    async with asyncio.TaskGroup() as workers:
        for _ in range(at_once):
            workers.create_task(worker())


def _request(chance: random.Random, token: str) -> Request:
    method, target, body = chance.choice(TARGETS)
    headers: dict[str, bytes] = {"Authorization": f"Bearer {token}".encode()}
    if target == b"/ws":
        headers |= {"Connection": b"Upgrade", "Upgrade": b"websocket", "Sec-WebSocket-Version": b"13"}
        headers["Sec-WebSocket-Key"] = b"dGhlIHNhbXBsZSBub25jZQ=="
    for name in chance.sample(hostile.HEADERS, chance.randint(1, 3)):
        headers[name] = hostile.mutated(chance, hostile.VALUES)
    if chance.random() < 0.3:
        target += (b"&" if b"?" in target else b"?") + hostile.mutated(chance, hostile.PIECES).replace(
            b" ", b""
        )
    if chance.random() < 0.1:
        target = b"http://" + hostile.mutated(chance, hostile.AUTHORITIES).replace(b" ", b"") + target
    return Request("mutated", method, target, tuple(headers.items()), body)


def _frame(chance: random.Random) -> bytes:
    kind = chance.choice(("auth", "room:join", "room:leave", "typing:start", "typing:stop", "heartbeat", "x"))
    name = chance.choice(("token", "since", "room", "type"))
    value = hostile.mutated(chance, hostile.JSON_VALUES)
    match chance.randint(0, 9):
        case 0:
            return hostile.mutated(chance, hostile.FRAMES)
        case 1 | 2:
            return hostile.text_frame(value)
        case _:
            return hostile.text_frame(
                b'{"type":"' + kind.encode() + b'","' + name.encode() + b'":' + value + b"}"
            )
