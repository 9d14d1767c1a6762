"""What people try: SQL injection and XSS in every string that can be sent. It is data, or a 4xx; it never runs, and
the tables are there afterwards."""

import base64
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest
from tests.component.api.sockets import connected
from tests.component.conftest import Api

SQL = (
    "'; DROP TABLE incidents; --",
    "' OR '1'='1",
    '" OR ""="',
    "1); DELETE FROM users; --",
    "' UNION SELECT password_hash FROM users --",
    "\\'; SELECT pg_sleep(10); --",
    "$1; SELECT 1",
    "%' AND 1=(SELECT count(*) FROM users) AND '%'='",
    "admin'/*",
    "'||(SELECT version())||'",
    "a' & b | !c <-> d:*",
    "{1,2}\\",
)
XSS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "<svg/onload=alert(1)>",
    "javascript:alert(1)",
    "</title><script>alert(1)</script>",
    "{{constructor.constructor('alert(1)')()}}",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "\u2028alert(1)\u2029",
)
PAYLOADS = (*SQL, *XSS)

QUERIES: tuple[Callable[[str], str], ...] = (
    lambda text: f"/api/incidents?search={text}",
    lambda text: f"/api/incidents?search={text}&sort=reportedAt",
    lambda text: f"/api/incidents?severity={text}",
    lambda text: f"/api/incidents?location={text}",
    lambda text: f"/api/incidents?status={text}",
    lambda text: f"/api/incidents?reportedBy={text}",
    lambda text: f"/api/incidents?dateFrom={text}",
    lambda text: f"/api/incidents?sort={text}",
    lambda text: f"/api/incidents?order={text}",
    lambda text: f"/api/incidents?page={text}",
    lambda text: f"/api/incidents?limit={text}",
    lambda text: f"/api/incidents?cursor={text}",
    lambda text: f"/api/incidents?{text}=1",
    lambda text: f"/api/incidents/{text}",
    lambda text: f"/api/incidents/1/{text}",
    lambda text: f"/api/incidents/search/facets?search={text}",
    lambda text: f"/api/incidents/autocomplete?q={text}",
    lambda text: f"/api/analytics/trends?days={text}",
    lambda text: f"/api/analytics/export.csv?search={text}",
    lambda text: f"/api/notifications?limit={text}",
    lambda text: f"/api/presence/incidents/{text}",
)


@pytest.mark.parametrize("payload", PAYLOADS)
async def test_in_bodies_it_is_stored_and_returned_as_it_came(api: Api, payload: str) -> None:
    await api.person("moody", "AUROR")
    await api.person("harry")
    title = f"T {payload}"
    made = await api.report("harry", title, description=payload, tags=[payload[:50].strip()])
    path = f"/api/incidents/{made['id']}"

    patched = await api.call("PATCH", path, user="moody", json={"description": f"again {payload}"})
    comment = await api.call("POST", f"{path}/comments", user="moody", json={"content": f"@harry {payload}"})
    got = await api.call("GET", path, user="harry")
    history = await api.call("GET", f"{path}/history", user="harry")
    notified = await api.call("GET", "/api/notifications", user="harry")
    exported = await api.call("GET", "/api/analytics/export.csv", user="moody")

    assert (got.body["title"], got.body["description"]) == (title.strip(), f"again {payload}".strip())
    assert comment.body["content"] == f"@harry {payload}".strip()
    assert patched.status == 200
    assert notified.body["data"][0]["message"] == f"@harry {payload}".strip()
    assert json.dumps(f"again {payload}".strip()) in json.dumps(history.body)
    for reply in (patched, comment, got, history, notified):
        assert reply.headers["Content-Type"] == "application/json; charset=utf-8"
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Content-Security-Policy"] == "default-src 'self'"
    assert exported.headers["Content-Disposition"].startswith("attachment")


async def test_where_names_are_expected_it_is_refused(api: Api) -> None:
    await api.person("moody", "AUROR")
    for payload in PAYLOADS:
        bodies = [
            {"title": "x", "location": payload},
            {"title": "x", "location": "HOGWARTS", "severity": payload},
            {"title": "x", "location": "HOGWARTS", "evidenceUrls": [payload]},
            {"title": "x", "location": "HOGWARTS", "witnessCount": payload},
            {"title": "x", "location": "HOGWARTS", payload: "x"},
        ]
        for body in bodies:
            reply = await api.call("POST", "/api/incidents", user="moody", json=body)
            assert reply.status == 400, body
            assert "<" not in json.dumps(reply.body["error"]), "what was sent is not repeated"
    assert (await api.call("GET", "/api/incidents", user="moody")).body["total"] == 0


async def test_in_addresses_and_headers_it_is_text_or_a_4xx_with_a_reason(api: Api) -> None:
    await api.person("moody", "AUROR")
    number = (await api.report("moody", "a plain one"))["id"]
    for payload in PAYLOADS:
        for address in QUERIES:
            path = address(quote(payload, safe=""))
            reply = await api.call("GET", path, user="moody")
            assert reply.status in (200, 400, 404), (path, reply.status)
            if reply.status != 200:
                assert reply.body["error"]["message"], path
                assert "<script" not in json.dumps(reply.body), path
            elif "search" in path or "autocomplete" in path:
                assert b"a plain one" not in json.dumps(str(reply.body)).encode(), path
        ascii_payload = payload.encode("ascii", "ignore").decode()
        for name in ("X-Request-ID", "Idempotency-Key", "If-Match", "If-None-Match"):
            reply = await api.call(
                "PATCH", f"/api/incidents/{number}", user="moody", json={}, headers={name: ascii_payload}
            )
            assert reply.status in (200, 400, 412), (name, payload, reply.status)
            assert ascii_payload not in reply.headers["X-Request-ID"]
    assert [r[0] for r in await api.sql("SELECT count(*) FROM incidents")] == [1]
    assert [r[0] for r in await api.sql("SELECT count(*) FROM users")] == [1]


MOMENTS = (
    "0000-01-01", "0001-01-01", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00-14:00",
    "0001-12-31T23:59:59-23:59", "0002-01-01", "0002-01-01T00:00:00+23:59", "9998-12-31T23:59:59-23:59", "9999-01-01",
    "9999-12-31", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59.999999999+14:00",
)  # fmt: skip
NUMBERS = (
    "0",
    "-1",
    "-0",
    "00",
    str(2**31),
    str(2**63 - 1),
    str(2**63),
    str(-(2**63)),
    "9" * 30,
    "1e400",
    "NaN",
)
LISTS = ("/api/incidents?", "/api/incidents?sort=severity&", "/api/incidents?search=plain&")
DATED = (
    *LISTS,
    "/api/incidents/search/facets?",
    "/api/incidents/search/facets?search=plain&",
    "/api/analytics/export.csv?",
)
NUMBERED = (
    *(f"{path}{name}={{}}" for path in LISTS for name in ("page", "limit")),
    *(f"/api/incidents/{{}}{part}" for part in ("", "/history", "/comments")),
    *(
        f"/api/incidents/1/{part}?{name}={{}}"
        for part in ("history", "comments")
        for name in ("page", "limit")
    ),
    *("/api/incidents/autocomplete?q=plain&limit={}", "/api/analytics/trends?days={}"),
    *("/api/analytics/leaderboard?limit={}", "/api/notifications?limit={}", "/api/presence/incidents/{}"),
)


async def test_the_ends_of_what_times_and_numbers_can_be(api: Api) -> None:
    """Answered or refused; never an error of ours."""
    await api.person("moody", "AUROR")
    await api.report("moody", "a plain one")
    dates = (
        f"{path}{name}={quote(moment)}"
        for path in DATED
        for name in ("dateFrom", "dateTo")
        for moment in MOMENTS
    )
    numbers = (path.format(number) for path in NUMBERED for number in NUMBERS)

    statuses = {path: (await api.call("GET", path, user="moody")).status for path in (*dates, *numbers)}

    assert {path: status for path, status in statuses.items() if status not in (200, 400, 404)} == {}
    for number in NUMBERS:
        for method, path in (
            *(("POST", f"/api/incidents/{number}/{deed}") for deed in ("resolve", "reopen")),
            *(
                ("DELETE", path)
                for path in (f"/api/incidents/1/comments/{number}", f"/api/notifications/{number}")
            ),
            *(("POST", f"/api/notifications/{number}/read"), ("DELETE", f"/api/incidents/{number}")),
        ):
            assert (await api.call(method, path, user="moody")).status in (400, 404), (method, path)
    for witnesses in (0, -1, 2**31, 2**63, 1e308, 10**300):
        body = {"title": "x", "location": "HOGWARTS", "witnessCount": witnesses}
        reply = await api.call("POST", "/api/incidents", user="moody", json=body)
        assert reply.status == (400 if witnesses else 201), witnesses
    for since in (0, 2**63 - 1):
        async with connected(api, "moody", since=since) as client:
            assert (await client.receive())["type"] == "resync"
            await client.send("room:join", room=f"incident:{'9' * 18}")
            assert (await client.expect("error"))["data"]["code"] == "NOT_FOUND"


@pytest.mark.parametrize("sort", ["reportedAt", "severity", "status"])
async def test_a_cursor_beyond_every_calendar_is_refused(api: Api, sort: str) -> None:
    await api.person("moody", "AUROR")
    for title in ("one", "two"):
        await api.report("moody", title)
    path = f"/api/incidents?limit=1&sort={sort}"
    given = (await api.call("GET", path, user="moody")).body["nextCursor"]
    binding, rank, _, number = json.loads(base64.urlsafe_b64decode(given + "=="))

    for moment, last, status in (
        (-62_135_596_800_000, number, 200),
        (-62_135_596_800_001, number, 400),
        (-253_000_000_000_000, number, 400),
        (253_402_300_799_999, 2**63 - 1, 200),
        (253_402_300_800_000, number, 400),
        (0, 0, 400),
        (0, 2**63, 400),
    ):
        made_up = (
            base64.urlsafe_b64encode(json.dumps([binding, rank, moment, last]).encode()).decode().rstrip("=")
        )
        reply = await api.call("GET", f"{path}&cursor={made_up}", user="moody")
        assert reply.status == status, (moment, last)


async def test_in_frames_it_is_text_or_an_error_frame(api: Api) -> None:
    await api.person("moody", "AUROR")
    for payload in PAYLOADS:
        async with connected(api, "moody") as client:
            for kind in ("room:join", "room:leave", "typing:start"):
                await client.send(kind, room=payload)
                assert (await client.expect("error"))["data"]["code"] == "BAD_FRAME"
            await client.send(payload)
            error = await client.expect("error")
            assert payload not in json.dumps(error)
