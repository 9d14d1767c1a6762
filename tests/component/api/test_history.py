"""A history gives nobody what its reader could not have seen at the time."""

import json

from tests.component.conftest import Api


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
