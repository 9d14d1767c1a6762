"""What sockets cost, and whom: nobody's clients keep others out, and nothing that makes work is free."""

import asyncio
from contextlib import AsyncExitStack

import aiohttp
import pytest
from tests.component.api.sockets import Client, connected, stranger
from tests.component.conftest import PATIENCE_SECONDS, Api, readiness, running_api

from maraudersmap_api.realtime import catch_up, door, hub


async def _left(api: Api, user: str) -> int:
    """Requests that a user has left, this one taken off."""
    return int((await api.call("GET", "/api/auth/me", user=user)).headers["X-RateLimit-Remaining"])


async def test_a_hundred_and_ten_clients_behind_one_address_come_back_at_once(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a rollout does: all sockets are closed, and all clients come again in the same second."""
    monkeypatch.setattr(door, "WAIT_SECONDS", PATIENCE_SECONDS)  # a busy machine lets them in more slowly
    async with running_api(database, RATE_LIMIT_ANONYMOUS="100", RATE_LIMIT_AUTHENTICATED="50") as api:
        await readiness(api, 200)
        names = [f"user{number}" for number in range(11)]
        for name in names:
            await api.person(name)

        everybody = aiohttp.TCPConnector(limit=0)
        async with (
            AsyncExitStack() as stack,
            aiohttp.ClientSession(api.http._base_url, connector=everybody) as http,
        ):

            async def sign_in(name: str) -> None:
                client = Client(await stack.enter_async_context(http.ws_connect("/ws")))
                await client.send("auth", token=api.tokens[name])
                await client.expect("connection:acknowledged")

            async with asyncio.timeout(PATIENCE_SECONDS):
                await asyncio.gather(*(sign_in(name) for name in names for _ in range(hub.MOST_OF_A_USER)))

            assert [await _left(api, name) for name in names] == [50 - hub.MOST_OF_A_USER - 1] * 11


async def test_first_frames_that_do_not_verify_are_charged_to_their_address(database: str) -> None:
    async with running_api(database, RATE_LIMIT_ANONYMOUS="5") as api:
        await readiness(api, 200)
        await api.person("harry")
        for _ in range(5):
            async with connected(api, "harry"):
                pass
            async with stranger(api) as client:
                await client.send("auth", token="x.y.z")
                assert await client.until_closed() == 4401

        with pytest.raises(aiohttp.WSServerHandshakeError, match="429"):
            async with stranger(api):
                pass
        assert (await api.call("GET", "/api/nothing")).status == 404, (
            "other requests have a count of their own"
        )


async def test_frames_that_make_work_count_like_requests(database: str) -> None:
    async with running_api(database, RATE_LIMIT_AUTHENTICATED="20") as api:
        await readiness(api, 200)
        await api.person("harry")
        number = (await api.report("harry"))["id"]
        async with connected(api, "harry") as client:
            assert await _left(api, "harry") == 17
            for kind in ("room:join", "typing:start", "typing:stop"):
                await client.send(kind, room=f"incident:{number}")
            await client.send("auth", token=api.tokens["harry"])
            for _ in range(30):
                await client.send("heartbeat")
            await client.expect("presence:typing", lambda frame: not frame["data"]["typing"])
            await client.send("room:leave", room=f"incident:{number}")
            await client.expect("connection:acknowledged")

            assert await _left(api, "harry") == 12
            for _ in range(12):
                await client.send("auth", token=api.tokens["harry"])
                await client.expect("connection:acknowledged")
            await client.send("auth", token=api.tokens["harry"], since=1)

            assert (await client.expect("error"))["data"]["code"] == "RATE_LIMITED"
        async with stranger(api) as again:
            await again.send("auth", token=api.tokens["harry"])
            assert await again.until_closed() == 1013
            assert again.kept[0]["data"]["code"] == "RATE_LIMITED"


async def test_a_user_catches_up_on_so_many_bytes_and_then_reads_anew(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often, on however many sockets: repeating `auth` with `since` is no way to keep the server busy."""
    monkeypatch.setattr(catch_up, "ALLOWED_AT_ONCE", 400_000)
    monkeypatch.setattr(catch_up, "ALLOWED_PER_SECOND", 0)
    monkeypatch.setattr(catch_up, "LEAST_BYTES", 10_000)
    for name in ("harry", "ron"):
        await api.person(name)
    for _ in range(3):
        await api.report("harry", description="x" * 10_000)
    first = (await api.sql("SELECT min(id) FROM events"))[0][0]

    async def caught_up(client: Client) -> list[str]:
        """Types of the frames that an `auth` with `since` brings, without its own."""
        await client.send("auth", token=api.tokens["harry"], since=first)
        await client.send("room:join", room="incident:0")  # its refusal says that the rest has come
        await client.expect("connection:acknowledged")
        await client.expect("error")
        kinds = [frame["type"] for frame in client.kept]
        client.kept.clear()
        return kinds

    received: list[str] = []
    async with connected(api, "harry") as one, connected(api, "harry") as other:
        for client in (one, other) * 10:
            received += await caught_up(client)
        assert 20 <= received.count("incident:created") <= 30
        assert received[-5:] == ["resync"] * 5
    async with connected(api, "ron", since=first) as somebody_else:
        assert (await somebody_else.receive())["type"] == "incident:created"


async def test_a_catch_up_that_grows_too_long_ends_with_resync(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "MOST_BYTES", 25_000)
    monkeypatch.setattr(catch_up, "PORTION_BYTES", 1)
    await api.person("harry")
    for number in range(5):
        await api.report("harry", f"number {number}", description="x" * 10_000)
    first = (await api.sql("SELECT min(id) FROM events"))[0][0]

    async with connected(api, "harry", since=first) as client:
        await client.expect("resync")
        await api.report("harry", "afterwards")
        await client.expect("incident:created", lambda frame: frame["data"]["title"] == "afterwards")

    assert [frame["data"]["title"] for frame in client.kept] == ["number 0", "number 1", "number 2"]
