"""Events as they happen: who hears of what, and when sockets end."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import aiohttp
import jwt
import pytest
from dev.local_services import LocalRedis, local_redis
from tests.component.api.sockets import Client, connected, stranger
from tests.component.conftest import (
    JWT_SECRET,
    ON_BOTH_LOOPS,
    PASSWORD,
    PATIENCE_SECONDS,
    Api,
    readiness,
    running_api,
    until,
)

from maraudersmap_api.auth.models import User
from maraudersmap_api.errors import Unavailable
from maraudersmap_api.incidents.models import Incident
from maraudersmap_api.incidents.service import IncidentService
from maraudersmap_api.infra.db import Executor
from maraudersmap_api.infra.turns import asking
from maraudersmap_api.outbox.models import Event, EventType
from maraudersmap_api.realtime import dispatch, door, handlers, hub, repository
from maraudersmap_api.realtime import service as realtime_service
from maraudersmap_api.realtime.delivery import Loaded
from maraudersmap_api.realtime.socket import QUEUE_FRAMES


async def _people(api: Api) -> None:
    for name, role in (("student", "STUDENT"), ("prefect", "PREFECT"), ("auror", "AUROR")):
        await api.person(name, role)


async def _expiring(api: Api, user: str, seconds: float) -> str:
    """A token of `user` that is about to expire."""
    claims = jwt.decode(api.tokens[user], options={"verify_signature": False})
    header = jwt.get_unverified_header(api.tokens[user])
    claims["exp"] = int((datetime.now(UTC) + timedelta(seconds=seconds)).timestamp())
    return jwt.encode(claims, JWT_SECRET, algorithm="HS256", headers={"kid": header["kid"]})


async def test_everybody_hears_exactly_of_what_they_may_view(api: Api) -> None:
    await _people(api)
    async with (
        connected(api, "student") as student,
        connected(api, "prefect") as prefect,
        connected(api, "auror") as auror,
    ):
        made = {
            severity: await api.report("auror", f"{severity} thing", severity=severity)
            for severity in ("UNFORGIVABLE", "DANGEROUS", "SUSPICIOUS", "MISCHIEF")
        }
        for client, seen in ((student, 1), (prefect, 3), (auror, 4)):
            # MISCHIEF was the last one, so what came before it and is not here was not delivered.
            heard = [(await client.expect("incident:created"))["data"] for _ in range(seen)]
            assert heard == list(made.values())[-seen:]
        assert student.kept == []


async def test_an_event_for_each_change(api: Api) -> None:
    await _people(api)
    async with connected(api, "auror") as auror:
        number = (await api.report("student"))["id"]
        path = f"/api/incidents/{number}"
        await api.call("PATCH", path, user="auror", json={"title": "new"})
        updated = await auror.expect("incident:updated")
        comment = (await api.call("POST", f"{path}/comments", user="student", json={"content": "hi"})).body
        created = await auror.expect("comment:created")
        await api.call("DELETE", f"{path}/comments/{comment['id']}", user="student")
        deleted = await auror.expect("comment:deleted")
        await api.call("PATCH", path, user="auror", json={"severity": "SUSPICIOUS"})
        escalated = await auror.expect("incident:escalated")
        await api.call("POST", f"{path}/resolve", user="auror")
        resolved = await auror.expect("incident:resolved")
        await api.call("DELETE", path, user="auror")
        gone = await auror.expect("incident:deleted")

    assert updated["data"]["title"] == "new"
    assert created["data"] == comment
    assert deleted["data"] == {"id": comment["id"], "incidentId": number}
    assert escalated["data"]["severity"] == "SUSPICIOUS"
    assert resolved["data"]["status"] == "RESOLVED"
    assert gone["data"] == {"id": number}
    ids = [f["id"] for f in (updated, created, deleted, escalated, resolved, gone)]
    assert ids == sorted(ids)


async def test_who_may_view_it_no_longer_hears_only_that_it_is_gone(api: Api) -> None:
    await _people(api)
    await api.person("other")
    number = (await api.report("other", "Boggart in the wardrobe"))["id"]
    async with connected(api, "student") as student, connected(api, "other") as reporter:
        await student.send("room:join", room=f"incident:{number}")
        await student.expect("presence:join")
        await api.call("PATCH", f"/api/incidents/{number}", user="auror", json={"severity": "DANGEROUS"})

        removed = await student.expect("incident:removed")
        escalated = await reporter.expect("incident:escalated")
        await student.send("typing:start", room=f"incident:{number}")
        refused = await student.expect("error")

    assert removed["data"] == {"id": number}
    assert "Boggart" not in json.dumps(student.kept)
    assert escalated["data"]["severity"] == "DANGEROUS", "one's own stays visible"
    assert refused["data"]["code"] == "FORBIDDEN", "out of the room too"


async def test_who_has_to_leave_a_room_is_missed_by_those_who_stay(api: Api) -> None:
    await _people(api)
    number = (await api.report("prefect"))["id"]
    room = f"incident:{number}"
    async with connected(api, "student") as student, connected(api, "auror") as auror:
        await auror.send("room:join", room=room)
        await auror.expect("presence:join")
        await student.send("room:join", room=room)
        joined = await auror.expect("presence:join")
        await api.call("PATCH", f"/api/incidents/{number}", user="auror", json={"severity": "DANGEROUS"})
        left = await auror.expect("presence:leave")
        there = await api.call("GET", f"/api/presence/incidents/{number}", user="auror")

    assert left["data"] == joined["data"]
    assert left["data"]["user"]["firstName"] == "Student"
    assert [user["firstName"] for user in there.body["data"]] == ["Auror"]


async def test_what_a_socket_asks_for_is_its_users_turn(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody behind one address would wait for the one of them who asks most."""
    harry = await api.person("harry")
    number = (await api.report("harry"))["id"]
    asked = asyncio.Queue[str]()
    get = IncidentService.get

    async def noted(service: IncidentService, incident_id: int, *, viewer: User) -> Incident:
        asked.put_nowait(asking.get())
        return await get(service, incident_id, viewer=viewer)

    monkeypatch.setattr(IncidentService, "get", noted)
    async with connected(api, "harry") as client, asyncio.timeout(PATIENCE_SECONDS):
        await client.send("room:join", room=f"incident:{number}")
        assert await asked.get() == harry


async def test_who_joins_while_an_incident_is_hidden_from_them_does_not_stay(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _people(api)
    number = (await api.report("prefect"))["id"]
    async with connected(api, "student") as student, connected(api, "auror") as auror:
        await auror.send("room:join", room=f"incident:{number}")
        await auror.expect("presence:join")
        read, may_go_on = asyncio.Event(), asyncio.Event()
        get = IncidentService.get

        async def slowly(service: IncidentService, incident_id: int, *, viewer: User) -> Incident:
            found = await get(service, incident_id, viewer=viewer)
            read.set()
            await may_go_on.wait()
            return found

        monkeypatch.setattr(IncidentService, "get", slowly)
        await student.send("room:join", room=f"incident:{number}")
        await read.wait()
        await api.call("PATCH", f"/api/incidents/{number}", user="auror", json={"severity": "DANGEROUS"})
        await student.expect("incident:removed")
        may_go_on.set()
        await auror.expect("presence:join")
        left = await auror.expect("presence:leave")

    assert left["data"]["user"]["firstName"] == "Student"


async def test_who_signs_in_again_with_a_lesser_role_leaves_what_it_hides(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(realtime_service, "ACCOUNTS_SECONDS", 3600.0)  # before anything else notices
    await _people(api)
    hidden = (await api.report("auror", severity="DANGEROUS"))["id"]
    open_to_all = (await api.report("auror"))["id"]
    async with connected(api, "prefect") as prefect, connected(api, "auror") as auror:
        await auror.send("room:join", room=f"incident:{hidden}")
        await auror.expect("presence:join")
        for number in (hidden, open_to_all):
            await prefect.send("room:join", room=f"incident:{number}")
            await prefect.expect("presence:join")
        await api.sql(
            "UPDATE users SET role = 'STUDENT', token_version = token_version + 1 WHERE role = 'PREFECT'"
        )
        api.forget_users()
        session = await api.call(
            "POST", "/api/auth/login", json={"email": "prefect@hogwarts.edu", "password": PASSWORD}
        )
        await prefect.send("auth", token=session.body["accessToken"])
        left = await auror.expect("presence:leave")
        await prefect.send("typing:start", room=f"incident:{open_to_all}")
        typing = await prefect.expect("presence:typing")

    assert left["data"]["room"] == f"incident:{hidden}"
    assert typing["data"]["room"] == f"incident:{open_to_all}"


@pytest.mark.parametrize("error", [Unavailable("away"), RuntimeError("a fault of ours")])
async def test_rooms_that_could_not_be_judged_are_judged_again(
    api: Api, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    await _people(api)
    number = (await api.report("auror", severity="DANGEROUS"))["id"]
    standings, failed = repository.standings, asyncio.Event()

    async def failing_once(db: Executor, numbers: Iterable[int]) -> Any:
        if not failed.is_set():
            failed.set()
            raise error
        return await standings(db, numbers)

    async with connected(api, "prefect") as prefect, connected(api, "auror") as auror:
        for client in (auror, prefect):
            await client.send("room:join", room=f"incident:{number}")
            await client.expect("presence:join")
        monkeypatch.setattr(repository, "standings", failing_once)
        await api.sql("UPDATE users SET role = 'STUDENT' WHERE role = 'PREFECT'")
        left = await auror.expect("presence:leave")

    assert failed.is_set()
    assert left["data"]["user"]["firstName"] == "Prefect"


async def test_a_room_is_left_although_what_hides_its_incident_could_not_be_delivered(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _people(api)
    number = (await api.report("prefect"))["id"]
    load = repository.load

    async def away(db: Executor, events: Sequence[Event]) -> Loaded:
        if any("severityBefore" in event.payload for event in events):
            raise Unavailable("away")
        return await load(db, events)

    async with connected(api, "student") as student, connected(api, "auror") as auror:
        for client in (auror, student):
            await client.send("room:join", room=f"incident:{number}")
            await client.expect("presence:join")
        monkeypatch.setattr(dispatch, "ATTEMPTS", 1)
        monkeypatch.setattr(dispatch, "RETRY_SECONDS", 0.0)
        monkeypatch.setattr(repository, "load", away)
        await api.call("PATCH", f"/api/incidents/{number}", user="auror", json={"severity": "DANGEROUS"})
        await student.expect("resync")
        left = await auror.expect("presence:leave")

    assert left["data"]["user"]["firstName"] == "Student"


async def test_notifications_reach_their_reader_only(api: Api) -> None:
    await _people(api)
    await api.person("ron")
    number = (await api.report("student"))["id"]
    async with connected(api, "ron") as ron, connected(api, "prefect") as prefect:
        await api.call(
            "POST", f"/api/incidents/{number}/comments", user="prefect", json={"content": "@ron look"}
        )
        notification = await ron.expect("notification:new")
        await prefect.expect("comment:created")
        await api.report("student", "marker")
        await prefect.expect("incident:created")

    assert notification["data"]["type"] == "MENTION"
    assert notification["data"]["message"] == "@ron look"
    assert [f for f in prefect.kept if f["type"] == "notification:new"] == []


async def test_rooms_presence_and_typing(api: Api) -> None:
    await _people(api)
    number = (await api.report("student"))["id"]
    hidden = (await api.report("auror", severity="DANGEROUS"))["id"]
    room = f"incident:{number}"
    async with connected(api, "student") as student, connected(api, "prefect") as prefect:
        await student.send("room:join", room=room)
        await student.expect("presence:join")
        await prefect.send("room:join", room=room)
        joined = await student.expect("presence:join")
        await prefect.send("typing:start", room=room)
        typing = await student.expect("presence:typing")
        there = await api.call("GET", f"/api/presence/incidents/{number}", user="auror")
        online = await api.call("GET", "/api/presence/online", user="auror")
        await prefect.send("room:leave", room=room)
        left = await student.expect("presence:leave")
        for wrong, code in (
            (f"incident:{hidden}", "FORBIDDEN"),
            ("incident:999999", "NOT_FOUND"),
            ("incident:x", "BAD_FRAME"),
            ("lobby", "BAD_FRAME"),
            (7, "BAD_FRAME"),
        ):
            await student.send("room:join", room=wrong)
            assert (await student.expect("error"))["data"]["code"] == code, wrong

    assert (joined["data"]["room"], joined["data"]["user"]["firstName"]) == (room, "Prefect")
    assert (typing["data"]["typing"], typing["data"]["user"]["firstName"]) == (True, "Prefect")
    assert left["data"]["user"]["firstName"] == "Prefect"
    assert {u["firstName"] for u in there.body["data"]} == {"Student", "Prefect"}
    assert (online.body["total"], {u["firstName"] for u in online.body["data"]}) == (
        2,
        {"Student", "Prefect"},
    )
    assert "email" not in json.dumps([online.body, there.body, joined])
    assert "incident" not in json.dumps(online.body)
    assert (await api.call("GET", f"/api/presence/incidents/{hidden}", user="student")).status == 403
    assert (await api.call("GET", "/api/presence/incidents/999999", user="student")).status == 404


async def test_what_was_missed_is_sent_again_from_ten_seconds_before(api: Api) -> None:
    await _people(api)
    for title in ("old", "known", "missed"):
        await api.report("student", title)
    await api.report("auror", "hidden", severity="UNFORGIVABLE")
    ids = [row[0] for row in await api.sql("SELECT id FROM events WHERE user_id IS NULL ORDER BY id")]
    await api.sql("UPDATE events SET created_at = created_at - interval '11 seconds' WHERE id = $1", ids[0])

    async with connected(api, "student", since=ids[1]) as student:
        first, second = await student.receive(), await student.receive()
        await api.report("student", "live")
        third = await student.receive()

    assert [f["data"]["title"] for f in (first, second, third)] == ["known", "missed", "live"]
    assert [f["id"] for f in (first, second)] == ids[1:3]


async def test_catching_up_finds_what_a_server_with_another_clock_has_stored(api: Api) -> None:
    """After a failover to one that is a minute behind, what is new looks older than what is known."""
    await _people(api)
    for title in ("known", "missed", "missed too"):
        await api.report("student", title)
    ids = [row[0] for row in await api.sql("SELECT id FROM events ORDER BY id")]
    await api.sql("UPDATE events SET created_at = created_at - interval '1 minute' WHERE id > $1", ids[0])

    async with connected(api, "student", since=ids[0]) as student:
        heard = [await student.receive() for _ in ids]

    assert [f["data"]["title"] for f in heard] == ["known", "missed", "missed too"]


async def test_catching_up_steps_over_an_event_of_a_newer_releases_type(api: Api) -> None:
    """After a rollback it is kept for as long as any other."""
    await _people(api)
    first = await api.report("student", "known")
    await api.sql(
        "INSERT INTO events (type, incident_id, payload) VALUES ('incident:bewitched', $1, '{}')", first["id"]
    )
    await api.report("student", "missed")
    known = (await api.sql("SELECT min(id) FROM events"))[0][0]

    async with connected(api, "student", since=known) as student:
        frames = [await student.receive(), await student.receive()]

    assert [f["data"]["title"] for f in frames] == ["known", "missed"]


async def test_an_event_that_committed_late_is_not_lost(api: Api) -> None:
    """Ids commit out of order: a lower id may appear after a higher one that the client already knows."""
    await _people(api)
    late = (await api.report("student", "late"))["id"]
    await api.report("student", "early")
    rows = await api.sql("SELECT id, incident_id FROM events ORDER BY id")
    assert rows[0][1] == late

    async with connected(api, "student", since=rows[1][0]) as student:
        heard = [await student.receive(), await student.receive()]

    assert [f["data"]["title"] for f in heard] == ["late", "early"]


async def test_too_much_or_too_old_means_reading_anew(api: Api) -> None:
    await _people(api)
    number = (await api.report("student"))["id"]
    first = (await api.sql("SELECT id FROM events"))[0][0]
    await api.sql(
        """INSERT INTO events (type, incident_id, payload)
           SELECT 'incident:updated', $1, '{}' FROM generate_series(1, 1001)""",
        number,
    )
    for since in (first, first + 5000):
        async with connected(api, "student", since=since) as student:
            assert (await student.receive())["type"] == "resync"
    async with connected(api, "student", since=first + 1) as student:
        for _ in range(1001):
            assert (await student.receive())["type"] in ("incident:updated", "incident:created")


async def test_what_was_hidden_and_then_deleted_is_gone_for_those_who_had_seen_it(api: Api) -> None:
    await _people(api)
    seen = (await api.report("auror", "secret one"))["id"]
    await api.report("auror", "secret two", severity="DANGEROUS")
    since = (await api.sql("SELECT max(id) FROM events WHERE user_id IS NULL"))[0][0]
    await api.call("PATCH", f"/api/incidents/{seen}", user="auror", json={"severity": "DANGEROUS"})
    for number in (seen, seen + 1):
        assert (await api.call("DELETE", f"/api/incidents/{number}", user="auror")).status == 204
    await api.report("student", "the newest")
    sent = {}

    for user in ("student", "prefect", "auror"):
        async with connected(api, user, since=since) as client:
            await client.expect(
                "incident:created", lambda frame: bool(frame["data"]["title"] == "the newest")
            )
            assert "secret" not in json.dumps(client.kept)
            sent[user] = [
                (frame["type"], frame["data"]["id"])
                for frame in client.kept
                if frame["type"] != "notification:new"
            ]

    both = [("incident:deleted", seen), ("incident:deleted", seen + 1)]
    assert sent == {"student": [("incident:removed", seen)], "prefect": both, "auror": both}


async def test_catching_up_never_tells_what_is_hidden_or_deleted_by_now(api: Api) -> None:
    await _people(api)
    start = (await api.report("student", "start"))["id"]
    escalated = (await api.report("auror", "secret one"))["id"]
    deleted = (await api.report("auror", "secret two"))["id"]
    path = f"/api/incidents/{start}/comments"
    comment = (await api.call("POST", path, user="auror", json={"content": "secret three"})).body
    since = (await api.sql("SELECT min(id) FROM events"))[0][0]
    await api.call("PATCH", f"/api/incidents/{escalated}", user="auror", json={"severity": "DANGEROUS"})
    await api.call("DELETE", f"/api/incidents/{deleted}", user="auror")
    await api.call("DELETE", f"{path}/{comment['id']}", user="auror")

    async with connected(api, "student", since=since) as student:
        await student.expect("comment:deleted")

    assert "secret" not in json.dumps(student.kept)
    kinds = [(f["type"], f["data"]["id"]) for f in student.kept]
    assert ("incident:removed", escalated) in kinds
    assert ("incident:deleted", deleted) in kinds


@pytest.mark.parametrize(
    "first",
    [
        {"type": "room:join", "room": "incident:1"},
        {"type": "auth"},
        {"type": "auth", "token": 7},
        {"type": "auth", "token": "x.y.z"},
        {"type": "auth", "token": "", "since": "x"},
        ["auth"],
        "auth",
    ],
)
async def test_whoever_does_not_sign_in_first_is_closed_with_4401(api: Api, first: object) -> None:
    async with stranger(api) as client:
        await client.ws.send_json(first)
        assert await client.until_closed() == 4401


async def test_signs_of_life_may_come_before_the_first_frame(api: Api) -> None:
    """Some libraries send them from the start; they are no frames of ours."""
    await _people(api)
    async with api.http.ws_connect("/ws", autoping=False) as ws:
        await ws.pong(b"unasked")
        await ws.ping(b"who is there?")
        answer = await ws.receive(PATIENCE_SECONDS)
        assert (answer.type, answer.data) == (aiohttp.WSMsgType.PONG, b"who is there?")
        await ws.send_json({"type": "auth", "token": api.tokens["student"]})
        assert (await ws.receive_json(timeout=PATIENCE_SECONDS))["type"] == "connection:acknowledged"


async def test_nothing_but_signs_of_life_opens_nothing(api: Api) -> None:
    async with api.http.ws_connect("/ws") as ws:
        while not ws.closed:
            try:
                await ws.ping()
            except ConnectionError:
                break
            await asyncio.wait_for(ws.receive(), PATIENCE_SECONDS)
        assert ws.close_code == 4401


async def test_an_expired_token_opens_nothing(api: Api) -> None:
    await _people(api)
    async with stranger(api) as client:
        await client.send("auth", token=await _expiring(api, "student", -5))
        assert await client.until_closed() == 4401


async def test_who_says_nothing_is_closed(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "FIRST_FRAME_SECONDS", 0.1)
    async with stranger(api) as client:
        assert await client.until_closed() == 4401


async def test_a_socket_ends_with_its_token_unless_it_is_extended(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _people(api)
    token = await _expiring(api, "student", 2 * PATIENCE_SECONDS)
    async with stranger(api) as short, stranger(api) as extended:
        for client in (short, extended):
            await client.send("auth", token=token)
            await client.expect("connection:acknowledged")
        await extended.send("auth", token=api.tokens["student"])
        await extended.expect("connection:acknowledged")
        # The token's end comes: waited for, it might as well have come while they were still signing in.
        right = time.time
        monkeypatch.setattr(time, "time", lambda: right() + 2 * PATIENCE_SECONDS)

        assert await short.until_closed() == 4401
        await api.report("student", "still here")
        assert (await extended.expect("incident:created"))["data"]["title"] == "still here"


async def test_nobody_extends_with_somebody_elses_token(api: Api) -> None:
    await _people(api)
    async with connected(api, "student") as client:
        await client.send("auth", token=api.tokens["auror"])
        assert await client.until_closed() == 4401


async def test_deactivation_closes_and_a_new_role_is_judged_anew(api: Api) -> None:
    await _people(api)
    await api.person("spy", "AUROR")
    number = (await api.report("auror", severity="DANGEROUS"))["id"]
    async with connected(api, "spy") as spy, connected(api, "prefect") as prefect:
        await prefect.send("room:join", room=f"incident:{number}")
        await prefect.expect("presence:join")
        await api.sql("UPDATE users SET role = 'STUDENT' WHERE email LIKE 'prefect@%'")
        await api.sql("UPDATE users SET is_active = false WHERE email LIKE 'spy@%'")

        assert await spy.until_closed() == 4401

        async def left() -> bool:
            there = await api.call("GET", f"/api/presence/incidents/{number}", user="auror")
            return bool(there.body["total"] == 0)

        await until(left)
        await api.report("auror", "secret", severity="DANGEROUS")
        await api.report("auror", "harmless")
        assert (await prefect.expect("incident:created"))["data"]["title"] == "harmless"
        assert "secret" not in json.dumps(prefect.kept)


async def test_who_comes_while_accounts_are_looked_up_stays(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _people(api)
    asked, arrived = asyncio.Event(), asyncio.Event()
    accounts = repository.accounts

    async def slow(db: Executor, users: Iterable[UUID]) -> Any:
        found = await accounts(db, users)
        asked.set()
        await arrived.wait()
        return found

    monkeypatch.setattr(repository, "accounts", slow)
    async with connected(api, "student"):
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asked.wait()
        async with connected(api, "prefect") as newcomer:
            arrived.set()
            asked.clear()
            async with asyncio.timeout(PATIENCE_SECONDS):
                await asked.wait()  # the round is over, and the next one has begun
            await api.report("student", "still here")
            assert (await newcomer.expect("incident:created"))["data"]["title"] == "still here"


async def test_ten_sockets_a_user(api: Api) -> None:
    await _people(api)
    async with aiohttp.ClientSession(api.http._base_url) as http:
        clients = [Client(await http.ws_connect("/ws")) for _ in range(hub.MOST_OF_A_USER)]
        for client in clients:
            await client.send("auth", token=api.tokens["student"])
            await client.expect("connection:acknowledged")
        async with stranger(api) as eleventh:
            await eleventh.send("auth", token=api.tokens["student"])
            assert await eleventh.until_closed() == 1008
        async with connected(api, "prefect"):
            metrics = (await api.call("GET", "/metrics")).body.decode()
            assert f"active_websocket_connections {hub.MOST_OF_A_USER + 1}.0" in metrics


async def test_twenty_strangers_an_address(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "WAIT_SECONDS", 0.1)
    monkeypatch.setattr(
        handlers, "FIRST_FRAME_SECONDS", PATIENCE_SECONDS
    )  # they stay until the last one has come
    await _people(api)
    async with aiohttp.ClientSession(api.http._base_url) as http:
        silent = [await http.ws_connect("/ws") for _ in range(door.MOST_UNKNOWN_OF_AN_ADDRESS)]
        refused = await api.call(
            "GET",
            "/ws",
            headers={
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
            },
        )
        assert (refused.status, refused.body["error"]["code"]) == (429, "RATE_LIMITED")
        assert not any(ws.closed for ws in silent)

    async def admitted() -> bool:
        try:
            async with connected(api, "student"):
                return True
        except aiohttp.WSServerHandshakeError:
            return False

    await until(admitted)


async def test_pages_of_other_origins_may_not_connect(database: str) -> None:
    async with running_api(database, CORS_ORIGINS="https://map.hogwarts.edu") as api:
        await readiness(api, 200)
        own = f"http://{api.http._base_url.authority}" if api.http._base_url else ""
        for origin, allowed in (
            ("https://map.hogwarts.edu", True),
            (own, True),
            ("https://evil.example", False),
            ("null", False),
        ):
            if allowed:
                async with stranger(api, Origin=origin):
                    pass
            else:
                with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
                    await api.http.ws_connect("/ws", headers={"Origin": origin})


async def test_plain_http_at_the_sockets_address_is_refused(api: Api) -> None:
    reply = await api.call("GET", "/ws")

    assert reply.status == 400
    assert reply.body["error"]["message"] == "This address speaks WebSocket only"


async def test_odd_frames_are_answered_and_oversized_ones_close(api: Api) -> None:
    await _people(api)
    async with connected(api, "student") as client:
        for text in ("", "{", "7", '{"type":"dance"}', "[" * 4000, '{"type":"typing:start"}'):
            await client.ws.send_str(text)
            assert (await client.expect("error"))["data"]["code"] == "BAD_FRAME", text[:20]
        await client.ws.send_bytes(b"\x00")
        assert (await client.expect("error"))["data"]["code"] == "BAD_FRAME"
        await client.send("heartbeat")
        await client.ws.send_str("x" * 10_000)
        assert await client.until_closed() == 1009


async def test_who_sends_without_end_is_closed(api: Api) -> None:
    await _people(api)
    async with connected(api, "student") as client:
        for _ in range(200):
            await client.send("heartbeat")
        assert await client.until_closed() == 1008


@ON_BOTH_LOOPS
async def test_a_slow_consumer_is_let_go_and_nobody_waits_for_it(api: Api) -> None:
    await _people(api)
    reader, writer = await asyncio.open_connection("127.0.0.1", api.http._base_url.port)  # type: ignore[union-attr]
    async with connected(api, "prefect") as quick:
        # A client that signs in and then reads no more: by hand, for a library would read on.
        writer.write(
            b"GET /ws HTTP/1.1\r\nHost: map\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        auth = json.dumps({"type": "auth", "token": api.tokens["student"]}).encode()
        writer.write(b"\x81\xfe" + len(auth).to_bytes(2, "big") + b"\x00\x00\x00\x00" + auth)

        async def online() -> bool:
            return bool((await api.call("GET", "/api/presence/online", user="auror")).body["total"] == 2)

        await until(online)
        number = (await api.report("student", description="x" * 10_000))["id"]
        events = QUEUE_FRAMES * 8
        service = api.service
        # Never more at once than the quick one's queue holds: only the one that does not read may fall behind.
        at_once = QUEUE_FRAMES // 2
        for first in range(0, events, at_once):
            for n in range(first, first + at_once):
                service.domain.realtime.events([Event(10**6 + n, EventType.INCIDENT_UPDATED, number, {})])
            for _ in range(at_once):
                await quick.expect("incident:updated")

        async def gone() -> bool:
            return bool((await api.call("GET", "/api/presence/online", user="auror")).body["total"] == 1)

        await until(gone)
    writer.close()


@pytest.fixture
async def pods(database: str, redis: LocalRedis, unhurried: None) -> AsyncIterator[tuple[Api, Api]]:
    """Two processes' worth of the service, on one database and one Redis."""
    async with (
        running_api(database, REDIS_URL=redis.url) as one,
        running_api(database, REDIS_URL=redis.url) as two,
    ):
        await readiness(one, 200, cache="healthy")
        await readiness(two, 200, cache="healthy")
        await until(lambda: _hear_each_other(one, two))
        two.tokens = one.tokens
        yield one, two


async def _hear_each_other(*running: Api) -> bool:
    return all(api.service.domain.realtime.hears_others for api in running)


async def test_events_presence_and_typing_cross_pods(pods: tuple[Api, Api]) -> None:
    one, two = pods
    await _people(one)
    async with connected(one, "student") as here, connected(two, "prefect") as there:
        number = (await one.report("student", "Seen from afar"))["id"]
        heard = await there.expect("incident:created")
        for client in (here, there):
            await client.send("room:join", room=f"incident:{number}")
            await client.expect("presence:join")
        await here.expect("presence:join", lambda f: f["data"]["user"]["firstName"] == "Prefect")
        await there.send("typing:start", room=f"incident:{number}")
        await here.expect("presence:typing")

        async def both(path: str) -> bool:
            totals = [(await pod.call("GET", path, user="auror")).body["total"] for pod in pods]
            return totals == [2, 2]

        await until(lambda: both("/api/presence/online"))
        await until(lambda: both(f"/api/presence/incidents/{number}"))

    assert heard["data"]["title"] == "Seen from afar"

    async def nobody() -> bool:
        return bool((await one.call("GET", "/api/presence/online", user="auror")).body["total"] == 0)

    await until(nobody)


async def test_without_redis_the_own_pod_still_tells_and_later_the_others_catch_up(database: str) -> None:
    with local_redis() as own:
        async with (
            running_api(database, REDIS_URL=own.url) as one,
            running_api(database, REDIS_URL=own.url) as two,
        ):
            await readiness(one, 200, cache="healthy")
            await readiness(two, 200, cache="healthy")
            two.tokens = one.tokens
            await _people(one)
            async with connected(one, "student") as here, connected(two, "prefect") as there:
                await one.report("student", "before")
                await there.expect("incident:created")
                own.stop()
                reply = await one.report("student", "meanwhile")
                near = await here.expect("incident:created", lambda f: f["data"]["title"] == "meanwhile")
                own.start()
                far = await there.expect("incident:created")

    assert near["data"]["id"] == far["data"]["id"] == reply["id"]


async def test_going_away_closes_with_1001_and_drops_no_request(database: str) -> None:
    async with running_api(database) as api:
        await readiness(api, 200)
        await _people(api)
        async with connected(api, "student") as client:
            async with asyncio.timeout(PATIENCE_SECONDS):
                stopping = asyncio.create_task(api.service.server.stop())
                assert await client.until_closed() == 1001
                assert await stopping is True


async def test_who_signs_in_while_it_goes_away_is_sent_elsewhere(database: str) -> None:
    """1008 would tell a client that it is to blame, and not to come back."""
    async with running_api(database) as api:
        await readiness(api, 200)
        await _people(api)
        realtime = api.service.domain.realtime

        async def closing() -> bool:
            return realtime.closing

        async with stranger(api) as client, asyncio.timeout(PATIENCE_SECONDS):
            stopping = asyncio.create_task(api.service.server.stop())
            await until(closing)
            await client.send("auth", token=api.tokens["student"])
            assert await client.until_closed() == 1001
            assert await stopping is True


async def test_a_failing_broadcast_never_fails_the_request(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await _people(api)

    def broken(_: object) -> None:
        raise RuntimeError("no broadcast today")

    monkeypatch.setattr(api.service.domain.realtime._dispatcher, "offer", broken)

    assert (await api.report("student"))["id"]
