"""Hostile input over the wire, to the program as it is deployed: a 4xx with a reason or a clean close, memory flat, and
nothing in any answer that tells how the service is made.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import jwt
import pytest
from dev.free_port import free_port
from tests.component.conftest import (
    JWT_SECRET,
    PASSWORD,
    PATIENCE_SECONDS,
    Api,
    Program,
    environment,
    program,
    until,
)

from maraudersmap_api.auth.tokens import AUDIENCE, ISSUER, key_id
from maraudersmap_api.infra.logs import JsonLines

LEAKS = re.compile(
    rb"Traceback|File \"|\.py\b|/site-packages|asyncpg|aiohttp|redis\.|pydantic|prometheus_client|"
    rb"postgres(?!ql$)|SELECT |INSERT |relation \"|violates|Python/|line \d+, in |password_hash|argon2",
    re.IGNORECASE,
)


@asynccontextmanager
async def deployed(database: str, **variables: str) -> AsyncIterator[tuple[Program, int]]:
    """The program, serving; gives its port."""
    port = free_port()
    async with program("serve", environment(database, PORT=str(port), **variables)) as running:

        async def ready() -> bool:
            try:
                return b"200" in await wire(
                    port, b"GET /health/ready HTTP/1.1\r\nHost: map\r\n\r\n", first=True
                )
            except ConnectionError:
                return False

        await until(ready)
        yield running, port


async def wire(port: int, raw: bytes, *, first: bool = False) -> bytes:
    """Everything that comes back for these bytes until the server closes, or only the first line."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(raw)
        async with asyncio.timeout(PATIENCE_SECONDS):
            if first:
                return await reader.readline()
            return await reader.read()
    finally:
        writer.close()


def call(method: str, path: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: map",
        "Connection: close",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


JSON = "Content-Type: application/json"
LOGIN = b"POST /api/auth/login HTTP/1.1\r\nHost: map\r\n" + JSON.encode() + b"\r\n"
BAD_REQUESTS: list[tuple[bytes, int]] = [
    (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),  # TLS
    (b"GET / HTTP/9.9\r\n\r\n", 400),
    (b"GET /\x00 HTTP/1.1\r\nHost: map\r\n\r\n", 400),
    (b"GET /health HTTP/1.1\r\nHost: map\r\nBad Header: x\r\n\r\n", 400),
    (b"GET /health HTTP/1.1\r\nHost: map\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 400),
    (b"POST /api/auth/login HTTP/1.1\r\nHost: map\r\nContent-Length: -1\r\n\r\n", 400),
    (b"POST /api/auth/login HTTP/1.1\r\nHost: map\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    (LOGIN + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n", 400),
    (call("GET", "/" + "a" * 9000), 400),
    (call("GET", "/nothing/%ff%fe"), 404),
    (call("GET", "/../../etc/passwd"), 404),
    (call("TRACE", "/health"), 405),
    (call("BREW", "/health"), 400),
    (call("POST", "/api/auth/login", b"{}", JSON, "Expect: 200-maybe"), 417),
    (call("POST", "/api/auth/login", b"{}", "Content-Type: text/plain"), 415),
    (call("POST", "/api/auth/login", b"{}", JSON + "; charset=utf-7"), 415),
    (call("POST", "/api/auth/login", b"{}", JSON + '; charset="UTF-16"'), 415),
    (call("POST", "/api/auth/login", b"\xff\xfe", JSON), 400),
    (call("POST", "/api/auth/login", b"[" * 100_000, JSON), 400),
    (call("POST", "/api/auth/login", b'{"email":' * 20_000, JSON), 400),
    (call("POST", "/api/auth/login", b'{"email":' + b"9" * 5000 + b"}", JSON), 400),
    (call("POST", "/api/auth/login", b'{"email":"a\\u0000b","password":"x"}', JSON), 400),
    (call("POST", "/api/auth/login", b'{"email":"\\ud800","password":"x"}', JSON), 400),
    (call("POST", "/api/auth/login", b"{}" + b" " * 300_000, JSON), 413),
    (call("GET", "/api/openapi.json?x=%00"), 400),
    (call("GET", "/api/incidents/12abc"), 401),
    # What two readers of one request would understand differently.
    (b"GET /health HTTP/2.0\r\nHost: map\r\n\r\n", 400),
    (b"GET /health\r\n\r\n", 400),  # HTTP/0.9
    (b"GET /health HTTP/1.1\r\n\r\n", 400),
    (b"GET /health HTTP/1.1\r\nHost: map\r\nHost: other\r\n\r\n", 400),
    (LOGIN + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400),
    (call("GET", "/api/auth/me", b"", "Authorization: Bearer x", "Authorization: Bearer y"), 400),
    (call("POST", "/api/incidents", b"{}", JSON, "Idempotency-Key: a", "Idempotency-Key: b"), 400),
    (call("POST", "/api/auth/login", b"{}", JSON, "Content-Type: text/plain"), 400),
    (call("GET", "/ws", b"", "Origin: http://map", "Origin: http://evil.example"), 400),
    (call("POST", "/api/auth/logout", b'{"refreshToken":"a","refreshToken":"b"}', JSON), 400),
]  # fmt: skip


async def test_a_query_that_is_not_utf_8_is_refused(api: Api) -> None:
    """Taken for the text of its percent signs, it would find something else, or nothing."""
    await api.person("harry")
    port = api.http._base_url.port if api.http._base_url is not None else None
    assert port is not None
    signed_in = f"Authorization: Bearer {api.tokens['harry']}"
    for query in ("search=%ff", "page=1&search=a%ED%A0%80", "search=%C0%AF", "search=%e2%82"):
        answer = await wire(port, call("GET", f"/api/incidents?{query}", b"", signed_in))
        assert answer.split()[1] == b"400", query
        assert b'"message":"The query is not valid UTF-8"' in answer
    for query in ("search=100%", "search=%e2%82%ac", "search=%zz"):
        answer = await wire(port, call("GET", f"/api/incidents?{query}", b"", signed_in))
        assert answer.split()[1] == b"200", query


SECRET = b"S3cretOfSomebody"
CUT = b"POST /api/auth/login HTTP/1.1\r\nHost: map\r\nContent-Type: application/json\r\n"
MALFORMED_WITH_SECRETS = [
    b"GET /api/auth/me HTTP/1.1\r\nHost: map\r\nAuthorization: Bearer " + SECRET + b"\0\r\n\r\n",
    b"GET /api/auth/me HTTP/1.1\r\nHost: map\r\nCookie : " + SECRET + b"\r\n\r\n",
    b"GET http://[" + SECRET + b" HTTP/1.1\r\nHost: map\r\n\r\n",
    b"GET http://harry:" + SECRET + b"@xn--" + SECRET + b"-/api/auth/me HTTP/1.1\r\nHost: map\r\n\r\n",
    b"GET /ws?token=" + SECRET + b" x HTTP/1.1\r\nHost: map\r\n\r\n",
    b"GET /ws?token=" + SECRET + b"a" * 9000 + b" HTTP/1.1\r\nHost: map\r\n\r\n",
    # A body that is longer than it says: the rest is taken for the next request.
    CUT + b'Content-Length: 2\r\n\r\n{}{"password":"' + SECRET + b'"}\r\n\r\n',
    CUT + b'Transfer-Encoding: chunked\r\n\r\n{"password":"' + SECRET + b'"}\r\n\r\n',
    # Frames of a client that did not wait for the answer to its handshake, which was no 101.
    b"GET /ws HTTP/1.1\r\nHost: map\r\n\r\n" + b'\x81\xb6\0\0\0\0{"type":"auth","token":"' + SECRET + b'"}',
]


async def test_what_cannot_be_parsed_is_not_quoted_in_the_log(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    """Parsers quote the line that they stumble over, and it may hold a token or a password."""
    formatter = JsonLines("production")
    for raw in MALFORMED_WITH_SECRETS:
        caplog.clear()
        answer = await wire(api.http._base_url.port, raw)  # type: ignore[union-attr, arg-type]
        assert b" 400 " in answer
        (line,) = (formatter.format(one) for one in caplog.records if "Malformed" in one.getMessage())
        assert SECRET.decode().lower() not in line.lower()
        assert json.loads(line)["context"]["error"]["name"] != "RuntimeError"


async def test_a_body_announced_as_too_large_is_not_waited_for(api: Api) -> None:
    """Its first byte has come, and the rest never will."""
    raw = LOGIN + b"Content-Length: 9999999\r\n\r\n{"
    answer = await wire(api.http._base_url.port, raw, first=True)  # type: ignore[union-attr, arg-type]
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_a_body_that_breaks_in_its_middle_is_refused_at_once(api: Api) -> None:
    """Reading it has begun; there is one answer, and the connection is of no use any more."""
    port = api.http._base_url.port  # type: ignore[union-attr]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(LOGIN + b'Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n')
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        writer.write(b"no chunk\r\n")
        answer = await reader.read()
    writer.close()

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("environment_name", ["production", "development"])
async def test_nothing_leaks_even_in_debug_mode(database: str, environment_name: str) -> None:
    variables = {"ENVIRONMENT": environment_name, "PYTHONDEVMODE": "1", "PYTHONASYNCIODEBUG": "1"}
    async with deployed(database, **variables) as (_, port):
        for raw, expected in BAD_REQUESTS:
            answer = await wire(port, raw)
            # 1.0 where no version could be read.
            assert answer[9:13] == f"{expected} ".encode(), (raw[:80], answer[:300])
            assert not LEAKS.search(answer), answer
            head, _, body = answer.partition(b"\r\n\r\n")
            assert b"X-Content-Type-Options: nosniff" in head
            assert b"Server: marauders-map\r\n" in head + b"\r\n"
            if not raw.startswith(b"HEAD"):
                assert json.loads(body)["error"]["message"]
        # a fault of ours tells no more
        connection = await asyncpg.connect(database)
        await connection.execute("DROP TABLE refresh_tokens CASCADE")
        await connection.close()
        body = json.dumps({"refreshToken": "x" * 86}).encode()
        answer = await wire(port, call("POST", "/api/auth/refresh", body, JSON))
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert not LEAKS.search(answer), answer


async def test_floods_of_bytes_are_refused_and_memory_stays_flat(database: str) -> None:
    async with deployed(database) as (running, port):
        await wire(port, call("GET", "/api/openapi.json"))
        before = resident(running)

        declared = await upload(port, b"Content-Length: 1073741824\r\n", chunked=False)
        endless = await upload(port, b"Transfer-Encoding: chunked\r\n", chunked=True)
        slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(200)]
        for _, writer in slow:
            writer.write(LOGIN + b"Content-Length: 100\r\n\r\n{")
        alive = await wire(port, call("GET", "/health/live"))
        for _, writer in slow:
            writer.close()

        assert declared.startswith(b"HTTP/1.1 413 ")
        assert endless.startswith(b"HTTP/1.1 413 ")
        assert alive.startswith(b"HTTP/1.1 200 ")
        assert resident(running) - before < 30_000_000


def resident(running: Program) -> int:
    """Bytes of memory."""
    pages = Path(f"/proc/{running.child.pid}/statm").read_text().split()[1]
    return int(pages) * 4096


async def upload(port: int, header: bytes, *, chunked: bool) -> bytes:
    """Push until the server has had enough; its answer. At most 64 MiB: a server that takes those is a failure."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"POST /api/auth/login HTTP/1.1\r\nHost: map\r\n" + JSON.encode() + b"\r\n" + header + b"\r\n"
    )
    piece = b"a" * 65536
    piece = b"10000\r\n" + piece + b"\r\n" if chunked else piece
    answer = asyncio.create_task(reader.readline())
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            for _ in range(1024):
                if answer.done():
                    break
                writer.write(piece)
                await writer.drain()
            return await answer
    except ConnectionError:
        return await answer
    finally:
        writer.close()


def forged_tokens(user_id: str) -> dict[str, str]:
    now = int(time.time())
    good: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": user_id,
        "ver": 1,
        "iat": now,
        "exp": now + 900,
    }

    def signed(claims: dict[str, Any], key: str = JWT_SECRET, algorithm: str = "HS256", **head: Any) -> str:
        return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": key_id(JWT_SECRET), **head})

    def without(name: str) -> dict[str, Any]:
        return {claim: value for claim, value in good.items() if claim != name}

    genuine = signed(good)
    head, payload, signature = genuine.split(".")
    elevated = base64.urlsafe_b64encode(json.dumps({**good, "role": "AUROR"}).encode()).rstrip(b"=").decode()
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    by_key_name = hmac.digest(key_id(JWT_SECRET).encode(), f"{head}.{payload}".encode(), hashlib.sha256)
    return {
        "alg none": f"{unsigned}.{payload}.",
        "alg none, our kid": signed(good, "", "none"),
        "another algorithm": signed(good, JWT_SECRET * 2, "HS512"),
        "wrong issuer": signed({**good, "iss": "someone"}),
        "wrong audience": signed({**good, "aud": "someone"}),
        "expired": signed({**good, "iat": now - 1000, "exp": now - 100}),
        "from the future": signed({**good, "iat": now + 600, "exp": now + 900}),
        "tampered payload": f"{head}.{elevated}.{signature}",
        "cut signature": f"{head}.{payload}.{signature[:-4]}",
        "foreign key": signed(good, "another-key-of-thirty-two-bytes-or-more"),
        "unknown kid": signed(good, kid="0" * 16),
        "kid as key": f"{head}.{payload}.{base64.urlsafe_b64encode(by_key_name).rstrip(b'=').decode()}",
        "no subject": signed(without("sub")),
        "no expiry": signed(without("exp")),
        "no version": signed(without("ver")),
        "old version": signed({**good, "ver": 0}),
        "version as truth": signed({**good, "ver": True}),
        "version as fraction": signed({**good, "ver": 1.0}),
        "expiry as text": signed({**good, "exp": str(now + 900)}),
        "times as text": signed({**good, "iat": str(now), "exp": str(now + 900)}),
        "version as text": signed({**good, "ver": "latest"}),
        "subject that is no id": signed({**good, "sub": "harry"}),
        "nobody's subject": signed({**good, "sub": "00000000-0000-0000-0000-000000000000"}),
        "expiry beyond time": signed({**good, "exp": 10**400}),
        "huge": "a" * 6000,
        "not a token": "x.y.z",
    }


async def test_every_kind_of_invalid_token_is_one_and_the_same_401(api: Api) -> None:
    user_id = await api.person("harry")
    session = await api.call(
        "POST", "/api/auth/login", json={"email": "harry@hogwarts.edu", "password": PASSWORD}
    )
    tokens = {**forged_tokens(user_id), "refresh token as access token": session.body["refreshToken"]}
    seen = set()
    for kind, token in tokens.items():
        reply = await api.call("GET", "/api/auth/me", headers={"Authorization": f"Bearer {token}"})
        assert reply.status == 401, kind
        assert reply.headers["WWW-Authenticate"].startswith("Bearer")
        seen.add(reply.body["error"]["message"])
    assert len(tokens) >= 12
    assert len(seen) <= 2  # "not valid", and "this session has ended" for what we signed ourselves
    api.tokens["swapped"] = session.body["accessToken"]
    assert (
        await api.call("POST", "/api/auth/refresh", json={"refreshToken": api.tokens["swapped"]})
    ).status in (400, 401)


PAYLOADS = (
    "' OR '1'='1",
    "'; DROP TABLE users; --",
    '" OR ""="',
    "1); DELETE FROM incidents; --",
    "${jndi:ldap://x}",
    "{{7*7}}",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "%27%20OR%201=1",
    "\\x27; SELECT pg_sleep(10)",
    "admin'/*",
)


@pytest.mark.parametrize("payload", PAYLOADS)
async def test_text_of_accounts_is_only_ever_text(api: Api, payload: str) -> None:
    body = {
        "email": "tom@hogwarts.edu",
        "password": PASSWORD + payload,
        "firstName": payload,
        "lastName": payload,
    }
    made = await api.call("POST", "/api/auth/register", json=body)
    assert (made.status, made.body["user"]["firstName"]) == (201, payload)
    assert made.headers["Content-Type"] == "application/json; charset=utf-8"
    assert made.headers["X-Content-Type-Options"] == "nosniff"
    for field, value in (("email", f"{payload}@hogwarts.edu"), ("email", payload), ("password", payload)):
        sign_in = {"email": "tom@hogwarts.edu", "password": PASSWORD, field: value}
        assert (await api.call("POST", "/api/auth/login", json=sign_in)).status in (400, 401, 429)
    for path in ("refresh", "logout"):
        reply = await api.call("POST", f"/api/auth/{path}", json={"refreshToken": payload})
        assert reply.status in (204, 401)
    (users,) = await api.sql("SELECT count(*) FROM users")
    assert users[0] == 1
