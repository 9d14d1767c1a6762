"""What docs/logging.md says of a line holds for those that a running API writes."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

import aiohttp
from dev.free_port import free_port
from tests.component.conftest import PASSWORD, environment, program, until
from tests.unit.docs.test_log_fields_documented import BY_THE_API, documented

LEVELS = {"debug", "info", "warn", "error"}
TRACE = "0af7651916cd43dd8448eb211c80319c"
OF_EVERY_REQUEST = {"requestId", "userId", "method", "path"}


async def test_every_field_of_every_line_is_documented_and_has_the_form_that_is_said(database: str) -> None:
    port = free_port()
    variables = {**environment(database, LOG_LEVEL="debug"), "ENVIRONMENT": "staging", "PORT": str(port)}
    async with (
        program("", variables) as api,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http,
    ):
        await until(lambda: _ready(http))
        token = await _used(http)
        api.terminate()
        code, out, _ = await api.ended()

    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert {field for line in lines for field in line} == BY_THE_API - {"error"}
    assert {field for line in lines for field in line["context"]} <= documented("Lines of the API")
    for line in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["timestamp"])
        assert datetime.fromisoformat(line["timestamp"]).tzinfo is not None
        assert line["level"] in LEVELS
        assert (line["service"], line["environment"]) == ("marauders-map-api", "staging")
    assert out.count(PASSWORD) == 0
    assert out.count(token) == 0
    finished = [line["context"] for line in lines if line["message"] == "Request completed"]
    (registered,) = [context for context in finished if context["path"] == "/api/auth/register"]
    assert registered.keys() >= OF_EVERY_REQUEST | {"duration_ms", "status", "traceId"}
    assert registered["traceId"] == TRACE
    (mine,) = [context for context in finished if context["path"] == "/api/auth/me"]
    assert mine["userId"] is not None


async def _ready(http: aiohttp.ClientSession) -> bool:
    try:
        async with http.get("/health/ready") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


async def _used(http: aiohttp.ClientSession) -> str:
    """One user's few requests, good and bad, and a WebSocket that is offered their token in two ways. The token."""
    person = {"email": "harry@hogwarts.edu", "password": PASSWORD, "firstName": "Harry", "lastName": "Potter"}
    assert await _asked(http, "POST", "/api/auth/register", person) == 201
    async with http.post("/api/auth/login", json={k: person[k] for k in ("email", "password")}) as answer:
        token: str = (await answer.json())["accessToken"]
    signed = {"Authorization": f"Bearer {token}"}
    incident = {"title": "A prank", "location": "HOGWARTS", "severity": "MISCHIEF"}
    assert await _asked(http, "GET", "/api/auth/me", headers=signed) == 200
    assert await _asked(http, "POST", "/api/incidents", incident, signed) == 201
    assert await _asked(http, "POST", "/api/incidents", {"title": 1}, signed) == 400
    assert await _asked(http, "GET", "/api/incidents") == 401
    assert await _asked(http, "GET", "/nowhere") == 404
    async with http.ws_connect("/ws", protocols=("access_token", token)) as socket:
        await socket.send_json({"type": "auth", "token": token})
        assert (await socket.receive_json())["type"] == "connection:acknowledged"
    return token


async def _asked(
    http: aiohttp.ClientSession, method: str, path: str, body: Any = None, headers: Any = None
) -> int:
    traced = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", **(headers or {})}
    async with http.request(method, path, json=body, headers=traced) as answer:
        await answer.read()
        return answer.status
