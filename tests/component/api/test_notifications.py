"""Notifications: who gets them, what becomes of them, and what they never say."""

import asyncio
import json

import asyncpg
import pytest
from tests.component.conftest import Api, until

from maraudersmap_api.notifications import repository


async def _list(api: Api, user: str, query: str = "") -> list[dict[str, object]]:
    reply = await api.call("GET", f"/api/notifications{query}", user=user)
    assert reply.status == 200
    data: list[dict[str, object]] = reply.body["data"]
    return data


async def test_danger_reaches_every_active_auror_but_the_one_who_reported_it(api: Api) -> None:
    for name, role in (
        ("harry", "STUDENT"),
        ("percy", "PREFECT"),
        ("moody", "AUROR"),
        ("tonks", "AUROR"),
        ("retired", "AUROR"),
    ):
        await api.person(name, role)
    await api.sql("UPDATE users SET is_active = false WHERE email LIKE 'retired@%'")

    await api.report("harry", "harmless", severity="SUSPICIOUS")
    await api.report("moody", "dark mark", severity="UNFORGIVABLE")
    small = (await api.report("harry", "growing"))["id"]
    for severity in ("SUSPICIOUS", "DANGEROUS", "UNFORGIVABLE", "DANGEROUS"):
        await api.call("PATCH", f"/api/incidents/{small}", user="tonks", json={"severity": severity})

    moody = [(n["type"], n["message"]) for n in await _list(api, "moody")]
    tonks = [(n["type"], n["message"]) for n in await _list(api, "tonks")]
    assert moody == [("INCIDENT_ESCALATED", "growing (Hogwarts)")] * 2, "lowering tells nobody"
    assert tonks == [("INCIDENT_CREATED", "dark mark (Hogwarts)")]
    assert [await _list(api, name) for name in ("harry", "percy")] == [[], []]
    assert [r[0] for r in await api.sql("SELECT count(*) FROM notifications")] == [3]


async def test_resolving_tells_the_reporter(api: Api) -> None:
    await api.person("harry")
    await api.person("percy", "PREFECT")
    number = (await api.report("harry"))["id"]
    own = (await api.report("percy"))["id"]

    await api.call("POST", f"/api/incidents/{number}/resolve", user="percy")
    await api.call("POST", f"/api/incidents/{own}/resolve", user="percy")

    assert [(n["type"], n["incidentId"]) for n in await _list(api, "harry")] == [
        ("INCIDENT_RESOLVED", number)
    ]
    assert await _list(api, "percy") == []


async def test_reading_counting_and_deleting_ones_own(api: Api) -> None:
    await api.person("moody", "AUROR")
    await api.person("thief", "AUROR")
    await api.person("harry")
    for n in range(3):
        await api.report("harry", f"danger {n}", severity="DANGEROUS")

    async def count() -> int:
        number: int = (await api.call("GET", "/api/notifications/unread/count", user="moody")).body["count"]
        return number

    newest, middle, _ = await _list(api, "moody")
    assert await count() == 3
    read = await api.call("POST", f"/api/notifications/{newest['id']}/read", user="moody")
    again = await api.call("POST", f"/api/notifications/{newest['id']}/read", user="moody")
    assert read.status == 200
    assert read.body["readAt"] == again.body["readAt"] is not None
    assert await count() == 2
    assert len(await _list(api, "moody", "?unreadOnly=true")) == 2
    assert len(await _list(api, "moody", "?limit=1")) == 1
    for method, suffix in (("POST", "/read"), ("DELETE", "")):
        path = f"/api/notifications/{middle['id']}{suffix}"
        assert (await api.call(method, path, user="thief")).status == 404, "somebody else's"
    assert (await api.call("DELETE", f"/api/notifications/{middle['id']}", user="moody")).status == 204
    assert (await api.call("DELETE", f"/api/notifications/{middle['id']}", user="moody")).status == 404
    assert (await api.call("POST", "/api/notifications/read-all", user="moody")).body == {"count": 1}
    assert await count() == 0


async def test_what_was_said_is_withheld_once_the_incident_is_hidden(api: Api) -> None:
    await api.person("harry")
    await api.person("luna")
    await api.person("moody", "AUROR")
    number = (await api.report("harry", "Basilisk in the pipes"))["id"]
    await api.call(
        "POST", f"/api/incidents/{number}/comments", user="harry", json={"content": "@luna basilisk!"}
    )
    before = (await _list(api, "luna"))[0]

    await api.call("PATCH", f"/api/incidents/{number}", user="moody", json={"severity": "DANGEROUS"})
    escalated = await _list(api, "luna")
    await api.call("DELETE", f"/api/incidents/{number}", user="moody")
    deleted = await _list(api, "luna")

    assert before["message"] == "@luna basilisk!"
    for after in (escalated, deleted):
        assert len(after) == 1
        assert "asilisk" not in json.dumps(after)
        assert after[0]["metadata"] == {}


async def test_nothing_is_reported_of_what_was_rolled_back(api: Api) -> None:
    await api.person("harry")
    await api.person("moody", "AUROR")
    await api.sql("ALTER TABLE notifications ADD CONSTRAINT never CHECK (false)")
    api.conformance = None  # a 500 is a bug, and no document promises bugs

    reply = await api.call(
        "POST",
        "/api/incidents",
        user="harry",
        json={"title": "x", "location": "HOGWARTS", "severity": "DANGEROUS"},
    )

    assert reply.status == 500
    for table in ("incidents", "incident_history", "events", "notifications"):
        assert [r[0] for r in await api.sql(f"SELECT count(*) FROM {table}")] == [0]  # noqa: S608 - fixed names


@pytest.mark.usefixtures("unhurried")
async def test_reading_all_goes_in_batches_and_marks_each_once(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "READ_AT_ONCE", 10)
    await api.person("moody", "AUROR")
    await api.person("luna", "AUROR")
    number = (await api.report("moody", severity="DANGEROUS"))["id"]
    await api.sql(
        """INSERT INTO notifications (user_id, type, title, message, incident_id)
           SELECT id, 'MENTION', 'x', 'x', $1 FROM users, generate_series(1, 35) WHERE email LIKE 'moody@%'""",
        number,
    )
    locked = await asyncpg.connect(api.database_url)
    async with locked.transaction():
        # The second batch waits here, so the first one is seen to be done and kept already.
        await locked.execute(
            "SELECT 1 FROM notifications WHERE id = (SELECT min(id) + 15 FROM notifications WHERE message = 'x') FOR UPDATE"
        )
        calls = [
            asyncio.create_task(api.call("POST", "/api/notifications/read-all", user="moody"))
            for _ in range(3)
        ]

        async def first_batch_is_kept() -> bool:
            left = await api.sql("SELECT count(*) FROM notifications WHERE message = 'x' AND read_at IS NULL")
            return bool(left[0][0] == 25)

        await until(first_batch_is_kept)
    await locked.close()
    replies = [await call for call in calls]

    assert sum(reply.body["count"] for reply in replies) == 35
    unread = await api.call("GET", "/api/notifications/unread/count", user="moody")
    assert unread.body == {"count": 0}
    assert (await api.call("GET", "/api/notifications/unread/count", user="luna")).body == {"count": 1}
