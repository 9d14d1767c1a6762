"""Changing incidents: versions, states, history, and two people at once."""

import asyncio

import asyncpg
import pytest
from multidict import CIMultiDict
from tests.component.conftest import Api, Reply, readiness, running_api

TEXT = {
    "title": "Troll in the dungeon",
    "location": "AZKABAN",
    "description": "Thought you ought to know",
    "tags": ["troll", "dungeon"],
    "evidenceUrls": ["https://owl.post/2"],
    "witnessCount": 7,
}


async def _patch(api: Api, number: int, user: str, body: object, etag: str | None = None) -> Reply:
    headers = {"If-Match": etag} if etag else {}
    return await api.call("PATCH", f"/api/incidents/{number}", user=user, json=body, headers=headers)


async def test_a_patch_changes_what_it_names_and_leaves_a_history(api: Api) -> None:
    await api.person("harry")
    made = await api.report("harry", "A prank", description="old", severity="DANGEROUS")

    reply = await api.call(
        "PATCH", f"/api/incidents/{made['id']}", user="harry", json=TEXT, headers={"X-Request-ID": "r-2"}
    )

    assert reply.status == 200
    assert {name: reply.body[name] for name in TEXT} == TEXT
    assert (reply.body["severity"], reply.body["version"]) == ("DANGEROUS", 2)
    assert reply.headers["ETag"] == f'"{made["id"]}-2"'
    assert reply.body["updatedAt"] >= made["updatedAt"]
    history = (await api.call("GET", f"/api/incidents/{made['id']}/history", user="harry")).body
    steps = [(e["field"], e["oldValue"], e["newValue"]) for e in history["data"]]
    assert steps[:2] == [("status", None, "OPEN"), ("severity", None, "DANGEROUS")]
    assert ("title", "A prank", TEXT["title"]) in steps
    assert ("evidenceUrls", [], TEXT["evidenceUrls"]) in steps
    assert ("witnessCount", 0, 7) in steps
    assert (history["total"], history["hasMore"]) == (8, False)
    assert {e["requestId"] for e in history["data"][2:]} == {"r-2"}
    assert "email" not in str(history)


async def test_a_patch_that_changes_nothing_writes_nothing(api: Api) -> None:
    await api.person("harry")
    made = await api.report("harry", "A prank", tags=["x"])

    for body in ({}, {"title": "A prank", "tags": ["x"], "severity": "MISCHIEF", "status": "OPEN"}):
        reply = await _patch(api, made["id"], "harry", body)
        assert (reply.status, reply.body) == (200, made)
    assert [row[0] for row in await api.sql("SELECT count(*) FROM events")] == [1]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"title": None}, "title"),
        ({"title": " "}, "title"),
        ({"title": "x" * 256}, "title"),
        ({"severity": 3}, "severity"),
        ({"status": "DONE"}, "status"),
        ({"tags": ["x"] * 21}, "tags"),
        ({"witnessCount": -1}, "witnessCount"),
        ({"witnessCount": 2**31}, "witnessCount"),
        ({"evidenceUrls": ["javascript:alert(1)"]}, "evidenceUrls[0]"),
        ({"reportedBy": "me"}, "reportedBy"),
        ({"version": 7}, "version"),
        ({"resolvedAt": None}, "resolvedAt"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_what_cannot_be_set_is_refused_by_name(api: Api, body: dict[str, object], field: str) -> None:
    await api.person("auror", "AUROR")
    made = await api.report("auror")

    reply = await _patch(api, made["id"], "auror", body)

    assert reply.status == 400
    assert reply.body["error"]["details"][0]["field"] == field


@pytest.mark.usefixtures("unhurried")
async def test_two_resolve_at_once_and_one_is_too_late(api: Api) -> None:
    await api.person("harry")
    resolvers = [f"auror{n}" for n in range(4)]
    ids = {name: await api.person(name, "AUROR") for name in resolvers}
    number = (await api.report("harry"))["id"]

    replies = await asyncio.gather(
        *(api.call("POST", f"/api/incidents/{number}/resolve", user=name) for name in resolvers)
    )

    assert sorted(reply.status for reply in replies) == [200, 409, 409, 409]
    winner = next(name for name, reply in zip(resolvers, replies, strict=True) if reply.status == 200)
    stored = (await api.call("GET", f"/api/incidents/{number}", user="harry")).body
    assert (stored["status"], stored["resolvedBy"]["id"], stored["version"]) == ("RESOLVED", ids[winner], 2)
    steps = (await api.call("GET", f"/api/incidents/{number}/history", user="harry")).body["data"]
    assert [(e["oldValue"], e["newValue"]) for e in steps if e["field"] == "status"] == [
        (None, "OPEN"),
        ("OPEN", "RESOLVED"),
    ]


@pytest.mark.usefixtures("unhurried")
async def test_no_update_is_lost_between_two_who_read_the_same_version(api: Api) -> None:
    await api.person("harry")
    made = await api.report("harry")
    etag = f'"{made["id"]}-1"'

    replies = await asyncio.gather(
        *(_patch(api, made["id"], "harry", {"title": f"title {n}"}, etag) for n in range(10))
    )

    assert sorted(reply.status for reply in replies) == [200] + [412] * 9
    stored = (await api.call("GET", f"/api/incidents/{made['id']}", user="harry")).body
    assert stored["version"] == 2
    assert stored["title"] == next(reply.body["title"] for reply in replies if reply.status == 200)


@pytest.mark.usefixtures("unhurried")
async def test_writers_without_if_match_queue_up_and_each_bumps_the_version(api: Api) -> None:
    await api.person("harry")
    made = await api.report("harry")

    replies = await asyncio.gather(
        *(_patch(api, made["id"], "harry", {"witnessCount": n}) for n in range(1, 11))
    )

    assert {reply.status for reply in replies} == {200}
    assert sorted(reply.body["version"] for reply in replies) == list(range(2, 12))


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize(
    ("pooler", "setting"),
    [
        ("auto", "default_transaction_isolation = 'serializable'"),
        ("transaction", "default_transaction_isolation = 'repeatable read'"),
        ("auto", "standard_conforming_strings = off"),
    ],
)
async def test_what_others_have_set_for_the_database_changes_nothing(
    database: str, pooler: str, setting: str
) -> None:
    """Under a stricter isolation, who has waited for a row that another one changed is refused."""
    connection = await asyncpg.connect(database)
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"ALTER DATABASE {name} SET {setting}")
    await connection.close()
    async with running_api(database, DATABASE_POOLER=pooler) as api:
        await readiness(api, 200)
        await api.person("harry")
        made = await api.report("harry", title="It's a prank")
        replies = await asyncio.gather(
            *(_patch(api, made["id"], "harry", {"witnessCount": n}) for n in range(1, 11))
        )
        found = await api.call("GET", "/api/incidents?search=it's%20pran", user="harry")

    assert {reply.status for reply in replies} == {200}
    assert sorted(reply.body["version"] for reply in replies) == list(range(2, 12))
    assert found.body["total"] == 1


async def test_a_closed_incident_is_read_only_until_it_is_reopened(api: Api) -> None:
    await api.person("auror", "AUROR")
    number = (await api.report("auror"))["id"]
    path = f"/api/incidents/{number}"
    early = await api.call("POST", f"{path}/reopen", user="auror")
    comment = (await api.call("POST", f"{path}/comments", user="auror", json={"content": "first"})).body
    resolved = await api.call("POST", f"{path}/resolve", user="auror", json={})

    async def status(method: str, suffix: str = "", body: object = None) -> int:
        return (await api.call(method, path + suffix, user="auror", json=body)).status

    assert early.status == 409
    assert resolved.body["resolvedAt"] is not None
    for closed in ("RESOLVED", "ARCHIVED"):
        if closed == "ARCHIVED":
            assert await status("PATCH", body={"status": "ARCHIVED"}) == 200
        assert await status("PATCH", body={"title": "x"}) == 409
        assert await status("PATCH", body={"status": "OPEN"}) == 409
        assert await status("PATCH", body={"status": "IN_PROGRESS"}) == 409
        assert await status("POST", "/comments", {"content": "x"}) == 409
        assert await status("DELETE", f"/comments/{comment['id']}") == 409
        assert await status("POST", "/resolve") == 409
    reopened = await api.call("PATCH", f"{path}/reopen", user="auror")
    assert (reopened.body["status"], reopened.body["resolvedAt"], reopened.body["resolvedBy"]) == (
        "OPEN",
        None,
        None,
    )
    assert await status("PATCH", body={"status": "RESOLVED"}) == 409, "resolving has an address of its own"
    assert await status("PATCH", body={"status": "ARCHIVED"}) == 409
    assert await status("POST", "/comments", {"content": "x"}) == 201


async def test_a_deleted_incident_is_gone_for_all_and_stays_in_the_books(api: Api) -> None:
    await api.person("auror", "AUROR")
    number = (await api.report("auror"))["id"]
    path = f"/api/incidents/{number}"

    stale = await api.call("DELETE", path, user="auror", headers={"If-Match": f'"{number}-9"'})
    deleted = await api.call("DELETE", path, user="auror", headers={"If-Match": f'"{number}-1"'})

    assert (stale.status, deleted.status, deleted.body) == (412, 204, b"")
    for method, suffix in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/resolve")):
        body: object = {} if method == "PATCH" else None
        assert (await api.call(method, path + suffix, user="auror", json=body)).status == 404
    kept = await api.sql("SELECT field FROM incident_history WHERE incident_id = $1 ORDER BY id", number)
    assert [row[0] for row in kept][-1] == "deleted"


async def test_resolve_takes_no_body_an_empty_object_and_nothing_else(api: Api) -> None:
    await api.person("auror", "AUROR")
    number = (await api.report("auror"))["id"]

    reply = await api.call("POST", f"/api/incidents/{number}/resolve", user="auror", json={"note": "x"})

    assert reply.status == 400
    assert (await api.call("POST", f"/api/incidents/{number}/resolve", user="auror")).status == 200


async def test_the_database_refuses_what_the_code_forgot(api: Api) -> None:
    """RESOLVED implies who and when, no matter which code writes."""
    await api.person("harry")
    await api.report("harry")

    with pytest.raises(Exception, match="incidents_resolution"):
        await api.sql("UPDATE incidents SET status = 'RESOLVED'")


async def test_a_transaction_that_waits_too_long_is_asked_to_come_back(api: Api) -> None:
    """Somebody holds the row: 503 with Retry-After after the transaction's 5 s, and nothing is half-written."""
    await api.person("harry")
    made = await api.report("harry")

    holder = await asyncpg.connect(api.database_url)
    try:
        async with holder.transaction():
            await holder.execute("SELECT 1 FROM incidents WHERE id = $1 FOR UPDATE", made["id"])
            reply = await _patch(api, made["id"], "harry", {"title": "x"})
    finally:
        await holder.close()

    assert reply.status == 503
    assert reply.headers["Retry-After"]
    stored = (await api.call("GET", f"/api/incidents/{made['id']}", user="harry")).body
    assert stored == made


async def test_if_match_may_come_on_several_lines(api: Api) -> None:
    await api.person("moody", "AUROR")
    number = (await api.report("moody"))["id"]
    headers = CIMultiDict([("Authorization", f"Bearer {api.tokens['moody']}")])
    path = f"/api/incidents/{number}"
    for tags, status in (
        ([f'"{number}-8"', f'"{number}-1"'], 200),
        ([f'"{number}-8"', f'"{number}-9"'], 412),
    ):
        sent = CIMultiDict([*headers.items(), *(("If-Match", tag) for tag in tags)])
        async with api.http.patch(path, json={"witnessCount": 1}, headers=sent) as reply:
            assert reply.status == status
    fresh = CIMultiDict([*headers.items(), ("If-None-Match", '"x"'), ("If-None-Match", f'"{number}-2"')])
    async with api.http.get(path, headers=fresh) as reply:
        assert reply.status == 304
