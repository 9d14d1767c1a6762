"""What clients do not take: each budget of bytes by itself, with nothing else that could let a client go.

test_memory.py has the sum of it, as the kernel counts it.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from dev import hostile
from tests.component.conftest import ON_BOTH_LOOPS, Api, readiness, running_api, until

from maraudersmap_api.http import slow_readers
from maraudersmap_api.realtime import service

KIB, MIB = 1024, 1024 * 1024
FOR_EVER = 3600.0
COMMENTS = "/api/incidents/1/comments?limit=100"


@asynccontextmanager
async def heavy(database: str) -> AsyncIterator[Api]:
    """An incident of 198 KiB with a hundred comments of 20 KB, and somebody who may see it."""
    async with running_api(database) as api:
        await readiness(api, 200)
        await api.person("moody", "AUROR")
        await api.sql(
            """INSERT INTO incidents (title, description, location, reported_by, evidence_urls)
               SELECT 'heavy', repeat('🪄', 10000), 'AZKABAN', u.id,
                      ARRAY(SELECT 'https://a.example/' || m || repeat('🦉', 2000) FROM generate_series(1, 20) m)
                 FROM users u"""
        )
        await api.sql(
            """INSERT INTO comments (incident_id, author_id, content)
               SELECT i.id, i.reported_by, repeat('🦉', 5000) FROM incidents i, generate_series(1, 100)"""
        )
        yield api


@pytest.fixture(autouse=True)
def _nothing_else_lets_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_readers, "STALL_SECONDS", FOR_EVER)
    monkeypatch.setattr(slow_readers, "BUFFER_SECONDS", FOR_EVER)
    monkeypatch.setattr(service, "SEND_SECONDS", FOR_EVER)


async def _untaken(stack: AsyncExitStack, api: Api, sent: bytes) -> None:
    """Send this on a connection of its own, wait until its answer has begun to come, and take nothing of it."""
    reader = stack.enter_context(socket.socket())
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.setblocking(False)
    base = api.http._base_url
    assert base is not None
    await asyncio.get_running_loop().sock_connect(reader, ("127.0.0.1", base.port))
    reader.send(sent)

    async def come() -> bool:
        try:
            return bool(reader.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return False

    await until(come)


async def _asked(stack: AsyncExitStack, api: Api) -> None:
    head = f"GET {COMMENTS} HTTP/1.1\r\nHost: map\r\nAuthorization: Bearer {api.tokens['moody']}\r\n\r\n"
    await _untaken(stack, api, head.encode())


def _unsent(api: Api) -> list[int]:
    """Bytes that wait for the reader of each connection."""
    return [transport.get_write_buffer_size() for transport in api.service.server._readers._transports]


async def _once(holds: Callable[[], bool]) -> None:
    async def held() -> bool:
        return holds()

    await until(held)


@ON_BOTH_LOOPS
async def test_a_page_of_comments_waits_a_part_at_a_time(database: str) -> None:
    async with heavy(database) as api, AsyncExitStack() as stack:
        await _asked(stack, api)
        await _once(lambda: max(_unsent(api)) > 0)

        # Until it is taken no more is read: this is all that there will ever be of 2 MB.
        assert max(_unsent(api)) < 256 * KIB
        assert (await api.call("GET", COMMENTS, user="moody")).body["total"] == 100


@ON_BOTH_LOOPS
async def test_unread_pages_are_bounded_together(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    soft = 512 * KIB
    monkeypatch.setattr(slow_readers, "SOFT_BYTES", soft)
    monkeypatch.setattr(slow_readers, "HARD_BYTES", 2 * soft)
    monkeypatch.setattr(slow_readers, "NOT_QUICK_SECONDS", 0.0)
    async with heavy(database) as api, AsyncExitStack() as stack:
        for number in range(1, 17):
            await _asked(stack, api)
            await _reached(api, number)
        await _once(lambda: _closed(api) > 0)
        await _once(lambda: sum(_unsent(api)) <= soft)


async def _reached(api: Api, number: int) -> None:
    """So many connections are there, or were."""
    await _once(lambda: len(_unsent(api)) + _closed(api) >= number)


def _closed(api: Api) -> int:
    found = api.service.server._readers._closed.__self__  # type: ignore[attr-defined]
    return int(found._value.get())


async def _catches_up(stack: AsyncExitStack, api: Api) -> None:
    """On twenty changes of the incident, 4 MB, by a client that takes nothing."""
    first = {"type": "auth", "token": api.tokens["moody"], "since": 1}
    await _untaken(stack, api, hostile.handshake() + hostile.text_frame(json.dumps(first).encode()))


async def _changed_often(api: Api) -> None:
    await api.sql(
        """INSERT INTO events (type, incident_id, payload)
           SELECT 'incident:updated', i.id, '{}' FROM generate_series(1, 21) n, incidents i"""
    )


@ON_BOTH_LOOPS
async def test_a_catch_up_waits_with_half_a_queue(database: str) -> None:
    async with heavy(database) as api, AsyncExitStack() as stack:
        await _changed_often(api)
        await _catches_up(stack, api)
        (one,) = api.service.domain.realtime.hub
        await _once(lambda: one._bytes > MIB)
        for _ in range(30):  # as often as it could have read on
            assert (await api.call("GET", COMMENTS, user="moody")).status == 200

        assert one._bytes < MIB + 512 * KIB, "half of 2 MiB, and a portion"
        assert not one.ending.done()


@ON_BOTH_LOOPS
async def test_queues_are_bounded_together(database: str) -> None:
    """Each of eight would fill half of its own."""
    most = 3 * MIB
    async with heavy(database) as api, AsyncExitStack() as stack:
        await _changed_often(api)
        realtime = api.service.domain.realtime
        realtime._backlog._most = most
        for _ in range(8):
            await _catches_up(stack, api)

        await _once(lambda: any(one.ending.done() for one in realtime.hub) or len(realtime.hub) < 8)
        assert realtime._backlog.waiting <= most
        assert len(realtime.hub) > 0
