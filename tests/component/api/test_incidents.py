"""Reporting and finding incidents, against a real database."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from tests.component.conftest import Api


async def test_a_report_is_stored_with_its_history_and_event(api: Api) -> None:
    # given
    harry = await api.person("harry")
    # when
    reply = await api.call(
        "POST",
        "/api/incidents",
        user="harry",
        json={
            "title": "  Polyjuice in the common room ",
            "description": "Two <b>strangers</b>",
            "severity": "DANGEROUS",
            "location": "HOGWARTS",
            "tags": ["potion", "potion", "slytherin"],
            "evidenceUrls": ["https://owl.post/1"],
            "witnessCount": 2,
        },
        headers={"X-Request-ID": "req-42"},
    )
    # then
    assert reply.status == 201
    incident = reply.body
    assert reply.headers["Location"] == f"/api/incidents/{incident['id']}"
    assert reply.headers["ETag"] == f'"{incident["id"]}-1"'
    assert isinstance(incident["id"], int)
    assert incident["title"] == "Polyjuice in the common room"
    assert incident["description"] == "Two <b>strangers</b>"
    assert (incident["severity"], incident["status"], incident["version"]) == ("DANGEROUS", "OPEN", 1)
    assert incident["tags"] == ["potion", "slytherin"]
    assert incident["reportedBy"] == {
        "id": harry,
        "firstName": "Harry",
        "lastName": "Test",
        "role": "STUDENT",
        "house": "GRYFFINDOR",
    }
    assert incident["resolvedAt"] is None
    history = await api.sql(
        "SELECT field, old_value, new_value, request_id FROM incident_history ORDER BY id"
    )
    assert [tuple(row) for row in history] == [
        ("status", None, '"OPEN"', "req-42"),
        ("severity", None, '"DANGEROUS"', "req-42"),
    ]
    events = await api.sql("SELECT type, incident_id FROM events")
    assert [tuple(row) for row in events] == [("incident:created", incident["id"])]
    metrics = (await api.call("GET", "/metrics")).body.decode()
    assert "incidents_created_total 1.0" in metrics


async def test_nothing_is_half_written_when_the_event_fails(api: Api) -> None:
    await api.person("harry")
    await api.sql("ALTER TABLE events ADD CONSTRAINT never CHECK (false)")
    api.conformance = None  # a 500 is a bug, and no document promises bugs

    reply = await api.call(
        "POST", "/api/incidents", user="harry", json={"title": "x", "location": "HOGWARTS"}
    )

    assert reply.status == 500
    assert "never" not in json.dumps(reply.body)
    assert [row[0] for row in await api.sql("SELECT count(*) FROM incidents")] == [0]
    assert [row[0] for row in await api.sql("SELECT count(*) FROM incident_history")] == [0]


async def test_the_canonical_error_word_for_word(api: Api) -> None:
    await api.person("harry")

    reply = await api.call("POST", "/api/incidents", user="harry", json={"location": "HOGWARTS"})

    assert reply.status == 400
    assert reply.body == {
        "error": {
            "code": "VALIDATION_ERROR",
            "message": "Title is required",
            "details": [{"field": "title", "message": "Title is required"}],
        },
        "requestId": reply.headers["X-Request-ID"],
    }


@pytest.mark.parametrize(
    "text",
    [
        "'; DROP TABLE incidents; --",
        "<script>alert('mischief')</script>",
        "$1 %s {0} \\x00 \\",
        "Ωmega 🗺️ \u202egnihsim",
        '"quoted" & <b>',
    ],
)
async def test_hostile_text_is_stored_and_returned_as_data(api: Api, text: str) -> None:
    await api.person("harry")
    made = await api.report("harry", text, description=text, tags=[text[:50]])

    got = await api.call("GET", f"/api/incidents/{made['id']}", user="harry")
    found = await api.call("GET", "/api/incidents", user="harry", headers={"Accept": "text/html"})
    searched = await api.http.get(
        "/api/incidents", params={"search": text}, headers={"Authorization": f"Bearer {api.tokens['harry']}"}
    )

    assert (got.body["title"], got.body["description"], got.body["tags"]) == (text, text, [text[:50]])
    assert got.headers["Content-Type"] == "application/json; charset=utf-8"
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert found.body["total"] == 1
    assert searched.status == 200
    assert [row[0] for row in await api.sql("SELECT count(*) FROM incidents")] == [1]


async def test_who_sees_what_by_id_and_in_lists(api: Api) -> None:
    for name, role in (
        ("student", "STUDENT"),
        ("prefect", "PREFECT"),
        ("auror", "AUROR"),
        ("reporter", "STUDENT"),
    ):
        await api.person(name, role)
    made = {
        severity: (await api.report("reporter", f"{severity} by night", severity=severity))["id"]
        for severity in ("MISCHIEF", "SUSPICIOUS", "DANGEROUS", "UNFORGIVABLE")
    }
    expected = {
        "student": {"MISCHIEF"},
        "prefect": {"MISCHIEF", "SUSPICIOUS", "DANGEROUS"},
        "auror": set(made),
        "reporter": set(made),
    }

    for name, seen in expected.items():
        listed = (await api.call("GET", "/api/incidents?search=night", user=name)).body
        assert {incident["severity"] for incident in listed["data"]} == seen, name
        assert listed["total"] == len(seen), name
        for severity, number in made.items():
            reply = await api.call("GET", f"/api/incidents/{number}", user=name)
            assert reply.status == (200 if severity in seen else 403), (name, severity)
            if reply.status == 403:
                assert "night" not in json.dumps(reply.body)
                assert severity not in json.dumps(reply.body)


async def test_a_deleted_incident_is_404_for_all_and_in_no_list(api: Api) -> None:
    await api.person("auror", "AUROR")
    made = await api.report("auror")
    await api.sql("UPDATE incidents SET deleted_at = now()")

    assert (await api.call("GET", f"/api/incidents/{made['id']}", user="auror")).status == 404
    assert (await api.call("GET", "/api/incidents", user="auror")).body["total"] == 0


async def test_odd_ids_are_refused_with_a_reason(api: Api) -> None:
    await api.person("harry")
    expected = {
        **dict.fromkeys(("999", "0", "9" * 19, "9" * 30), 404),
        **dict.fromkeys(("12abc", "-1", "1.0", "\u0663", "1%00"), 400),
    }

    for number, status in expected.items():
        reply = await api.call("GET", f"/api/incidents/{number}", user="harry")
        assert reply.status == status, number
        assert reply.body["error"]["message"]


async def test_an_unchanged_incident_is_304(api: Api) -> None:
    await api.person("harry")
    made = await api.report("harry")
    etag = f'"{made["id"]}-1"'

    same = await api.call(
        "GET", f"/api/incidents/{made['id']}", user="harry", headers={"If-None-Match": etag}
    )
    other = await api.call(
        "GET", f"/api/incidents/{made['id']}", user="harry", headers={"If-None-Match": '"1-9"'}
    )

    assert (same.status, same.body, same.headers["ETag"]) == (304, b"", etag)
    assert other.status == 200
    assert (other.headers["Cache-Control"], other.headers["Vary"]) == (
        "private, no-cache",
        "Authorization, Origin",
    )


async def test_filters_are_or_inside_and_and_across(api: Api) -> None:
    auror = await api.person("auror", "AUROR")
    await api.person("other")
    await api.report("auror", "one", severity="DANGEROUS", location="AZKABAN")
    await api.report("auror", "two", severity="MISCHIEF", location="AZKABAN")
    await api.report("other", "three", severity="MISCHIEF", location="MINISTRY")
    await api.sql("UPDATE incidents SET reported_at = '2026-01-05T10:00:00Z' WHERE title = 'one'")
    await api.sql("UPDATE incidents SET status = 'IN_PROGRESS' WHERE title = 'two'")

    async def titles(query: str) -> list[str]:
        reply = await api.call("GET", f"/api/incidents?{query}", user="auror")
        assert reply.status == 200, reply.body
        assert reply.body["total"] == len(reply.body["data"])
        return [incident["title"] for incident in reply.body["data"]]

    assert await titles("") == ["three", "two", "one"]
    assert await titles("severity=MISCHIEF,UNFORGIVABLE") == ["three", "two"]
    assert await titles("severity=MISCHIEF&location=AZKABAN") == ["two"]
    assert await titles("status=IN_PROGRESS,RESOLVED") == ["two"]
    assert await titles(f"reportedBy={auror}") == ["two", "one"]
    assert await titles("dateFrom=2026-01-05T10:00:00Z&dateTo=2026-01-05T10:00:00.001Z") == ["one"]
    assert await titles("dateTo=2026-01-05T10:00:00Z") == []
    assert await titles("dateFrom=2026-01-05&dateTo=2026-01-06") == ["one"]
    assert await titles("sort=severity") == ["one", "three", "two"]
    assert await titles("sort=reportedAt&order=asc") == ["one", "two", "three"]
    assert await titles("sort=status&order=asc") == ["one", "three", "two"]


async def test_a_partial_word_matches_and_titles_weigh_more(api: Api) -> None:
    await api.person("harry")
    await api.report("harry", "Something brewed", description="smells of Polyjuice")
    await api.report("harry", "Polyjuice brewed")
    await api.report("harry", "Nothing at all")

    found = await api.call("GET", "/api/incidents?search=poly", user="harry")
    both = await api.call("GET", "/api/incidents?search=poly%20smell", user="harry")

    assert [incident["title"] for incident in found.body["data"]] == ["Polyjuice brewed", "Something brewed"]
    assert [incident["title"] for incident in both.body["data"]] == ["Something brewed"]


async def test_pages(api: Api) -> None:
    await api.person("harry")
    for number in range(5):
        await api.report("harry", f"prank {number}")

    first = (await api.call("GET", "/api/incidents?limit=2", user="harry")).body
    last = (await api.call("GET", "/api/incidents?limit=2&page=3", user="harry")).body
    past = await api.call("GET", "/api/incidents?limit=2&page=1000000", user="harry")

    assert ([i["title"] for i in first["data"]], first["hasMore"], first["total"]) == (
        ["prank 4", "prank 3"],
        True,
        5,
    )
    assert ([i["title"] for i in last["data"]], last["hasMore"]) == (["prank 0"], False)
    assert (past.status, past.body["data"], past.body["total"], past.body["hasMore"]) == (200, [], 5, False)


async def test_totals_above_ten_thousand_say_so(api: Api) -> None:
    harry = await api.person("harry")
    await api.sql(
        "INSERT INTO incidents (title, location, reported_by) SELECT 'p', 'HOGWARTS', $1 FROM generate_series(1, 10001)",
        harry,
    )

    page = (await api.call("GET", "/api/incidents?limit=1", user="harry")).body

    assert (page["total"], page["totalExact"], page["hasMore"]) == (10_000, False, True)


async def test_a_wrong_query_names_its_parameter(api: Api) -> None:
    await api.person("harry")
    wrong = (
        "page=0 limit=101 limit=x sort=title order=up severity=HIGH status=open location=HOME reportedBy=1 "
        "dateFrom=today page=1&page=2 colour=red sort=relevance search=%00"
    )

    for query in wrong.split():
        reply = await api.call("GET", f"/api/incidents?{query}", user="harry")
        assert reply.status == 400, query
        assert reply.body["error"]["details"][0]["field"] == query.split("=")[0]


async def test_times_are_utc_with_milliseconds(api: Api) -> None:
    await api.person("harry")
    made = await api.report("harry")

    moment = datetime.fromisoformat(made["reportedAt"])
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)
    assert len(made["reportedAt"]) == len("2026-01-01T00:00:00.000Z")
    assert made["reportedAt"].endswith("Z")
