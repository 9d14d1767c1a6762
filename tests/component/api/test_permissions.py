"""The permission matrix through HTTP: role by action by severity, on others' and on one's own incidents."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from tests.component.conftest import Api, Reply

ROLES = ("STUDENT", "PREFECT", "AUROR")
SEVERITIES = ("MISCHIEF", "SUSPICIOUS", "DANGEROUS", "UNFORGIVABLE")
SECRET = "Nagini seen near the lake"


@dataclass(frozen=True)
class Action:
    """A request about one incident, and the severities for which each role gets an answer that is not 403:
    first letters of the severities of others' incidents, then of one's own."""

    name: str
    method: str
    suffix: str
    body: Any
    success: int
    student: tuple[str, str]
    prefect: tuple[str, str]
    auror: tuple[str, str] = ("MSDU", "MSDU")


ACTIONS = (
    Action("view", "GET", "", None, 200, ("M", "MSDU"), ("MSD", "MSDU")),
    Action("history", "GET", "/history", None, 200, ("M", "MSDU"), ("MSD", "MSDU")),
    Action("read comments", "GET", "/comments", None, 200, ("M", "MSDU"), ("MSD", "MSDU")),
    Action("comment", "POST", "/comments", {"content": "x"}, 201, ("M", "MSDU"), ("MSD", "MSDU")),
    Action("edit", "PATCH", "", {"title": "new"}, 200, ("", "MSDU"), ("MSD", "MSDU")),
    Action("edit by PUT", "PUT", "", {"witnessCount": 3}, 200, ("", "MSDU"), ("MSD", "MSDU")),
    Action("raise to DANGEROUS", "PATCH", "", {"severity": "DANGEROUS"}, 200, ("", "D"), ("MSD", "MSD")),
    Action("raise to UNFORGIVABLE", "PATCH", "", {"severity": "UNFORGIVABLE"}, 200, ("", "U"), ("", "U")),
    Action("lower to MISCHIEF", "PATCH", "", {"severity": "MISCHIEF"}, 200, ("M", "M"), ("M", "M")),
    Action("begin work", "PATCH", "", {"status": "IN_PROGRESS"}, 200, ("", ""), ("MSD", "MSDU")),
    Action("resolve", "POST", "/resolve", None, 200, ("", ""), ("MSD", "MSDU")),
    Action("resolve by PATCH", "PATCH", "/resolve", {}, 200, ("", ""), ("MSD", "MSDU")),
    Action("delete", "DELETE", "", None, 204, ("", ""), ("", "")),
)


async def _fresh(api: Api, severity: str, reporter: str) -> int:
    rows = await api.sql(
        """INSERT INTO incidents (title, location, severity, reported_by)
           SELECT $1, 'HOGWARTS', $2, id FROM users WHERE email = $3 RETURNING id""",
        SECRET,
        SEVERITIES.index(severity) + 1,
        f"{reporter}@hogwarts.edu",
    )
    number: int = rows[0][0]
    return number


@pytest.mark.parametrize("role", ROLES)
async def test_role_by_action_by_severity(api: Api, role: str) -> None:
    await api.person("me", role)
    await api.person("other")

    wrong = []
    for action in ACTIONS:
        for whose, allowed in zip(("other", "me"), getattr(action, role.lower()), strict=True):
            for severity in SEVERITIES:
                number = await _fresh(api, severity, whose)
                reply = await api.call(
                    action.method, f"/api/incidents/{number}{action.suffix}", user="me", json=action.body
                )
                expected = action.success if severity[0] in allowed else 403
                if reply.status != expected:
                    wrong.append((action.name, whose, severity, reply.status, expected))
                if reply.status == 403:
                    text = json.dumps(reply.body)
                    assert SECRET not in text
                    assert severity not in text

    assert wrong == []


@pytest.mark.parametrize("role", ROLES)
async def test_reopening_and_archiving_by_role(api: Api, role: str) -> None:
    await api.person("me", role)
    await api.person("boss", "AUROR")
    closed = (await api.report("me"))["id"]
    await api.call("POST", f"/api/incidents/{closed}/resolve", user="boss")

    archived = await api.call("PATCH", f"/api/incidents/{closed}", user="me", json={"status": "ARCHIVED"})
    reopened = await api.call("POST", f"/api/incidents/{closed}/reopen", user="me")

    assert (archived.status, reopened.status) == {
        "STUDENT": (403, 403),
        "PREFECT": (403, 200),
        "AUROR": (200, 200),
    }[role]


async def test_the_order_of_refusal(api: Api) -> None:
    """429, 401, 400, 404, 403, 412, 409: who may not do a thing learns nothing about its version or state."""
    await api.person("student")
    await api.person("auror", "AUROR")
    number = (await api.report("auror", severity="MISCHIEF"))["id"]
    await api.call("POST", f"/api/incidents/{number}/resolve", user="auror")
    stale = {"If-Match": f'"{number}-1"'}
    path = f"/api/incidents/{number}"

    async def status(user: str | None, at: str, body: Any, headers: dict[str, str]) -> int:
        return (await api.call("PATCH", at, user=user, json=body, headers=headers)).status

    assert await status(None, "/api/incidents/nothing", {"title": 1}, stale) == 401
    assert await status("student", "/api/incidents/999999", {"title": 1}, stale) == 400
    assert await status("student", "/api/incidents/999999", {"title": "x"}, stale) == 404
    assert await status("student", path, {"title": "x"}, stale) == 403
    assert await status("auror", path, {"title": "x"}, stale) == 412
    assert await status("auror", path, {"title": "x"}, {}) == 409


async def test_nothing_about_hidden_or_deleted_incidents_leaks(api: Api) -> None:
    """Lists, counts, facets, autocomplete, history, comments: for each reader exactly what they may view."""
    for role in ROLES:
        await api.person(role.lower(), role)
    await api.person("reporter")
    made = {severity: await _fresh(api, severity, "reporter") for severity in SEVERITIES}
    gone = await _fresh(api, "MISCHIEF", "reporter")
    await api.call("DELETE", f"/api/incidents/{gone}", user="auror")
    seen = {"student": 1, "prefect": 3, "auror": 4, "reporter": 4}

    async def get(name: str, path: str) -> Reply:
        return await api.call("GET", path, user=name)

    for name, many in seen.items():
        expected = {made[severity] for severity in SEVERITIES[:many]}
        listed = (await get(name, "/api/incidents")).body
        assert ({i["id"] for i in listed["data"]}, listed["total"]) == (expected, many), name
        found = (await get(name, "/api/incidents?search=nagini")).body
        assert ({i["id"] for i in found["data"]}, found["total"]) == (expected, many), name
        for severity in SEVERITIES:
            one = (await get(name, f"/api/incidents?severity={severity}")).body
            assert one["total"] == (made[severity] in expected), (name, severity)
        facets = (await get(name, "/api/incidents/search/facets?search=nagini")).body
        assert facets["total"] == many, name
        assert [facets["severity"][s] for s in SEVERITIES] == [1] * many + [0] * (4 - many), name
        suggested = (await get(name, "/api/incidents/autocomplete?q=nag")).body["data"]
        assert {s["id"] for s in suggested} <= expected, name
        for path in ("", "/history", "/comments"):
            for severity in SEVERITIES:
                status = (await get(name, f"/api/incidents/{made[severity]}{path}")).status
                assert status == (200 if made[severity] in expected else 403), (name, severity, path)
            assert (await get(name, f"/api/incidents/{gone}{path}")).status == 404, (name, path)


async def test_severities_that_a_role_cannot_see_can_still_be_asked_for(api: Api) -> None:
    """A filter that mixes visible and hidden severities shows the visible ones, and one's own."""
    await api.person("me")
    await api.person("other")
    mine = await _fresh(api, "DANGEROUS", "me")
    open_to_all = await _fresh(api, "MISCHIEF", "other")
    await _fresh(api, "DANGEROUS", "other")

    mixed = (await api.call("GET", "/api/incidents?severity=MISCHIEF,DANGEROUS", user="me")).body
    hidden = (await api.call("GET", "/api/incidents?severity=DANGEROUS,UNFORGIVABLE", user="me")).body

    assert {i["id"] for i in mixed["data"]} == {mine, open_to_all}
    assert [i["id"] for i in hidden["data"]] == [mine]
