"""The same request, sent again: answered again, not done again."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from tests.component.conftest import Api, Reply, readiness, running_api

BODY = {"title": "Dementor on the train", "location": "PLATFORM_9_3_4"}


async def _report(api: Api, key: str, body: object = BODY, user: str = "harry") -> Reply:
    return await api.call("POST", "/api/incidents", user=user, json=body, headers={"Idempotency-Key": key})


async def _stored(api: Api) -> int:
    rows = await api.sql("SELECT count(*) FROM incidents")
    count: int = rows[0][0]
    return count


@pytest.fixture
async def second(api: Api) -> AsyncIterator[Api]:
    """Another process's worth of the same service, on the same database."""
    async with running_api(api.database_url) as running:
        await readiness(running, 200)
        running.tokens = api.tokens
        yield running


@pytest.mark.usefixtures("unhurried")
async def test_fifty_at_once_make_one_incident(api: Api, second: Api) -> None:
    await api.person("harry")

    replies = await asyncio.gather(*(_report((api, second)[n % 2], "key-1") for n in range(50)))

    assert {reply.status for reply in replies} == {201}
    assert len({str(reply.body) for reply in replies}) == 1
    assert len({reply.headers["ETag"] for reply in replies}) == 1
    assert {reply.headers["Location"] for reply in replies} == {f"/api/incidents/{replies[0].body['id']}"}
    assert sum("Idempotency-Replayed" not in reply.headers for reply in replies) == 1
    assert await _stored(api) == 1
    assert [r[0] for r in await api.sql("SELECT count(*) FROM events")] == [1]


async def test_another_body_under_the_same_key_is_422(api: Api) -> None:
    await api.person("harry")
    await _report(api, "key-1")

    other = await _report(api, "key-1", {**BODY, "title": "another"})

    assert other.status == 422
    assert other.body["error"]["code"] == "IDEMPOTENCY_MISUSE"
    assert await _stored(api) == 1


async def test_a_key_belongs_to_its_user_and_address(api: Api) -> None:
    await api.person("harry")
    await api.person("ron")
    first = await _report(api, "key-1")

    by_ron = await _report(api, "key-1", user="ron")
    comment = await api.call(
        "POST",
        f"/api/incidents/{first.body['id']}/comments",
        user="harry",
        json={"content": "x"},
        headers={"Idempotency-Key": "key-1"},
    )

    assert by_ron.body["id"] != first.body["id"]
    assert comment.status == 201
    assert await _stored(api) == 2


async def test_only_successes_are_kept(api: Api) -> None:
    await api.person("harry")
    await api.sql("ALTER TABLE events ADD CONSTRAINT never CHECK (false)")
    api.conformance = None  # a 500 is a bug, and no document promises bugs
    failed = await _report(api, "key-1")
    refused = await _report(api, "key-1", {"title": ""})
    await api.sql("ALTER TABLE events DROP CONSTRAINT never")

    done = await _report(api, "key-1")

    assert (failed.status, refused.status, done.status) == (500, 400, 201)
    assert await _stored(api) == 1


async def test_after_a_day_the_key_is_new_again(api: Api) -> None:
    await api.person("harry")
    first = await _report(api, "key-1")
    await api.sql("UPDATE idempotency_keys SET created_at = now() - interval '25 hours'")

    again = await _report(api, "key-1", {**BODY, "title": "another"})

    assert again.status == 201
    assert again.body["id"] != first.body["id"]


async def test_whoever_waits_for_another_process_gives_up_after_two_seconds(api: Api) -> None:
    harry = await api.person("harry")
    elsewhere = await asyncpg.connect(api.database_url)
    try:
        async with elsewhere.transaction():
            await elsewhere.execute(
                """INSERT INTO idempotency_keys (user_id, method, path, key, body_hash)
                   VALUES ($1, 'POST', '/api/incidents', 'key-1', 'x')""",
                harry,
            )
            replies = await asyncio.gather(*(_report(api, "key-1") for _ in range(20)))
            idle = await api.call("GET", "/api/incidents", user="harry")
    finally:
        await elsewhere.close()

    assert {reply.status for reply in replies} == {409}
    assert idle.status == 200
    assert await _stored(api) == 0


@pytest.mark.parametrize("key", ["x" * 256, "spa ce", "umläut"])
async def test_a_wrong_key_is_400(api: Api, key: str) -> None:
    await api.person("harry")

    assert (await _report(api, key)).status == 400
