"""What people try: SQL injection and XSS in every string that can be sent. It is data, or a 4xx; it never runs, and
the tables are there afterwards."""

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
