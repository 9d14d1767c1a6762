"""Long lists, a slice at a time: complete where they are numbered, cut where a cursor leads on, and judged to the end."""

import asyncio
import json
import socket
from typing import Any

import aiohttp
import pytest
from tests.component.conftest import ON_BOTH_LOOPS, PATIENCE_SECONDS, Api, running_api, until
from tests.component.conftest import readiness as ready

from maraudersmap_api.errors import Unavailable
from maraudersmap_api.http import slow_readers
from maraudersmap_api.incidents import slices

WEIGHT = 1000


@pytest.fixture
async def heavy(api: Api, monkeypatch: pytest.MonkeyPatch) -> Api:
    """Ten incidents, of which three fit into a slice."""
    monkeypatch.setattr(slices, "SLICE_BYTES", 2 * WEIGHT + WEIGHT // 2)
    await api.person("moody", "AUROR")
    await api.person("harry")
    for number in range(10):
        await api.report("moody", f"number {number}", description="é" * (WEIGHT // 2), tags=[f"t{number}"])
    return api


async def _list(api: Api, query: str, user: str = "moody") -> Any:
    reply = await api.call("GET", f"/api/incidents?{query}", user=user)
    assert reply.status == 200, reply.body
    return reply.body


def _titles(body: Any) -> list[int]:
    return [int(found["title"].removeprefix("number ")) for found in body["data"]]


@pytest.mark.parametrize(
    "query",
    [
        "limit=10",
        "limit=4&page=2",
        "limit=7&order=asc",
        "limit=10&sort=severity",
        "limit=10&sort=status&order=asc",
        "search=number",
        "limit=10&search=number&sort=reportedAt",
        "limit=100&page=2",
    ],
)
async def test_a_numbered_page_is_the_same_in_slices_and_at_once(
    heavy: Api, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    in_slices = await _list(heavy, query)
    again = await _list(heavy, query)
    monkeypatch.setattr(slices, "SLICE_BYTES", 10**9)

    at_once = await _list(heavy, query)

    assert in_slices == again == at_once


@pytest.mark.parametrize("sort", ["reportedAt", "severity", "status"])
async def test_a_page_by_cursor_ends_early_and_leads_on(heavy: Api, sort: str) -> None:
    found = await _list(heavy, f"limit=1&sort={sort}")
    walked, sizes = _titles(found), []
    while found["hasMore"]:
        found = await _list(heavy, f"limit=10&sort={sort}&cursor={found['nextCursor']}")
        sizes.append(len(found["data"]))
        walked += _titles(found)

    assert walked == list(range(9, -1, -1))
    assert sizes == [3, 3, 3]
    assert found["nextCursor"] is None


async def test_what_is_hidden_or_deleted_while_a_page_is_sent_is_left_out(heavy: Api) -> None:
    bearer = {"Authorization": f"Bearer {heavy.tokens['harry']}"}
    budget = heavy.service.domain._reads._budget
    async with budget.hold(10**12):  # so that the page gets no further than its beginning
        reply = await heavy.http.get("/api/incidents?limit=10", headers=bearer)
        beginning = b""
        while b"number 7" not in beginning:
            beginning += await reply.content.readany()
        ids = {row["title"]: row["id"] for row in await heavy.sql("SELECT id, title FROM incidents")}
        hidden = f"/api/incidents/{ids['number 5']}"
        await heavy.call("PATCH", hidden, user="moody", json={"severity": "DANGEROUS"})
        await heavy.call("DELETE", f"/api/incidents/{ids['number 3']}", user="moody")
        assert b"number 6" not in beginning
    body = json.loads(beginning + await reply.read())

    assert _titles(body) == [9, 8, 7, 6, 4, 2, 1, 0]


async def test_a_page_that_cannot_be_finished_is_cut_and_not_ended(
    heavy: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> Any:
        raise Unavailable("away")

    monkeypatch.setattr(slices, "slice_statement", away)

    with pytest.raises(aiohttp.ClientPayloadError):
        await heavy.call("GET", "/api/incidents?limit=10", user="moody")


async def test_only_the_head_of_a_long_page_costs_nothing_more(
    heavy: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> Any:
        raise AssertionError("nobody reads it")

    monkeypatch.setattr(slices, "slice_statement", never)
    bearer = {"Authorization": f"Bearer {heavy.tokens['moody']}"}

    async with heavy.http.head("/api/incidents?limit=10", headers=bearer) as reply:
        assert (reply.status, await reply.read()) == (200, b"")


@pytest.mark.parametrize("path", ["/api/incidents?limit=10", "/api/analytics/export.csv"])
async def test_who_may_not_have_it_any_more_gets_no_more_of_it(heavy: Api, path: str) -> None:
    """Who reads slowly may take an hour for a page, or a day for an export, and is another by then."""
    bearer = {"Authorization": f"Bearer {heavy.tokens['moody']}"}
    async with heavy.service.domain._reads._budget.hold(10**12):
        asked = asyncio.create_task(heavy.http.get(path, headers=bearer))

        async def begun() -> bool:
            return bool(heavy.service.domain._reads._budget._line)

        await until(begun)
        await heavy.sql(
            "UPDATE users SET role = 'STUDENT', token_version = token_version + 1 WHERE role = 'AUROR'"
        )
        heavy.forget_users()
    with pytest.raises(aiohttp.ClientError):
        await (await asked).read()


@ON_BOTH_LOOPS
@pytest.mark.parametrize("path", ["/api/incidents?limit=100", "/api/analytics/export.csv"])
async def test_who_does_not_read_is_closed(database: str, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(slow_readers, "STALL_SECONDS", 0.3)
    monkeypatch.setattr(slow_readers, "SWEEP_SECONDS", 0.05)
    async with running_api(database) as api:
        await ready(api, 200)
        await api.person("moody", "AUROR")
        await api.sql(
            """INSERT INTO incidents (title, description, location, reported_by)
               SELECT 'x', repeat('y', 10000), 'AZKABAN', u.id FROM generate_series(1, 1000) n, users u"""
        )
        port = api.http._base_url.port if api.http._base_url else None
        stuck = socket.socket()
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.setblocking(False)
        await asyncio.get_running_loop().sock_connect(stuck, ("127.0.0.1", port))
        head = f"GET {path} HTTP/1.1\r\nHost: map\r\nAuthorization: Bearer {api.tokens['moody']}\r\n\r\n"
        stuck.send(head.encode())

        async def closed() -> bool:
            metrics = (await api.call("GET", "/metrics")).body.decode()
            return "slow_readers_closed_total 1.0" in metrics

        await until(closed)
        assert await _gone(stuck)
        stuck.close()


async def _gone(reader: socket.socket) -> bool:
    """Read what had come so far: does the connection end before the answer does?"""
    taken = b""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                piece = await asyncio.get_running_loop().sock_recv(reader, 65536)
            except ConnectionResetError:
                return True
            if not piece:
                return not taken.endswith(b"\r\n0\r\n\r\n")
            taken = (taken + piece)[-16:]
