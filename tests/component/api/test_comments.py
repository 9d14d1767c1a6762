"""Comments, and who is notified of them."""

import json

import aiohttp
import pytest
from tests.component.conftest import Api

from maraudersmap_api.comments import repository
from maraudersmap_api.comments.models import Comment
from maraudersmap_api.incidents.models import Visibility
from maraudersmap_api.infra.db import Executor


async def _say(api: Api, number: int, user: str, content: str) -> dict[str, object]:
    reply = await api.call("POST", f"/api/incidents/{number}/comments", user=user, json={"content": content})
    assert reply.status == 201, reply.body
    body: dict[str, object] = reply.body
    return body


async def _notified(api: Api, user: str) -> list[tuple[str, str]]:
    found = (await api.call("GET", "/api/notifications", user=user)).body["data"]
    return [(n["type"], n["message"]) for n in found]


async def test_comments_are_read_in_the_order_they_were_made(api: Api) -> None:
    await api.person("harry")
    hermione = await api.person("hermione")
    number = (await api.report("harry"))["id"]
    for n in range(3):
        await _say(api, number, "hermione", f"comment {n}")

    first = (await api.call("GET", f"/api/incidents/{number}/comments?limit=2", user="harry")).body
    rest = (await api.call("GET", f"/api/incidents/{number}/comments?limit=2&page=2", user="harry")).body

    assert [c["content"] for c in first["data"]] == ["comment 0", "comment 1"]
    assert (first["total"], first["hasMore"], rest["hasMore"]) == (3, True, False)
    assert [c["content"] for c in rest["data"]] == ["comment 2"]
    assert first["data"][0]["author"]["id"] == hermione
    assert set(first["data"][0]["author"]) == {"id", "firstName", "lastName", "role", "house"}


@pytest.fixture
async def discussed(api: Api, monkeypatch: pytest.MonkeyPatch) -> int:
    """An incident with ten comments, of which three fit into a part."""
    await api.person("harry")
    number: int = (await api.report("harry"))["id"]
    for n in range(10):
        await _say(api, number, "harry", f"comment {n}")
    monkeypatch.setattr(repository, "PART_BYTES", 2 * len("comment 0") + 1)
    return number


@pytest.mark.parametrize(
    "query", ["limit=10", "limit=4&page=2", "limit=3", "limit=100", "limit=8&page=2", "page=3"]
)
async def test_a_page_is_the_same_in_parts_and_at_once(
    api: Api, discussed: int, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    path = f"/api/incidents/{discussed}/comments?{query}"
    in_parts = (await api.call("GET", path, user="harry")).body
    monkeypatch.setattr(repository, "PART_BYTES", 1024)
    at_once = (await api.call("GET", path, user="harry")).body

    assert in_parts == at_once


async def test_what_is_deleted_while_a_page_is_sent_makes_a_gap_for_nothing_else(
    api: Api, discussed: int
) -> None:
    budget = api.service.domain._reads._budget
    bearer = {"Authorization": f"Bearer {api.tokens['harry']}"}
    async with budget.hold(10**12):  # so that the page gets no further than its beginning
        reply = await api.http.get(f"/api/incidents/{discussed}/comments?limit=10", headers=bearer)
        beginning = b""
        while b"comment 2" not in beginning:
            beginning += await reply.content.readany()
        shown = await api.sql("SELECT id, content FROM comments")
        ids = {row["content"]: row["id"] for row in shown}
        for gone in ("comment 1", "comment 5"):
            deleted = f"/api/incidents/{discussed}/comments/{ids[gone]}"
            assert (await api.call("DELETE", deleted, user="harry")).status == 204
        assert b"comment 3" not in beginning
    body = json.loads(beginning + await reply.read())

    assert [c["content"] for c in body["data"]] == [f"comment {n}" for n in (0, 1, 2, 3, 4, 6, 7, 8, 9)]


async def test_a_page_whose_incident_is_hidden_meanwhile_is_cut(api: Api, discussed: int) -> None:
    await api.person("moody", "AUROR")
    await api.person("luna")
    budget = api.service.domain._reads._budget
    bearer = {"Authorization": f"Bearer {api.tokens['luna']}"}
    async with budget.hold(10**12):
        reply = await api.http.get(f"/api/incidents/{discussed}/comments?limit=10", headers=bearer)
        path = f"/api/incidents/{discussed}"
        hidden = await api.call("PATCH", path, user="moody", json={"severity": "DANGEROUS"})
        assert hidden.status == 200
    with pytest.raises(aiohttp.ClientPayloadError):
        await reply.read()


async def test_a_page_past_the_end_shows_no_comment_of_the_first(
    api: Api, discussed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody writes between looking at the page, which is empty, and counting."""
    look = repository.page

    async def page(
        db: Executor, number: int, seen: Visibility, *, limit: int, offset: int
    ) -> tuple[list[Comment], int]:
        found, _ = await look(db, number, seen, limit=limit, offset=offset)
        await _say(api, number, "harry", "comment 10")
        return found, (await look(db, number, seen, limit=1, offset=0))[1]

    monkeypatch.setattr(repository, "page", page)
    reply = await api.call("GET", f"/api/incidents/{discussed}/comments?limit=10&page=2", user="harry")

    assert [comment["content"] for comment in reply.body["data"]] in ([], ["comment 10"])


async def test_one_deletes_ones_own_and_aurors_delete_any(api: Api) -> None:
    for name, role in (("harry", "STUDENT"), ("prefect", "PREFECT"), ("auror", "AUROR")):
        await api.person(name, role)
    number, other = (await api.report("harry"))["id"], (await api.report("harry"))["id"]
    comments = [(await _say(api, number, "harry", f"c{n}"))["id"] for n in range(2)]

    async def delete(user: str, comment: object, incident: int = number) -> int:
        return (await api.call("DELETE", f"/api/incidents/{incident}/comments/{comment}", user=user)).status

    assert await delete("prefect", comments[0]) == 403
    assert await delete("harry", comments[0], incident=other) == 404
    assert await delete("harry", comments[0]) == 204
    assert await delete("harry", comments[0]) == 404
    assert await delete("auror", comments[1]) == 204
    assert (await api.call("GET", f"/api/incidents/{number}/comments", user="harry")).body["total"] == 0
    assert [row[0] for row in await api.sql("SELECT count(*) FROM comments")] == [2], "hidden, not removed"


async def test_a_mention_notifies_whoever_may_see_the_incident(api: Api) -> None:
    for name, role in (
        ("harry", "STUDENT"),
        ("ron.weasley", "STUDENT"),
        ("percy", "PREFECT"),
        ("moody", "AUROR"),
        ("gone", "AUROR"),
    ):
        await api.person(name, role)
    await api.sql("UPDATE users SET is_active = false WHERE email LIKE 'gone@%'")
    number = (await api.report("harry", severity="DANGEROUS"))["id"]
    await api.call("POST", "/api/notifications/read-all", user="moody")

    text = "Look, @percy and @Moody. Not you @ron.weasley! Nor @gone, nor x@harry, nor @nobody"
    await _say(api, number, "harry", text)

    assert await _notified(api, "percy") == [("MENTION", text)]
    assert (await _notified(api, "moody"))[0] == ("MENTION", text)
    assert await _notified(api, "ron.weasley") == [], "a student may not see DANGEROUS"
    assert await _notified(api, "harry") == [], "no one is notified of their own words"


@pytest.mark.parametrize(
    "text",
    [
        "\u8acb@harry\u770b",
        "\u3042\u308a\u304c\u3068\u3046@harry",
        "@harry's wand",
        "_@harry_",
        "@harry|@luna",
        "@harry&@luna",
    ],
)
async def test_a_mention_is_heard_whatever_stands_around_it(api: Api, text: str) -> None:
    for name in ("harry", "luna", "ron"):
        await api.person(name)
    number = (await api.report("ron"))["id"]

    await _say(api, number, "ron", text)

    assert await _notified(api, "harry") == [("MENTION", text)]
    assert await _notified(api, "luna") == ([("MENTION", text)] if "luna" in text else [])


async def test_a_name_with_a_mark_in_it_is_that_name(api: Api) -> None:
    """Also of an account that is no longer in use."""
    for name in ("o", "o'brien", "o'malley", "ron"):
        await api.person(name)
    await api.sql("UPDATE users SET is_active = false WHERE email LIKE '%malley@%'")
    number = (await api.report("ron"))["id"]

    await _say(api, number, "ron", "@o'brien, where is @o'malley?")

    assert len(await _notified(api, "o'brien")) == 1
    assert await _notified(api, "o") == []


async def test_the_reporter_hears_of_comments_once(api: Api) -> None:
    await api.person("harry")
    await api.person("ron")
    number = (await api.report("harry"))["id"]

    await _say(api, number, "ron", "I saw it too")
    await _say(api, number, "ron", "did you, @harry?")

    assert await _notified(api, "harry") == [
        ("MENTION", "did you, @harry?"),
        ("COMMENT_ADDED", "I saw it too"),
    ]


async def test_a_deleted_comment_is_quoted_nowhere(api: Api) -> None:
    await api.person("harry")
    await api.person("ron")
    number = (await api.report("harry"))["id"]
    regretted = (await _say(api, number, "ron", "I hate rats"))["id"]
    await _say(api, number, "ron", "I like rats")

    await api.call("DELETE", f"/api/incidents/{number}/comments/{regretted}", user="ron")

    assert await _notified(api, "harry") == [("COMMENT_ADDED", "I like rats"), ("COMMENT_ADDED", "")]


async def test_a_wrong_comment_names_its_field(api: Api) -> None:
    await api.person("harry")
    number = (await api.report("harry"))["id"]

    for content in (None, "", "  ", "x" * 5001, 7, "nul\x00"):
        reply = await api.call(
            "POST", f"/api/incidents/{number}/comments", user="harry", json={"content": content}
        )
        assert reply.status == 400
        assert reply.body["error"]["details"][0]["field"] == "content"
