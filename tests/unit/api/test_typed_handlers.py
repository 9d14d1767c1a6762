"""The front door: what a signature says is what is checked, in which order, and what the document tells."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict
from uuid import UUID

import aiohttp
import pytest
from aiohttp import web
from openapi_spec_validator import validate

from maraudersmap_api.errors import Conflict, PreconditionFailed, Unauthorized
from maraudersmap_api.fields import Text, Whole
from maraudersmap_api.http.api import Answer, Api, Encoded, Idempotency, IfMatch, Provider, RequestId
from maraudersmap_api.http.edge import Edge
from maraudersmap_api.http.openapi import add_document_route, declared_statuses, document
from maraudersmap_api.http.reading import BODIES, Bodies
from maraudersmap_api.http.server import HttpServer
from maraudersmap_api.infra.budget import ByteBudget
from maraudersmap_api.infra.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Wizard:
    name: str


@dataclass(frozen=True, slots=True)
class Spell:
    words: Annotated[str, Text(most=20)]
    power: Annotated[int, Whole(0, 9)] = 1


@dataclass(frozen=True, slots=True)
class Nothing:
    reason: Annotated[str, Text(most=20)] = "none"


@dataclass(frozen=True, slots=True)
class SpellQuery:
    power: Annotated[int, Whole(0, 9)] | None = None


class SpellJson(TypedDict):
    id: int
    words: str


def make_api(router: web.UrlDispatcher) -> Api:
    async def wizard(request: web.Request) -> Wizard:
        if "Authorization" not in request.headers:
            raise Unauthorized("Sign in")
        return Wizard(request.headers["Authorization"])

    api = Api(router, (Provider(Wizard, wizard, signs_in=True),))
    routes = api.tagged("spells")

    @routes.put("/spells/{spellId}", sends=("ETag",), refuses=(Conflict,))
    async def cast(
        body: Spell,
        query: SpellQuery,
        spell_id: int,
        caster: Wizard,
        if_match: IfMatch,
        request_id: RequestId,
    ) -> Answer[SpellJson]:
        """Cast a spell.

        Loudly.
        """
        if not if_match.allows('"1"'):
            raise PreconditionFailed("Too late")
        return Answer({"id": spell_id, "words": f"{body.words} {query.power} {caster.name}"}, etag='"1"')

    @routes.get("/spells/{id}", sends=("ETag",))
    async def show(id: int) -> Answer[SpellJson]:  # noqa: A002 - the name in the path
        """Show."""
        return Answer(Encoded(b'{"id":1,"words":"lumos"}'), etag='"1"')

    @routes.get("/wizards/{id}")
    async def who(id: UUID) -> Answer[dict[str, str]]:  # noqa: A002 - the name in the path
        """Who."""
        return Answer({"id": str(id)})

    @routes.post("/spells", status=201)
    async def invent(body: Spell, once: Idempotency) -> Answer[dict[str, str | None]]:
        """Invent."""
        return Answer({"key": once.key, "digest": once.digest.hex()})

    @routes.delete("/spells/{id}")
    async def forget(id: int, body: Nothing) -> None:  # noqa: A002 - the name in the path
        """Forget."""

    add_document_route(api)
    return api


@dataclass
class Caller:
    session: aiohttp.ClientSession

    async def __call__(self, method: str, path: str, **options: Any) -> tuple[int, Any, Any]:
        async with self.session.request(method, path, **options) as response:
            body = await response.read()
            return response.status, json.loads(body) if body else None, response.headers


@pytest.fixture
async def call() -> AsyncIterator[Caller]:
    app = web.Application()
    app[BODIES] = Bodies(ByteBudget(1024 * 1024), caller=lambda _: "")
    edge = Edge(Metrics(), closing=lambda request: False)
    make_api(app.router)
    server = HttpServer(app, edge, max_age=60)
    port = await server.start("127.0.0.1", 0)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        yield Caller(session)
    await server.stop()


SIGNED = {"Authorization": "harry"}


async def test_a_good_request_reaches_the_handler_typed(call: Caller) -> None:
    status, body, headers = await call("PUT", "/spells/7?power=3", json={"words": " lumos "}, headers=SIGNED)

    assert (status, body, headers["ETag"]) == (200, {"id": 7, "words": "lumos 3 harry"}, '"1"')
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert headers["Cache-Control"] == "private, no-cache"


async def test_refusals_come_in_their_order(call: Caller) -> None:
    """Signed in, query names, path, query, body, then what the handler finds."""
    broken = {"headers": {"If-Match": '"0"'}, "json": {"power": 99}}
    steps: list[tuple[str, dict[str, Any], int, str]] = [
        ("/spells/12abc?power=x", broken, 401, ""),
        ("/spells/12abc?power=x", {**broken, "headers": {**SIGNED, "If-Match": '"0"'}}, 400, "spellId"),
        ("/spells/1?power=x", {**broken, "headers": SIGNED}, 400, "power"),
        ("/spells/1?hour=x", {**broken, "headers": SIGNED}, 400, "hour"),
        ("/spells/1", {**broken, "headers": SIGNED}, 400, "words"),
        ("/spells/1", {"json": {"words": "x"}, "headers": {**SIGNED, "If-Match": 'W/"1"'}}, 412, ""),
        (f"/spells/{2**63}", {"json": {"words": "x"}, "headers": SIGNED}, 404, ""),
    ]
    for path, options, expected, field in steps:
        status, body, _ = await call("PUT", path, **options)

        assert status == expected, (path, body)
        if field:
            assert body["error"]["details"][0]["field"] == field


async def test_a_get_that_is_still_current_is_304(call: Caller) -> None:
    for given in ('"1"', 'W/"1"', '"0", "1"', "*"):
        status, body, headers = await call("GET", "/spells/1", headers={"If-None-Match": given})
        assert (status, body, headers["ETag"]) == (304, None, '"1"')
        assert "Content-Type" not in headers or headers["Content-Type"] == "application/octet-stream"
    status, body, _ = await call("GET", "/spells/1", headers={"If-None-Match": '"2"'})
    assert (status, body) == (200, {"id": 1, "words": "lumos"})


async def test_what_no_one_declared_is_refused(call: Caller) -> None:
    assert (await call("GET", "/spells/1?page=1"))[0] == 400
    assert (await call("GET", "/wizards/12"))[0] == 400
    assert (await call("POST", "/spells", json={"words": "x", "cost": 1}))[0] == 400
    assert (await call("POST", "/spells", json={"words": "x"}, headers={"Idempotency-Key": "ü"}))[0] == 400


async def test_an_idempotency_key_comes_with_what_tells_bodies_apart(call: Caller) -> None:
    answers = await asyncio.gather(
        *(
            call("POST", "/spells", json={"words": words}, headers={"Idempotency-Key": "k"})
            for words in ("lumos", "lumos", "nox")
        )
    )
    digests = [body["digest"] for _, body, _ in answers]

    assert [(status, body["key"]) for status, body, _ in answers] == [(201, "k")] * 3
    assert digests[0] == digests[1] != digests[2]
    assert (await call("POST", "/spells", json={"words": "x"}))[1]["key"] is None


async def test_no_body_is_fine_where_every_field_is_optional(call: Caller) -> None:
    assert (await call("DELETE", "/spells/1"))[0] == 204
    assert (await call("DELETE", "/spells/1", json={"reason": 3}))[0] == 400


@pytest.mark.parametrize(
    "headers", [{}, {"Content-Type": "application/json"}, {"Content-Type": "text/plain"}]
)
async def test_a_body_of_no_chunk_is_none(call: Caller, headers: dict[str, str]) -> None:
    """Some clients and proxies do not know, when they send the head, that nothing will follow. Here the end comes after the
    handler has begun, which is what sends 100."""

    async def chunks(*pieces: bytes) -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    options = {"headers": headers, "expect100": True}
    assert (await call("DELETE", "/spells/1", data=chunks(), **options))[0] == 204
    assert (await call("DELETE", "/spells/1", data=chunks(b"x"), **options))[0] in (400, 415)


async def test_the_document_says_what_the_signature_says(call: Caller) -> None:
    _, served, _ = await call("GET", "/api/openapi.json")
    validate(served)

    cast = served["paths"]["/spells/{spellId}"]["put"]
    assert (cast["operationId"], cast["summary"], cast["description"]) == (
        "spells_cast",
        "Cast a spell",
        "Loudly.",
    )
    assert [(p["in"], p["name"]) for p in cast["parameters"]] == [
        ("path", "spellId"),
        ("query", "power"),
        ("header", "If-Match"),
    ]
    assert set(cast["responses"]) == {
        *["200", "400", "401", "404", "408", "409", "412", "413", "415", "429", "503"]
    }
    assert cast["security"] == [{"bearer": []}]
    assert served["components"]["schemas"]["Spell"]["required"] == ["words"]
    assert served["components"]["schemas"]["Spell"]["properties"]["power"] == {
        "type": "integer",
        "minimum": 0,
        "maximum": 9,
        "default": 1,
    }
    assert "422" in served["paths"]["/spells"]["post"]["responses"]
    assert served["paths"]["/spells/{id}"]["delete"]["requestBody"]["required"] is False


def test_declared_statuses_are_those_of_the_document() -> None:
    api = make_api(web.UrlDispatcher())
    described = document(api.operations)
    for operation in api.operations:
        responses = described["paths"][operation.path][operation.method.lower()]["responses"]
        assert {int(status) for status in responses} == declared_statuses(operation)


def test_a_signature_that_nobody_can_fill_fails_at_start() -> None:
    routes = Api(web.UrlDispatcher()).tagged("spells")

    with pytest.raises(TypeError, match="nothing provides the parameter colour"):

        @routes.get("/a")
        async def paint(colour: Wizard) -> Answer[SpellJson]:
            """Paint."""
            raise NotImplementedError

    with pytest.raises(TypeError, match="the path names"):

        @routes.get("/a/{id}")
        async def other() -> Answer[SpellJson]:
            """Other."""
            raise NotImplementedError
