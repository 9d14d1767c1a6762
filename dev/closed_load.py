"""Readers and writers, each with its next request as soon as the last one is answered. Nothing is repeated by us.

For what must not fail while an instance is killed or replaced. The writes carry a key, so that a proxy may repeat them.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

READERS = 4
WRITERS = 2
PASSWORD = "correct horse battery staple"  # noqa: S105 - of accounts that live as long as a test


@dataclass
class Load:
    """What has been answered so far."""

    done: int = 0
    written: int = 0
    failed: list[str] = field(default_factory=list)
    slowest_seconds: float = 0.0
    total: int = 0
    """Incidents that the list counted once everything was answered."""
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    async def more(self, requests: int, seconds: float) -> None:
        """Wait until so many requests more have been answered. Raises TimeoutError after `seconds`."""
        wanted = self.done + requests
        async with asyncio.timeout(seconds):
            while self.done < wanted:
                self._more.clear()
                await self._more.wait()

    def _answered(self, started: float, *, writes: bool, failure: str) -> None:
        self.done += 1
        self.written += writes
        self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - started)
        if failure:
            self.failed.append(failure)
        self._more.set()


async def signed_in(http: aiohttp.ClientSession, email: str) -> str:
    """Make an account and sign in: its token. Raises aiohttp.ClientResponseError."""
    account = {"email": email, "password": PASSWORD}
    names = {"firstName": "Argus", "lastName": "Filch"}
    async with http.post("/api/auth/register", json=account | names, raise_for_status=True):
        pass
    async with http.post("/api/auth/login", json=account, raise_for_status=True) as answer:
        return str((await answer.json())["accessToken"])


@asynccontextmanager
async def load(http: aiohttp.ClientSession, email: str) -> AsyncIterator[Load]:
    """Until the block ends, as a new user of this address."""
    counted, numbers, stop = Load(), itertools.count(), asyncio.Event()
    headers = {"Authorization": f"Bearer {await signed_in(http, email)}"}

    async def ask(method: str, path: str, status: int, number: int) -> None:
        body = {
            "title": f"Portrait {number} has left its frame",
            "description": "It was seen two floors up",
            "location": "HOGWARTS",
            "severity": "MISCHIEF",
        }
        writes, failure, started = method == "POST", "", time.monotonic()
        keyed = headers | ({"Idempotency-Key": f"{email}-{number}"} if writes else {})
        try:
            async with http.request(method, path, json=body if writes else None, headers=keyed) as answer:
                text = await answer.text()
                if answer.status != status:
                    failure = f"{method} {path}: {answer.status} {text[:300]}"
        except (aiohttp.ClientError, TimeoutError) as error:
            failure = f"{method} {path}: {error!r}"
        counted._answered(started, writes=writes, failure=failure)

    async def work(method: str, path: str, status: int) -> None:
        while not stop.is_set():
            await ask(method, path, status, next(numbers))

    reading = [asyncio.create_task(work("GET", "/api/incidents?limit=5", 200)) for _ in range(READERS)]
    writing = [asyncio.create_task(work("POST", "/api/incidents", 201)) for _ in range(WRITERS)]
    yield counted
    stop.set()
    await asyncio.gather(*reading, *writing)
    async with http.get("/api/incidents?limit=1", headers=headers, raise_for_status=True) as answer:
        counted.total = (await answer.json())["total"]
