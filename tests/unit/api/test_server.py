"""Letting go of connections without dropping a request."""

import asyncio

import pytest
from tests.unit.api.conftest import TinyServer, make_tiny

from maraudersmap_api.http import server as server_module


async def test_a_young_connection_is_kept_and_an_old_one_ends_with_its_answer() -> None:
    young, old = await make_tiny(max_age=60), await make_tiny(max_age=0)
    try:
        wire = await young.connect()
        assert "Connection" not in (await wire.get("/ok")).headers
        assert (await wire.get("/ok")).status == 200

        wire = await old.connect()
        assert (await wire.get("/ok")).headers["Connection"] == "close"
        assert await wire.closed()
    finally:
        await young.close()
        await old.close()


async def test_while_draining_answers_say_close_and_new_connections_are_still_served(
    tiny: TinyServer,
) -> None:
    kept = await tiny.connect()
    await kept.get("/ok")
    tiny.draining = True

    for path, status in (("/ok", 200), ("/stream", 200), ("/bug", 500), ("/nothing", 404)):
        fresh = await tiny.connect()
        answer = await fresh.get(path)
        assert (answer.status, answer.headers["Connection"]) == (status, "close")
    assert (await kept.get("/ok")).headers["Connection"] == "close"
    assert await kept.closed()


async def test_stop_closes_idle_connections_and_waits_for_a_running_request(tiny: TinyServer) -> None:
    idle, busy = await tiny.connect(), await tiny.connect()
    await idle.get("/ok")
    await busy.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    await tiny.entered.wait()
    tiny.draining = True

    stopping = asyncio.create_task(tiny.server.stop())
    assert await idle.closed()
    with pytest.raises(ConnectionRefusedError):
        await tiny.connect()
    assert not stopping.done()
    tiny.release.set()

    assert (await busy.answer()).body == b"slow but sure"
    assert await stopping is True


async def test_a_body_still_arriving_while_stopping_is_read_to_its_end(tiny: TinyServer) -> None:
    wire = await tiny.connect()
    await wire.send(
        b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 8\r\n"
        b"Expect: 100-continue\r\n\r\n"
    )
    # The server's go-ahead shows that the request is being handled.
    assert (await wire.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
    tiny.draining = True

    stopping = asyncio.create_task(tiny.server.stop())
    await wire.send(b'{"a":')
    await asyncio.sleep(0)
    await wire.send(b"12}")

    answer = await wire.answer()
    assert (answer.status, answer.body) == (200, b'{"a": 12}')
    assert await stopping is True


async def test_what_does_not_end_in_time_is_cut_off(
    tiny: TinyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "IN_FLIGHT_SECONDS", 0.1)
    wire = await tiny.connect()
    await wire.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    await tiny.entered.wait()

    async with asyncio.timeout(60):
        assert await tiny.server.stop() is False

    assert await wire.closed()


async def test_pipelined_requests_are_all_answered(tiny: TinyServer) -> None:
    wire = await tiny.connect()
    await wire.send(b"GET /ok HTTP/1.1\r\nHost: a\r\n\r\n" * 3)

    assert [(await wire.answer()).status for _ in range(3)] == [200, 200, 200]


async def test_a_client_that_never_finishes_its_head_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "HEAD_SECONDS", 0.3)
    tiny = await make_tiny()
    try:
        slow, busy = await tiny.connect(), await tiny.connect()
        await slow.send(b"GET /ok HTTP/1.1\r\nHost: map\r\nX-Slow: ")
        await busy.send(b"GET /slow HTTP/1.1\r\nHost: map\r\n\r\n")

        assert await slow.closed()
        tiny.release.set()
        assert (await busy.answer()).status == 200  # it has said what it wants
    finally:
        await tiny.close()
