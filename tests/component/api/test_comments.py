"""Comments, and who is notified of them."""

from tests.component.conftest import Api


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
