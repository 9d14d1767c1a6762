"""Failures and requests are counted to whom they belong: never to a caller what was the service's, never to an owner what
others do with what was theirs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from dev.local_services import LocalPostgres, local_redis
from tests.component.conftest import (
    JWT_SECRET,
    PASSWORD,
    PATIENCE_SECONDS,
    Api,
    Reply,
    readiness,
    running_api,
    until,
)

from maraudersmap_api.auth import repository
from maraudersmap_api.auth.repository import find_user
from maraudersmap_api.auth.tokens import ACCESS_LIFETIME, AccessTokens
from maraudersmap_api.http import reading
from maraudersmap_api.infra.db import Executor
from maraudersmap_api.infra.migrate import migrate, shipped_migrations

ELSEWHERE = {"X-Forwarded-For": "6.6.6.6"}
AT_HOME = {"X-Forwarded-For": "1.2.3.4"}
HARRY = {"email": "harry@hogwarts.edu", "password": PASSWORD}


async def sign_in(api: Api) -> Reply:
    return await api.call("POST", "/api/auth/login", json=HARRY, headers=AT_HOME)


async def refresh(api: Api, token: str, headers: dict[str, str]) -> Reply:
    return await api.call("POST", "/api/auth/refresh", json={"refreshToken": token}, headers=headers)


@pytest.mark.parametrize("shared", [True, False], ids=["counted in Redis", "counted here"])
@pytest.mark.usefixtures("unhurried")
async def test_an_outage_costs_its_callers_nothing(own_postgres: LocalPostgres, shared: bool) -> None:
    """Someone who comes back as Retry-After asks would else wait for 15 minutes when it is over."""
    url = own_postgres.create_database("map")
    await migrate(url, shipped_migrations())
    with local_redis() as redis:
        more = {"REDIS_URL": redis.url} if shared else {}
        async with running_api(
            url,
            schema_version=None,
            RATE_LIMIT_ANONYMOUS="20",
            RATE_LIMIT_AUTHENTICATED="20",
            TRUSTED_PROXIES="1",
            **more,
        ) as api:
            await readiness(api, 200, cache="healthy" if shared else "disabled")
            await api.person("harry")
            token = (await sign_in(api)).body["refreshToken"]
            await asyncio.to_thread(own_postgres.stop)
            await readiness(api, 503)
            for _ in range(60):
                for reply in (
                    await sign_in(api),
                    await refresh(api, token, AT_HOME),
                    await api.call("POST", "/api/incidents", user="harry", json={"title": "x"}),
                ):
                    assert reply.status == 503, reply.body
                    assert int(reply.headers["Retry-After"]) >= 1
            await asyncio.to_thread(own_postgres.start)
            await readiness(api, 200)
            assert (await sign_in(api)).status == 200
            assert (await refresh(api, token, AT_HOME)).status == 200
            assert (await api.call("GET", "/api/auth/me", user="harry")).status == 200


async def test_an_outage_is_an_outage_behind_an_address_that_others_have_used_up(
    own_postgres: LocalPostgres,
) -> None:
    """Whose credential it is cannot be found out, and the address has nothing left: that is still not their fault."""
    url = own_postgres.create_database("map")
    await migrate(url, shipped_migrations())
    async with running_api(url, RATE_LIMIT_ANONYMOUS="5", TRUSTED_PROXIES="1") as api:
        await readiness(api, 200)
        await api.person("harry")
        token = (await sign_in(api)).body["refreshToken"]
        while (await api.call("GET", "/api/nothing", headers=AT_HOME)).status != 429:
            pass
        await asyncio.to_thread(own_postgres.stop)
        await readiness(api, 503)
        api.forget_users()
        for _ in range(10):
            assert (await refresh(api, token, AT_HOME)).status == 503
            assert (await api.call("GET", "/api/incidents", user="harry", headers=AT_HOME)).status == 503
        await asyncio.to_thread(own_postgres.start)


async def _logged_out(api: Api, token: str) -> None:
    await api.call("POST", "/api/auth/logout", json={"refreshToken": token}, headers=AT_HOME)


async def _expired(api: Api, _: str) -> None:
    await api.sql("UPDATE refresh_tokens SET expires_at = now() - interval '1 second'")


@pytest.mark.parametrize("end", [_logged_out, _expired])
async def test_a_refresh_token_that_has_ended_is_charged_to_who_brings_it(
    database: str, monkeypatch: pytest.MonkeyPatch, end: Callable[[Api, str], Awaitable[None]]
) -> None:
    asked = 0
    owner_of = repository.owner_of

    async def counting(db: Executor, token_hash: bytes) -> UUID | None:
        nonlocal asked
        asked += 1
        return await owner_of(db, token_hash)

    monkeypatch.setattr(repository, "owner_of", counting)
    async with running_api(
        database, RATE_LIMIT_ANONYMOUS="20", RATE_LIMIT_AUTHENTICATED="30", TRUSTED_PROXIES="1"
    ) as api:
        await readiness(api, 200)
        await api.person("harry")
        stolen = (await sign_in(api)).body["refreshToken"]
        await end(api, stolen)

        replies = [await refresh(api, stolen, ELSEWHERE) for _ in range(50)]

        assert [reply.status for reply in replies] == [401] * 20 + [429] * 30
        assert {reply.headers["X-RateLimit-Limit"] for reply in replies} == {"20"}
        assert asked == 1, "the database is not kept busy with it"
        mine = await api.call("GET", "/api/auth/me", user="harry", headers=AT_HOME)
        assert (mine.status, mine.headers["X-RateLimit-Remaining"]) == (200, "29")


async def test_an_access_token_that_has_ended_is_charged_to_who_brings_it(database: str) -> None:
    async with running_api(
        database, RATE_LIMIT_ANONYMOUS="20", RATE_LIMIT_AUTHENTICATED="30", TRUSTED_PROXIES="1"
    ) as api:
        await readiness(api, 200)
        await api.person("harry")
        stolen = api.tokens["harry"]
        change = {"currentPassword": PASSWORD, "newPassword": "managed it"}
        changed = await api.call("PUT", "/api/auth/change-password", user="harry", json=change)
        api.tokens["harry"] = changed.body["accessToken"]

        bearer = {"Authorization": f"Bearer {stolen}", **ELSEWHERE}
        replies = [await api.call("GET", "/api/auth/me", headers=bearer) for _ in range(40)]

        assert [reply.status for reply in replies] == [401] * 20 + [429] * 20
        mine = await api.call("GET", "/api/auth/me", user="harry", headers=AT_HOME)
        assert (mine.status, mine.headers["X-RateLimit-Remaining"]) == (200, "28")


async def test_a_refresh_that_is_valid_counts_to_its_owner_wherever_it_comes_from(database: str) -> None:
    """An address whose allowance others have used up."""
    async with running_api(
        database, RATE_LIMIT_ANONYMOUS="5", RATE_LIMIT_AUTHENTICATED="30", TRUSTED_PROXIES="1"
    ) as api:
        await readiness(api, 200)
        await api.person("harry")
        session: dict[str, Any] = (await sign_in(api)).body
        while (await api.call("GET", "/api/nothing", headers=ELSEWHERE)).status != 429:
            pass

        renewed = await refresh(api, session["refreshToken"], ELSEWHERE)

        assert (renewed.status, renewed.headers["X-RateLimit-Remaining"]) == (200, "29")


@pytest.mark.parametrize("token", ["expired", "undefined", "a.b.c"])
async def test_an_access_token_that_has_ended_does_not_hide_a_refresh_that_is_valid(
    database: str, token: str
) -> None:
    """Clients send what they have with every request; that it has expired is why they refresh."""
    async with running_api(
        database, RATE_LIMIT_ANONYMOUS="20", RATE_LIMIT_AUTHENTICATED="30", TRUSTED_PROXIES="1"
    ) as api:
        await readiness(api, 200)
        await api.person("harry")
        session = (await sign_in(api)).body
        if token == "expired":
            user = await find_user(api.service.auth._db, UUID(session["user"]["id"]))
            assert user is not None
            token = AccessTokens(JWT_SECRET).issue(user, datetime.now(UTC) - 2 * ACCESS_LIFETIME)

        bearer = {"Authorization": f"Bearer {token}", **ELSEWHERE}
        renewed = await refresh(api, session["refreshToken"], bearer)
        ended = await refresh(api, session["refreshToken"], bearer)

        assert (renewed.status, renewed.headers["X-RateLimit-Limit"]) == (200, "30")
        assert (ended.status, ended.headers["X-RateLimit-Limit"]) == (401, "20")


async def test_a_site_of_ipv6_has_a_ceiling_that_one_household_cannot_use_up(database: str) -> None:
    async with running_api(database, RATE_LIMIT_ANONYMOUS="3", TRUSTED_PROXIES="1") as api:
        await readiness(api, 200)

        async def from_household(number: int) -> int:
            headers = {"X-Forwarded-For": f"[2001:db8:1:{number:x}::7]:4711"}
            return (await api.call("GET", "/api/nothing", headers=headers)).status

        assert [await from_household(0) for _ in range(50)] == [404] * 3 + [429] * 47
        for number in range(1, 10):
            assert [await from_household(number) for _ in range(4)] == [404] * 3 + [429]
        assert await from_household(10) == 429, "ten households have used up what a site may have"
        neighbour = {"X-Forwarded-For": "2001:db8:2::7"}
        assert (await api.call("GET", "/api/nothing", headers=neighbour)).status == 404


async def test_clients_behind_nat64_are_counted_one_by_one(database: str) -> None:
    async with running_api(database, RATE_LIMIT_ANONYMOUS="2", TRUSTED_PROXIES="1") as api:
        await readiness(api, 200)
        for last in range(8):
            headers = {"X-Forwarded-For": f"64:ff9b::192.0.2.{last}"}
            statuses = [(await api.call("GET", "/api/nothing", headers=headers)).status for _ in range(3)]
            assert statuses == [404, 404, 429]


REPORT = {"title": "A prank", "location": "HOGWARTS"}


@asynccontextmanager
async def sending(
    api: Api, path: str, times: int, *headers: str
) -> AsyncIterator[list[asyncio.StreamReader]]:
    """So many bodies of the greatest size, each but for its last byte; gives where the answers come."""
    base = api.http._base_url
    assert base is not None
    lines = (f"POST {path} HTTP/1.1", "Host: map", "Content-Type: application/json", *headers)
    raw = "\r\n".join((*lines, f"Content-Length: {reading.BODY_BYTES}", "", "")).encode()
    wires = [await asyncio.open_connection("127.0.0.1", base.port) for _ in range(times)]
    try:
        for _, writer in wires:
            writer.write(raw + b" " * (reading.BODY_BYTES - 1))
        yield [reader for reader, _ in wires]
    finally:
        for _, writer in wires:
            writer.close()


async def test_who_has_used_up_their_allowance_is_refused_before_a_long_body_is_read(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read to find out who refreshes would fill what all have for their bodies."""
    monkeypatch.setattr(reading, "BODY_SECONDS", 2 * PATIENCE_SECONDS)
    async with running_api(database, RATE_LIMIT_ANONYMOUS="5") as api:
        await readiness(api, 200)
        await api.person("harry")
        while (await api.call("GET", "/api/nothing")).status != 429:
            pass
        most = reading.BODIES_BYTES // reading.BODY_BYTES
        async with sending(api, "/api/auth/refresh", most) as readers, asyncio.timeout(PATIENCE_SECONDS):
            lines = [await reader.readline() for reader in readers]
            assert {line.split()[1] for line in lines} == {b"429"}
            assert (await api.call("POST", "/api/incidents", user="harry", json=REPORT)).status == 201


async def test_bodies_that_one_user_holds_back_keep_no_one_else_out(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BODY_SECONDS", 2 * PATIENCE_SECONDS)
    async with running_api(database) as api:
        await readiness(api, 200)
        await api.person("harry")
        await api.person("luna")
        purse = api.service.app[reading.BODIES].purse
        most = reading.BODIES_BYTES // reading.BODIES_PARTS // reading.BODY_BYTES
        bearer = f"Authorization: Bearer {api.tokens['harry']}"

        async def arrived() -> bool:
            return purse.free == reading.BODIES_BYTES - most * (reading.BODY_BYTES - 1)

        async with sending(api, "/api/incidents", most, bearer):
            await until(arrived)
            mine = await api.call("POST", "/api/incidents", user="harry", json=REPORT)
            assert (mine.status, mine.headers["Retry-After"]) == (429, "1")
            assert (await api.call("POST", "/api/incidents", user="luna", json=REPORT)).status == 201
            assert (await sign_in(api)).status == 200
