"""Virtual users: each signed in, on connections of his own, with a request every so often, whatever the others do."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from bench.load.figures import Samples

SHARES = {"list": 70, "get": 15, "create": 10, "WebSocket": 5}
EVERY_SECONDS = 5.0
SOCKET_SECONDS = 20.0
TIMEOUT_SECONDS = 30.0
PAGES = 200


@dataclass(slots=True)
class Watch:
    """How late the loop of the client itself is: what it adds to each time that is measured. Milliseconds."""

    latest: list[float] = field(default_factory=list)

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.1)
            self.latest.append((time.perf_counter() - before - 0.1) * 1000)


async def crowd(
    url: str, trusted: ssl.SSLContext, tokens: Sequence[Callable[[], str]], seconds: float, samples: Samples
) -> None:
    """A user for each of the tokens, for so many seconds; requests under way are waited for."""
    until = time.monotonic() + seconds
    async with asyncio.TaskGroup() as group:
        for number, token in enumerate(tokens):
            group.create_task(_user(url, trusted, token, until, samples, random.Random(number)))  # noqa: S311


async def _user(
    url: str,
    trusted: ssl.SSLContext,
    token: Callable[[], str],
    until: float,
    samples: Samples,
    chance: random.Random,
) -> None:
    connector = aiohttp.TCPConnector(ssl=trusted, keepalive_timeout=60)
    timeout = aiohttp.ClientTimeout(TIMEOUT_SECONDS)
    async with (
        aiohttp.ClientSession(url, connector=connector, timeout=timeout) as http,
        asyncio.TaskGroup() as sockets,
    ):
        user = User(http, token, samples, chance, until, sockets)
        next_at = time.monotonic()
        while True:
            # Between nothing and twice the mean: users do not march in step.
            next_at = max(time.monotonic(), next_at + chance.uniform(0, 2 * EVERY_SECONDS))
            if next_at >= until:
                return
            await asyncio.sleep(next_at - time.monotonic())
            await user.act()


@dataclass(slots=True)
class User:
    """One of them. What he does is measured, and what goes wrong is counted, never repeated."""

    http: aiohttp.ClientSession
    token: Callable[[], str]
    samples: Samples
    chance: random.Random
    until: float
    sockets: asyncio.TaskGroup
    seen: list[int] = field(default_factory=list)

    async def act(self) -> None:
        """One request."""
        [kind] = self.chance.choices(list(SHARES), weights=list(SHARES.values()))
        if kind == "get" and not self.seen:
            kind = "list"
        started = time.perf_counter()
        try:
            match kind:
                case "list":
                    page = self.chance.randint(1, PAGES)
                    body = await self._asked("GET", f"/api/incidents?limit=20&page={page}", 200)
                    self.seen = [row["id"] for row in body["data"]] or self.seen
                case "get":
                    await self._asked("GET", f"/api/incidents/{self.chance.choice(self.seen)}", 200)
                case "create":
                    self.seen.append((await self._asked("POST", "/api/incidents", 201))["id"])
                case _:
                    socket = await self._connect()
                    self.sockets.create_task(self._watch(socket))
            error = ""
        except (aiohttp.ClientError, TimeoutError, _Unexpected) as failure:
            error = repr(failure)
        self.samples.add(kind, (time.perf_counter() - started) * 1000, error)

    async def _asked(self, method: str, path: str, status: int) -> Any:
        body = {
            "title": f"Footprints without feet, number {self.chance.randrange(10**9)}",
            "description": "They lead up to the wall and not back",
            "location": "HOGWARTS",
            "severity": "SUSPICIOUS",
            "tags": ["footprints"],
        }
        headers = {"Authorization": f"Bearer {self.token()}"}
        json = body if method == "POST" else None
        async with self.http.request(method, path, json=json, headers=headers) as answer:
            if answer.status != status:
                raise _Unexpected(f"{method} {path}: {answer.status} {(await answer.text())[:200]}")
            return await answer.json()

    async def _connect(self) -> aiohttp.ClientWebSocketResponse:
        """Open, signed in and acknowledged."""
        socket = await self.http.ws_connect("/ws")
        await socket.send_json({"type": "auth", "token": self.token()})
        frame = await socket.receive_json(timeout=TIMEOUT_SECONDS)
        if frame["type"] != "connection:acknowledged":
            raise _Unexpected(f"WebSocket: {frame}")
        return socket

    async def _watch(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Read what comes for a while. Closed before that is an error of the request that opened it."""
        try:
            async with asyncio.timeout(max(0.0, min(SOCKET_SECONDS, self.until - time.monotonic()))):
                async for _ in socket:
                    pass
            self.samples.errors["WebSocket"].append(f"closed with {socket.close_code}")
        except TimeoutError:
            pass  # it was open for as long as it was wanted
        await socket.close()


class _Unexpected(Exception):
    """An answer that should not have been given."""
