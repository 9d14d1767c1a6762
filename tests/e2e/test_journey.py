"""One user's way through a deployed service, in a real browser: the page, an account, an incident, and its frame.

What it makes stays: it is for staging.
"""

from __future__ import annotations

import json
import secrets
import zipfile

import pytest
from playwright.sync_api import Error
from tests.e2e.visit import TRACES, DocsPage, Visits


def test_an_incident_that_is_reported_on_the_page_arrives_in_a_websocket(visits: Visits) -> None:
    account = {
        "email": f"e2e-{secrets.token_hex(6)}@hogwarts.edu",
        "password": secrets.token_urlsafe(24),
    }
    incident = {
        "title": "A suit of armour sings in the Charms corridor",
        "description": "Off key, and only at night",
        "location": "HOGWARTS",
        "severity": "MISCHIEF",
    }
    complaints: list[str] = []
    with visits.open("journey") as page:
        page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        docs = DocsPage(page)
        page.goto("/api/docs")
        assert "The Marauder's Map" in page.locator(".info .title").inner_text()
        # when
        person = account | {"firstName": "Argus", "lastName": "Filch"}
        registered = docs.execute("auth-auth_register", "/api/auth/register", json.dumps(person))
        assert registered.status == 201, registered.text()
        signed_in = docs.execute("auth-auth_login", "/api/auth/login", json.dumps(account))
        assert signed_in.status == 200, signed_in.text()
        token = signed_in.json()["accessToken"]
        docs.authorize(token)
        docs.listen(token)
        docs.arrived("connection:acknowledged")
        created = docs.execute("incidents-incidents_create", "/api/incidents", json.dumps(incident))
        # then
        assert created.status == 201, created.text()
        docs.arrived("incident:created", created.json()["id"])
        assert complaints == []  # no policy violation, no missing file, no script error


def test_what_goes_wrong_leaves_a_trace(visits: Visits) -> None:
    kept = TRACES / "nothing-there.zip"

    def miss() -> None:
        with visits.open("nothing-there") as page:
            page.goto("/api/docs")
            page.locator("#no-such-button").click(timeout=1)

    # when
    with pytest.raises(Error, match="no-such-button"):
        miss()
    # then
    with zipfile.ZipFile(kept) as trace:
        assert {"trace.trace", "trace.network"} <= set(trace.namelist())
        assert b"/api/docs" in trace.read("trace.network")
    # and a visit in which all is well leaves none, not even the last one's
    with visits.open("nothing-there") as page:
        page.goto("/api/docs")
    assert not kept.exists()
