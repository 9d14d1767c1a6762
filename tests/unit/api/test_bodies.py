"""What has arrived of all bodies together is bounded; who holds nothing back is never in the way of others."""

import asyncio
import gzip
import json

import pytest
from tests.unit.api.conftest import TinyServer, Wire, make_tiny

from maraudersmap_api.http import reading

BODY = json.dumps({"text": "x" * 500}).encode()


def head(path: str, length: int = len(BODY), *more: str) -> bytes:
    lines = (
        f"POST {path} HTTP/1.1",
        "Host: map",
        "Content-Type: application/json",
        f"Content-Length: {length}",
        *more,
    )
    return "\r\n".join((*lines, "", "")).encode()


async def held(server: TinyServer, size: int) -> None:
    """Wait until so many bytes are held."""
    async with asyncio.timeout(60):
        while server.bodies.free != 10_000 - size:  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.005)


async def test_a_body_counts_from_its_first_byte_to_the_end_of_its_request(tiny: TinyServer) -> None:
    wire = await tiny.connect()
    await wire.send(head("/slow-echo") + BODY[:100])
    await held(tiny, 100)
    await wire.send(BODY[100:])
    await tiny.entered.wait()
    assert tiny.bodies.free == 10_000 - len(BODY)
    tiny.release.set()
    assert (await wire.answer()).status == 200
    assert tiny.bodies.free == 10_000


async def test_who_sends_nothing_holds_nothing() -> None:
    """Thirty announce a body and leave it at that: the next one is served."""
    server = await make_tiny(bodies=len(BODY))
    try:
        for _ in range(30):
            await (await server.connect()).send(head("/echo", 1000))
        wire = await server.connect()
        await wire.send(head("/echo") + BODY)
        assert (await wire.answer()).status == 200
    finally:
        await server.close()


async def test_what_is_too_much_together_is_refused_and_nothing_stays_behind() -> None:
    server = await make_tiny(bodies=len(BODY) + 100)
    try:
        first, second = await server.connect(), await server.connect()
        await first.send(head("/slow-echo") + BODY)
        await server.entered.wait()
        await second.send(head("/echo") + BODY)
        refused = await second.answer()
        assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
        assert json.loads(refused.body)["error"]["code"] == "SERVICE_UNAVAILABLE"
        assert server.bodies.free == 100

        server.release.set()
        assert (await first.answer()).status == 200
        assert server.bodies.free == len(BODY) + 100
        third = await server.connect()
        await third.send(head("/echo") + BODY)
        assert (await third.answer()).status == 200
    finally:
        await server.close()


async def test_one_caller_cannot_have_all_there_is() -> None:
    """Who has too much in the air is refused, which is no failure of ours, and the others are served."""
    server = await make_tiny(bodies=6 * len(BODY), bodies_parts=4)
    try:
        first, second, other = [await server.connect() for _ in range(3)]
        await first.send(head("/slow-echo", len(BODY), "X-Caller: harry") + BODY)
        await server.entered.wait()

        await second.send(head("/echo", len(BODY), "X-Caller: harry") + BODY)
        refused = await second.answer()
        assert (refused.status, refused.headers["Retry-After"]) == (429, "1")
        assert json.loads(refused.body)["error"]["code"] == "RATE_LIMITED"
        await other.send(head("/echo", len(BODY), "X-Caller: luna") + BODY)
        assert (await other.answer()).status == 200

        server.release.set()
        assert (await first.answer()).status == 200
        again = await server.connect()
        await again.send(head("/echo", len(BODY), "X-Caller: harry") + BODY)
        assert (await again.answer()).status == 200
        assert server.bodies.free == 6 * len(BODY)
    finally:
        await server.close()


async def test_a_refusal_is_given_again_and_not_what_is_left_of_the_body() -> None:
    """Rate limits may look at a body before its handler does."""
    server = await make_tiny(bodies=100)
    try:
        wire = await server.connect()
        await wire.send(head("/twice") + BODY)
        assert (await wire.answer()).status == 503
        assert server.bodies.free == 100
    finally:
        await server.close()


async def test_a_client_that_goes_away_gives_back_what_it_held(tiny: TinyServer) -> None:
    wire = await tiny.connect()
    await wire.send(head("/echo") + BODY[:200])
    await held(tiny, 200)
    await wire.wait_closed()
    await held(tiny, 0)


async def test_a_body_that_does_not_arrive_in_time_is_cut(
    tiny: TinyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BODY_SECONDS", 0.1)
    wire: Wire = await tiny.connect()
    await wire.send(head("/echo") + BODY[:200])
    assert (await wire.answer()).status == 408
    assert tiny.bodies.free == 10_000


@pytest.mark.parametrize(
    "coding", ["gzip", "GZIP", "deflate", "br", "zstd", "identity, gzip", "gzip, gzip", "x"]
)
async def test_a_compressed_body_is_refused_and_not_unpacked(tiny: TinyServer, coding: str) -> None:
    """One piece of it may hold a thousand times as much as it is long, and nobody knows before."""
    wire = await tiny.connect()
    bomb = gzip.compress(b'{"text":"' + b"x" * 10_000_000 + b'"}')
    for packed in (gzip.compress(BODY), bomb[:1000]):
        await wire.send(head("/echo", len(packed), f"Content-Encoding: {coding}") + packed)
        refused = await wire.answer()
        assert (refused.status, json.loads(refused.body)["error"]["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert tiny.bodies.free == 10_000


async def test_a_body_that_says_it_is_not_compressed_is_taken(tiny: TinyServer) -> None:
    wire = await tiny.connect()
    await wire.send(head("/echo", len(BODY), "Content-Encoding: Identity") + BODY)
    assert (await wire.answer()).status == 200
