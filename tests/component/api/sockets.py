"""A WebSocket client for tests."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from tests.component.conftest import PATIENCE_SECONDS, Api

Frame = dict[str, Any]


@dataclass
class Client:
    """One socket. Frames that a test has not asked for yet are kept."""

    ws: aiohttp.ClientWebSocketResponse
    kept: list[Frame] = field(default_factory=list)

    async def send(self, kind: str, **fields: Any) -> None:
        """One frame."""
        await self.ws.send_json({"type": kind, **fields})

    async def receive(self) -> Frame:
        """The next frame, whatever it is."""
        if self.kept:
            return self.kept.pop(0)
        return await self._next()

    async def expect(self, kind: str, holds: Callable[[Frame], bool] = lambda _: True) -> Frame:
        """The next frame of this type for which `holds`; others stay for later."""
        for frame in self.kept:
            if frame["type"] == kind and holds(frame):
                self.kept.remove(frame)
                return frame
        while True:
            frame = await self._next()
            if frame["type"] == kind and holds(frame):
                return frame
            self.kept.append(frame)

    async def until_closed(self) -> int:
        """The close code; frames before it are kept."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                message = await self.ws.receive()
                if message.type is aiohttp.WSMsgType.TEXT:
                    self.kept.append(message.json())
                else:
                    assert self.ws.close_code is not None
                    return self.ws.close_code

    async def _next(self) -> Frame:
        async with asyncio.timeout(PATIENCE_SECONDS):
            message = await self.ws.receive()
        assert message.type is aiohttp.WSMsgType.TEXT, f"{message}, close code {self.ws.close_code}"
        frame: Frame = message.json()
        return frame


@asynccontextmanager
async def stranger(api: Api, **headers: str) -> AsyncIterator[Client]:
    """A socket that has not signed in."""
    async with api.http.ws_connect("/ws", headers=headers) as ws:
        yield Client(ws)


@asynccontextmanager
async def connected(api: Api, user: str, since: int | None = None) -> AsyncIterator[Client]:
    """A socket of a user, acknowledged."""
    async with stranger(api) as client:
        await client.send("auth", token=api.tokens[user], **({} if since is None else {"since": since}))
        await client.expect("connection:acknowledged")
        yield client
