"""Every place that a client can write to, with every hostile value: a refusal, never a 5xx.

The operator compares the 5xx of two revisions, so a 500 that a client can ask for is a way to get a good one rejected.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import chain, count, product

import pytest
from dev import hostile
from dev.hostile import Request
from tests.component.conftest import Api, readiness, running_api

from maraudersmap_api.http.operations import Operation
from maraudersmap_api.realtime.frames import ClientFrame

AT_ONCE = 6
"""Fewer than there are connections to the database, so that no request waits for a turn. On a busy machine two dozen, for
the usual four connections, waited for longer than an answer may take, and a 503 of that kind is not about parsers."""
INCIDENTS = 3 * AT_ONCE
"""Requests take turns with them, so none waits for another's row either; that is what test_contention.py is about."""
INTERNAL_ERROR = 1011
UPGRADES = (("Connection", b"Upgrade"), ("Upgrade", b"websocket"), ("Sec-WebSocket-Version", b"13"))
KEY = ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ==")


@pytest.fixture
async def api(database: str) -> AsyncIterator[Api]:
    """With somebody signed in and an incident; nobody is refused for asking too often."""
    async with running_api(
        database,
        RATE_LIMIT_ANONYMOUS="100000000",
        TRUSTED_PROXIES="1",
        CORS_ORIGINS="https://map.hogwarts.edu",
        DB_POOL_SIZE=str(AT_ONCE + 2),
    ) as running:
        await readiness(running, 200)
        await running.person("moody", "AUROR")
        await running.report("moody")
        await running.sql(
            "INSERT INTO incidents (title, description, location, severity, status, reported_by) "
            "SELECT title, description, location, severity, status, reported_by "
            "FROM incidents, generate_series(2, $1::int)",
            INCIDENTS,
        )
        yield running


async def test_an_origin_that_is_no_address_is_refused(api: Api) -> None:
    """The case that gave a 500, and on one connection enough of them to get a revision rejected."""
    opened = (*UPGRADES, KEY, ("Origin", b"http://["))
    assert await hostile.status_of(_port(api), Request("origin", "GET", b"/ws", opened).encoded()) in (
        400,
        403,
    )


async def test_every_header(api: Api) -> None:
    def requests() -> Iterator[Request]:
        signed_in = ("Authorization", f"Bearer {api.tokens['moody']}".encode())
        routes: tuple[tuple[str, bytes, bytes | None], ...] = (
            ("GET", b"/api/incidents/1", None),
            ("PATCH", b"/api/incidents/1", b'{"witnessCount":1}'),
            ("POST", b"/api/incidents", b'{"title":"x","location":"HOGWARTS"}'),
            ("POST", b"/api/auth/refresh", b'{"refreshToken":"x"}'),
            ("OPTIONS", b"/api/incidents", None),
            ("GET", b"/api/docs", None),
            ("GET", b"/health/ready", None),
        )
        thorough = product(routes[:1], hostile.HEADERS, hostile.VALUES)
        others = product(routes[1:], hostile.HEADERS, hostile.VALUES[::7])
        for (method, target, body), name, value in chain(thorough, others):
            rest = () if name == "Authorization" else (signed_in,)
            yield Request(f"{name}: {value!r}", method, target, (*rest, (name, value)), body)
        for name, value in product(hostile.HEADERS, hostile.VALUES):
            usual = tuple(header for header in (*UPGRADES, KEY) if header[0] != name)
            yield Request(f"{name}: {value!r} on /ws", "GET", b"/ws", (*usual, (name, value)))
        for name, value in product(hostile.HEADERS, (b"", b"x", b'"')):
            yield Request(
                f"{name} twice", "GET", b"/api/incidents", (signed_in, (name, value), (name, b"\xff"))
            )

    await _all_refused(api, requests())


async def test_every_path_and_query(api: Api) -> None:
    def requests() -> Iterator[Request]:
        signed_in = (("Authorization", f"Bearer {api.tokens['moody']}".encode()),)
        for operation, piece in product(api.service.api.operations, hostile.PIECES):
            if operation.path == "/ws":
                continue
            for part, _ in operation.path_parameters:
                target = _filled(operation, {part: piece})
                yield Request(f"path {piece!r}", operation.method, target, signed_in, _body(operation))
            names = [member.wire.encode() for member in operation.query.members] if operation.query else []
            for name in (*names, b"x"):
                target = _filled(operation, {}) + b"?" + name + b"=" + piece
                yield Request(f"query {piece!r}", operation.method, target, signed_in, _body(operation))
        for piece in hostile.PIECES:
            yield Request(f"target {piece!r}", "GET", b"/" + piece, signed_in)
            yield Request(f"query {piece!r}", "GET", b"/api/incidents?" + piece, signed_in)
        for authority, scheme in product(hostile.AUTHORITIES, (b"http", b"https", b"xn--")):
            yield Request(f"host {authority!r}", "GET", scheme + b"://" + authority + b"/health/live")

    await _all_refused(api, requests())


async def test_every_field_of_every_body(api: Api) -> None:
    def requests() -> Iterator[Request]:
        signed_in = (("Authorization", f"Bearer {api.tokens['moody']}".encode()),)
        for operation, value in product(api.service.api.operations, hostile.JSON_VALUES):
            if operation.method == "GET":
                continue
            target = _filled(operation, {})
            yield Request(f"body {value[:40]!r}", operation.method, target, signed_in, value)
            for member in operation.body.members if operation.body else ():
                body = b'{"' + member.wire.encode() + b'":' + value + b"}"
                yield Request(f"{member.wire} {value[:40]!r}", operation.method, target, signed_in, body)
                # Other code looks into what strangers send: a refresh token is read before the limits are applied.
                yield Request(
                    f"{member.wire} {value[:40]!r}, a stranger's", operation.method, target, (), body
                )
            yield Request(f"name {value[:40]!r}", operation.method, target, signed_in, b"{" + value + b":1}")

    await _all_refused(api, requests())


async def test_every_field_of_every_frame(api: Api) -> None:
    signed_in = hostile.text_frame(f'{{"type":"auth","token":"{api.tokens["moody"]}"}}'.encode())
    for value in hostile.JSON_VALUES:
        fields = [b'{"type":' + value + b"}", value]
        for kind, name in product(ClientFrame, (b"token", b"since", b"room", b"x")):
            fields.append(b'{"type":"' + kind.value.encode() + b'","' + name + b'":' + value + b"}")
        for payload in fields:
            # First of all, and after signing in: two parsers' worth of code.
            await _ends_well(api, payload, await hostile.converse(_port(api), [hostile.text_frame(payload)]))
        frames = [hostile.text_frame(payload) for payload in fields]
        await _ends_well(api, value, await hostile.converse(_port(api), frames, first=signed_in))
    await _no_failures(api)


async def test_bytes_that_are_no_frames(api: Api) -> None:
    signed_in = hostile.text_frame(f'{{"type":"auth","token":"{api.tokens["moody"]}"}}'.encode())
    for raw, first in product(hostile.FRAMES, (b"", signed_in)):
        await _ends_well(api, raw, await hostile.converse(_port(api), [raw], first=first))
    await _no_failures(api)


async def _ends_well(api: Api, sent: bytes, code: int | None) -> None:
    assert code != INTERNAL_ERROR, sent[:200]


async def _all_refused(api: Api, requests: Iterable[Request]) -> None:
    """No answer is a 5xx, and no request counts as one."""
    failed: list[tuple[str, str, bytes, int]] = []
    queue = iter(requests)
    sent = 0

    async def client() -> None:
        nonlocal sent
        for request in queue:
            status = await hostile.status_of(_port(api), request.encoded())
            sent += 1
            if status is not None and status >= 500:
                failed.append((request.label, request.method, request.target, status))

    async with asyncio.TaskGroup() as clients:
        for _ in range(AT_ONCE):
            clients.create_task(client())
    assert not failed, failed[:20]
    assert sent > 500
    await _no_failures(api)


async def _no_failures(api: Api) -> None:
    """Also not by the count that the operator reads; an API that is only starting was not ready for a moment."""
    text = (await api.call("GET", "/metrics")).body.decode()
    failures = [
        line
        for line in text.splitlines()
        if line.startswith("http_requests_total") and ',status="5' in line and "/health/" not in line
    ]
    assert failures == []


@pytest.fixture(autouse=True)
def _nothing_surprised_a_parser(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """The net below the parsers is for what nobody foresaw; what these tests foresee, the parsers refuse themselves."""
    yield
    surprises = [record for record in caplog.get_records("call") if "did not expect" in record.getMessage()]
    assert [record.context["error"]["stack"] for record in surprises] == []  # type: ignore[attr-defined]


def _port(api: Api) -> int:
    port = api.http._base_url.port if api.http._base_url else None
    assert port is not None
    return port


_turns = count()


def _filled(operation: Operation, parameters: dict[str, bytes]) -> bytes:
    target = operation.path.encode()
    for name, kind in operation.path_parameters:
        usual = (
            b"%d" % (next(_turns) % INCIDENTS + 1) if kind is int else b"00000000-0000-0000-0000-000000000000"
        )
        target = target.replace(b"{" + name.encode() + b"}", parameters.get(name, usual))
    return target


def _body(operation: Operation) -> bytes | None:
    return None if operation.method in ("GET", "DELETE") else b"{}"
