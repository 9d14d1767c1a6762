"""A small real HTTP server that answers as Prometheus does, and as it does not."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web
from dev.free_port import free_port
from tests.unit.operator.analysis.test_scrape import HERE, PATIENCE, Handler, serving

from maraudersmap_operator.cluster.prometheus import ask
from maraudersmap_operator.resource.analysis import Prometheus
from maraudersmap_operator.resource.status_analysis import QueryAnswer

WORDS = {"namespace": "demo", "name": "marauders-map", "candidate": "bcdfgh24", "stable": "zzzzzzzz"}


def prometheus(port: int, *queries: str, path: str = "") -> Prometheus:
    asked = [{"name": f"q{i}", "query": query, "max": 1} for i, query in enumerate(queries)]
    return Prometheus.model_validate({"url": f"http://{HERE}:{port}{path}", "queries": asked})


def success(kind: str, result: Any) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": kind, "result": result}}


async def answered(handler: Handler, *queries: str) -> tuple[QueryAnswer, ...]:
    async with serving(handler) as port:
        return await ask(prometheus(port, *queries), WORDS, seconds=PATIENCE)


def saying(body: Any, status: int = 200) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(status=status, text=text, content_type="application/json")

    return answer


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (success("scalar", [1435781451.781, "1.5"]), 1.5),
        (success("vector", [{"metric": {}, "value": [1435781451.781, "0"]}]), 0.0),
        (success("vector", [{"metric": {"a": "b"}, "value": [1435781451, "-2e3"]}]), -2000.0),
    ],
)
async def test_a_number_is_understood(body: Any, value: float) -> None:
    assert await answered(saying(body), "x") == (QueryAnswer(name="q0", value=value),)


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (success("vector", []), 200, "no data"),
        (success("vector", [{"value": [1, "1"]}] * 3), 200,
         "3 series instead of one: aggregate them, with sum() for example"),
        (success("matrix", [{"values": []}]), 200, "a matrix instead of a number"),
        (success("string", [1, "x"]), 200, "a string instead of a number"),
        (success("scalar", [1, "NaN"]), 200, "gives NaN"),
        (success("scalar", [1, "+Inf"]), 200, "gives +Inf"),
        (success("scalar", [1, None]), 200, "no number"),
        (success("scalar", [1, 10**400]), 200, "no number"),
        ({"status": "error", "errorType": "bad_data", "error": "parse error: unclosed left brace"}, 400,
         "parse error: unclosed left brace"),
        ({"status": "error", "error": "x" * 1000}, 422, "x" * 256),
        ('{"status": "error", "error": "half \\ud800 a character"}', 400, "half ? a character"),
        ("<html>502</html>", 502, "HTTP 502, and no JSON"),
        ("[" * 100_000, 200, "HTTP 200, and no JSON"),
        ([1, 2], 200, "HTTP 200, and no answer of Prometheus'"),
        (" " * 1_100_000, 200, "the answer is too long"),
    ],
)  # fmt: skip
async def test_anything_else_is_no_value_and_says_why(body: Any, status: int, reason: str) -> None:
    assert await answered(saying(body, status), "x") == (QueryAnswer(name="q0", error=reason),)


async def test_the_query_arrives_with_its_words_filled_in() -> None:
    seen: list[tuple[str, str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        form = await request.post()
        seen.append((request.path, str(form["query"]), str(form["timeout"])))
        return web.json_response(success("scalar", [1, "1"]))

    query = 'sum(rate(x{ns="{{namespace}}",pod=~"{{name}}-api-{{candidate}}-.*"}[1m])) / {{stable}} {{other}}'
    async with serving(answer) as port:
        await ask(prometheus(port, query, path="/prom/"), WORDS, seconds=PATIENCE)
    filled = 'sum(rate(x{ns="demo",pod=~"marauders-map-api-bcdfgh24-.*"}[1m])) / zzzzzzzz {{other}}'
    assert seen == [("/prom/api/v1/query", filled, "30s")]


async def test_one_query_that_hangs_does_not_hold_up_the_others() -> None:
    released = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        if (await request.post())["query"] == "slow":
            await released.wait()
        return web.json_response(success("scalar", [1, "1"]))

    async with serving(answer) as port:
        asked = await ask(prometheus(port, "slow", "quick"), WORDS, seconds=2)
        released.set()
    assert asked == (QueryAnswer(name="q0", error="no answer within 2 s"), QueryAnswer(name="q1", value=1.0))


async def test_a_prometheus_that_is_away_or_leads_elsewhere_is_no_value() -> None:
    [answer] = await ask(prometheus(free_port(), "x"), WORDS, seconds=PATIENCE)
    assert answer == QueryAnswer(name="q0", error="Prometheus cannot be asked: ClientConnectorError")

    async def elsewhere(_: web.Request) -> web.Response:
        raise web.HTTPFound("http://127.0.0.1:1/secret")

    assert await answered(elsewhere, "x") == (QueryAnswer(name="q0", error="HTTP 302, and no JSON"),)
