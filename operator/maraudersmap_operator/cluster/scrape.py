"""Asking pods for their metrics. A pod that does not answer, or not sensibly, is a fact and no error."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import NamedTuple

import aiohttp
from yarl import URL

from maraudersmap_operator.resource.names import API_PORT

from .exposition import Reading, read_metrics

SECONDS = 1.0
MAX_BYTES = 2_000_000
AT_ONCE = 10


class Target(NamedTuple):
    """A pod: its UID and its address, IPv4 or IPv6."""

    uid: str
    ip: str


async def scrape(
    targets: Iterable[Target], port: int = API_PORT, path: str = "/metrics", seconds: float = SECONDS
) -> dict[str, Reading | None]:
    """What each pod reports, by UID; None where that could not be found out in `seconds`."""
    gate = asyncio.Semaphore(AT_ONCE)
    async with _session(seconds) as session:

        async def one(target: Target) -> Reading | None:
            async with gate:
                return await _read(session, target.ip, port, path)

        asked = tuple(targets)
        readings = await asyncio.gather(*(one(target) for target in asked))
    return {target.uid: reading for target, reading in zip(asked, readings, strict=True)}


def _session(seconds: float) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=seconds),
        # A connection that is kept would hold up a pod that drains. The gate bounds their number: waiting for a free
        # one here would use up the time to answer.
        connector=aiohttp.TCPConnector(force_close=True, limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        # Else a few bytes of gzip could become more than MAX_BYTES.
        auto_decompress=False,
        headers={"Accept-Encoding": "identity"},
    )


async def _read(session: aiohttp.ClientSession, ip: str, port: int, path: str) -> Reading | None:
    try:
        async with session.get(metrics_url(ip, port, path), allow_redirects=False) as response:
            body = await bounded(response, MAX_BYTES) if response.status == 200 else None
        if body is None:
            return None
        # In a thread: 2 MB would stop the loop for a second.
        return await asyncio.to_thread(read_metrics, body.decode("utf-8", errors="replace"))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):  # ValueError: no address, or no metrics
        return None


def metrics_url(ip: str, port: int, path: str) -> URL:
    """Where a pod shows its metrics; an IPv6 address gets its brackets. Raises ValueError for no address."""
    return URL.build(scheme="http", host=ip, port=port, path=path)


async def bounded(response: aiohttp.ClientResponse, most: int) -> bytes | None:
    """The body; None when it is longer than `most` bytes."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(65536):
        body += chunk
        if len(body) > most:
            return None
    return bytes(body)
