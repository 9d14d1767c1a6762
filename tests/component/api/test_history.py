"""A history gives nobody what its reader could not have seen at the time."""

import json
from typing import Any

import pytest
from tests.component.conftest import Api

from maraudersmap_api.comments import repository as comments
from maraudersmap_api.incidents import repository as incidents


async def history(api: Api, number: int, user: str) -> list[dict[str, object]]:
    body = (await api.call("GET", f"/api/incidents/{number}/history?limit=100", user=user)).body
    assert body["total"] == len(body["data"])
    entries: list[dict[str, object]] = body["data"]
    return entries


async def test_lowering_a_redacted_incident_does_not_undo_the_redaction(api: Api) -> None:
    for name, role in (("moody", "AUROR"), ("prefect", "PREFECT"), ("luna", "STUDENT"), ("harry", "STUDENT")):
        await api.person(name, role)
    number = (await api.report("harry", "Snape is a spy"))["id"]
    path = f"/api/incidents/{number}"
    for change in (
        {"severity": "UNFORGIVABLE"},
        {"title": "Snape is a double agent"},
        {"title": "Redacted", "severity": "DANGEROUS"},
        {"description": "Something was said."},
        {"severity": "MISCHIEF", "witnessCount": 2},
        {"witnessCount": 3},
    ):
        assert (await api.call("PATCH", path, user="moody", json=change)).status == 200

    seen = {name: await history(api, number, name) for name in ("luna", "prefect", "harry", "moody")}

    # while it was MISCHIEF at first, and from its lowering on
    shown = [(entry["field"], entry["oldValue"], entry["newValue"]) for entry in seen["luna"]]
    assert shown == [
        ("status", None, "OPEN"),
        ("severity", None, "MISCHIEF"),
        ("witnessCount", None, 2),
        ("severity", None, "MISCHIEF"),
        ("witnessCount", 2, 3),
    ]
    titles = [(e["oldValue"], e["newValue"]) for e in seen["prefect"] if e["field"] == "title"]
    assert titles == [(None, "Redacted")]
    assert "agent" not in json.dumps(seen["luna"]) + json.dumps(seen["prefect"])
    assert seen["moody"] == seen["harry"], "one's own report stays visible"
    assert len(seen["moody"]) == 10


async def test_pages_count_only_what_is_shown(api: Api) -> None:
    await api.person("moody", "AUROR")
    await api.person("luna")
    number = (await api.report("moody", severity="DANGEROUS"))["id"]
    for count in range(5):
        await api.call("PATCH", f"/api/incidents/{number}", user="moody", json={"witnessCount": count + 1})
    await api.call("PATCH", f"/api/incidents/{number}", user="moody", json={"severity": "MISCHIEF"})

    page = (await api.call("GET", f"/api/incidents/{number}/history?limit=1", user="luna")).body

    assert (page["total"], page["hasMore"]) == (1, False)
    assert [(entry["field"], entry["oldValue"]) for entry in page["data"]] == [("severity", None)]


async def test_changes_that_begin_in_one_millisecond_are_not_taken_for_one(api: Api) -> None:
    """As of two requests in parallel with one request id: the first wrote what the second redacts."""
    await api.person("moody", "AUROR")
    await api.person("luna")
    number = (await api.report("moody", "Old title", severity="DANGEROUS"))["id"]
    for change in ({"title": "SECRET name"}, {"title": "Redacted", "severity": "MISCHIEF"}):
        path, headers = f"/api/incidents/{number}", {"X-Request-ID": "of-both"}
        assert (await api.call("PATCH", path, user="moody", json=change, headers=headers)).status == 200
    await api.sql("UPDATE incident_history SET changed_at = now() WHERE request_id = 'of-both'")

    shown = [
        (entry["field"], entry["oldValue"], entry["newValue"]) for entry in await history(api, number, "luna")
    ]

    assert shown == [("title", None, "Redacted"), ("severity", None, "MISCHIEF")]


@pytest.mark.parametrize("forgotten", ["false", "true"])
async def test_entries_of_one_change_belong_together(api: Api, forgotten: str) -> None:
    """Text that came with a higher severity is of that one, though its entry is older. `forgotten`: as of older releases."""
    await api.person("moody", "AUROR")
    await api.person("luna")
    number = (await api.report("moody", "A prank"))["id"]
    for change in ({"title": "SECRET name", "severity": "DANGEROUS"}, {"severity": "MISCHIEF"}):
        reply = await api.call("PATCH", f"/api/incidents/{number}", user="moody", json=change)
        assert reply.status == 200
    await api.sql(f"UPDATE incident_history SET xid = NULL WHERE {forgotten}")  # noqa: S608 - constant text

    shown = [
        (entry["field"], entry["oldValue"], entry["newValue"]) for entry in await history(api, number, "luna")
    ]

    assert shown == [("status", None, "OPEN"), ("severity", None, "MISCHIEF"), ("severity", None, "MISCHIEF")]


async def test_what_is_hidden_while_somebody_looks_is_not_shown(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An Auror raises it, and writes of what they know, right after the reader was let in."""
    await api.person("moody", "AUROR")
    await api.person("luna")
    number = (await api.report("moody", "A prank"))["id"]
    path = f"/api/incidents/{number}"
    changes = {"severity": "UNFORGIVABLE", "title": "Snape is a double agent"}

    def interrupted(look: Any) -> Any:
        async def raised_first(*args: Any, **options: Any) -> Any:
            assert (await api.call("PATCH", path, user="moody", json=changes)).status == 200
            written = await api.call(
                "POST", f"{path}/comments", user="moody", json={"content": "It is Snape"}
            )
            assert written.status == 201
            return await look(*args, **options)

        return raised_first

    for module, name, what in ((incidents, "history", "history"), (comments, "page", "comments")):
        await api.sql("UPDATE incidents SET severity = 1, title = 'A prank'")
        with monkeypatch.context() as patch:
            patch.setattr(module, name, interrupted(getattr(module, name)))
            shown = await api.call("GET", f"{path}/{what}", user="luna")
        assert (shown.status, shown.body["data"], shown.body["total"]) == (200, [], 0)
        assert (await api.call("GET", f"{path}/{what}", user="luna")).status == 403
