"""Demonstration data: as the API would have written it, the same for the same seed."""

from tests.component.conftest import Api, environment, run


async def test_it_fills_a_database_that_the_api_can_use(api: Api) -> None:
    code, out, err = await run("demo-data --incidents 12000", environment(api.database_url))

    assert (code, "12,000 incidents" in out) == (0, True), err
    assert "12,000 of 12,000" in err
    session = await api.call(
        "POST",
        "/api/auth/login",
        json={"email": "demo.auror1@hogwarts.edu", "password": "mischief managed"},
    )
    api.tokens["auror"] = session.body["accessToken"]
    listed = await api.call("GET", "/api/incidents?limit=100", user="auror")
    assert (listed.body["total"], listed.body["totalExact"], len(listed.body["data"])) == (10_000, False, 100)
    (history,) = await api.sql("SELECT count(*) FROM incident_history")
    assert history[0] == 24_000
    again = await run("demo-data --incidents 10", environment(api.database_url))
    assert again[0] == 0


async def test_it_keeps_out_of_databases_that_somebody_uses(api: Api) -> None:
    await api.person("harry")
    code, _, err = await run("demo-data", environment(api.database_url))

    assert (code, "users of its own" in err) == (1, True)
    assert (await run("demo-data --incidents 0", environment(api.database_url)))[0] == 1
