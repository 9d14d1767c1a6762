"""Registering, signing in, and what a token is worth."""

import asyncio
import json
from typing import Any

import pytest
from tests.component.conftest import PASSWORD, Api, Reply, environment, readiness, run, running_api

from maraudersmap_api.auth.tokens import key_id

HARRY = {"email": "Harry@Hogwarts.edu", "password": PASSWORD, "firstName": "Harry", "lastName": "Potter"}


async def test_register_sign_in_and_me(api: Api) -> None:
    registered = await api.call("POST", "/api/auth/register", json=HARRY)
    session = await api.call(
        "POST", "/api/auth/login", json={"email": " HARRY@hogwarts.edu", "password": PASSWORD}
    )
    api.tokens["harry"] = session.body["accessToken"]
    me = await api.call("GET", "/api/auth/me", user="harry")

    assert registered.status == 201
    assert registered.body["user"]["email"] == "harry@hogwarts.edu"
    assert (registered.body["user"]["role"], registered.body["user"]["house"]) == ("STUDENT", None)
    assert set(session.body) == {"user", "accessToken", "refreshToken"}
    assert session.body["user"]["lastLoginAt"] is not None
    assert me.body["user"]["id"] == registered.body["user"]["id"]
    for reply in (registered, session, me):
        assert reply.headers["Cache-Control"] == "no-store"
        assert "argon2" not in json.dumps(reply.body)


async def test_passwords_and_refresh_tokens_are_stored_as_hashes_only(api: Api) -> None:
    await api.call("POST", "/api/auth/register", json=HARRY)
    session = await api.call("POST", "/api/auth/login", json={"email": HARRY["email"], "password": PASSWORD})

    (stored,) = await api.sql("SELECT password_hash FROM users")
    (refresh,) = await api.sql("SELECT token_hash FROM refresh_tokens")
    assert stored[0].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert session.body["refreshToken"].encode() not in refresh[0]
    assert len(refresh[0]) == 32


async def test_an_address_can_be_taken_once(api: Api) -> None:
    await api.call("POST", "/api/auth/register", json=HARRY)
    again = await api.call("POST", "/api/auth/register", json={**HARRY, "email": "harry@hogwarts.edu"})

    assert (again.status, again.body["error"]["code"]) == (409, "CONFLICT")


async def test_a_wrong_password_and_an_unknown_address_look_alike(api: Api) -> None:
    await api.call("POST", "/api/auth/register", json=HARRY)

    wrong = await api.call("POST", "/api/auth/login", json={"email": HARRY["email"], "password": "mischief"})
    unknown = await api.call(
        "POST", "/api/auth/login", json={"email": "tom@hogwarts.edu", "password": "mischief"}
    )

    assert wrong.status == unknown.status == 401
    assert wrong.body["error"] == unknown.body["error"]
    assert wrong.headers["WWW-Authenticate"].startswith("Bearer")


async def test_without_a_good_token_nothing_is_shown(api: Api) -> None:
    places = (
        ("GET", "/api/auth/me"),
        ("GET", "/api/incidents"),
        ("POST", "/api/incidents"),
        ("GET", "/api/incidents/1"),
    )
    for method, path in places:
        for header in ("", "Bearer", "Bearer x.y.z", "Basic aGFycnk6cG90dGVy", "nonsense"):
            reply = await api.call(method, path, headers={"Authorization": header} if header else None)
            assert (reply.status, reply.body["error"]["code"]) == (401, "UNAUTHORIZED"), (
                method,
                path,
                header,
            )


async def test_a_401_comes_before_a_400(api: Api) -> None:
    assert (await api.call("POST", "/api/incidents", json={"nonsense": True})).status == 401
    assert (await api.call("GET", "/api/incidents/12abc")).status == 401


@pytest.mark.parametrize(
    "change", ["is_active = false", "token_version = token_version + 1"], ids=["deactivated", "tokens ended"]
)
async def test_a_session_ends_once_the_cached_user_is_old(api: Api, change: str) -> None:
    user_id = await api.person("harry")
    assert (await api.call("GET", "/api/auth/me", user="harry")).status == 200
    await api.sql(f"UPDATE users SET {change} WHERE id = $1", user_id)  # noqa: S608 - from the list above

    api.forget_users()

    assert (await api.call("GET", "/api/auth/me", user="harry")).status == 401


async def test_a_role_counts_for_the_tokens_that_exist(api: Api) -> None:
    user_id = await api.person("harry")
    await api.person("auror", "AUROR")
    made = await api.report("auror", severity="UNFORGIVABLE")
    assert (await api.call("GET", f"/api/incidents/{made['id']}", user="harry")).status == 403
    await api.sql("UPDATE users SET role = 'AUROR' WHERE id = $1", user_id)

    api.forget_users()

    assert (await api.call("GET", f"/api/incidents/{made['id']}", user="harry")).status == 200


async def sign_in(api: Api, name: str = "harry", password: str = PASSWORD) -> dict[str, Any]:
    reply = await api.call(
        "POST", "/api/auth/login", json={"email": f"{name}@hogwarts.edu", "password": password}
    )
    assert reply.status == 200, reply.body
    body: dict[str, Any] = reply.body
    return body


async def refresh(api: Api, token: str) -> Reply:
    return await api.call("POST", "/api/auth/refresh", json={"refreshToken": token})


async def test_a_refresh_token_works_once_and_its_successor_then(api: Api) -> None:
    await api.person("harry")
    first = await sign_in(api)

    second = await refresh(api, first["refreshToken"])
    third = await refresh(api, second.body["refreshToken"])

    assert (second.status, third.status) == (200, 200)
    assert len({first["refreshToken"], second.body["refreshToken"], third.body["refreshToken"]}) == 3
    api.tokens["harry"] = third.body["accessToken"]
    assert (await api.call("GET", "/api/auth/me", user="harry")).status == 200
    assert third.headers["Cache-Control"] == "no-store"


async def test_reuse_ends_the_whole_family_and_the_access_tokens_but_no_other_session(api: Api) -> None:
    await api.person("harry")
    first, elsewhere = await sign_in(api), await sign_in(api)
    second = (await refresh(api, first["refreshToken"])).body

    stolen = await refresh(api, first["refreshToken"])

    assert (stolen.status, stolen.body["error"]["code"]) == (401, "UNAUTHORIZED")
    assert (await refresh(api, second["refreshToken"])).status == 401
    api.tokens["harry"] = second["accessToken"]
    assert (await api.call("GET", "/api/auth/me", user="harry")).status == 401
    # the thief cannot lock the user out for ever: the old token has no further effect
    again = (await refresh(api, elsewhere["refreshToken"])).body
    assert (await refresh(api, first["refreshToken"])).status == 401
    api.tokens["harry"] = again["accessToken"]
    assert (await api.call("GET", "/api/auth/me", user="harry")).status == 200


@pytest.mark.usefixtures("unhurried")
async def test_of_many_at_once_with_one_token_one_wins_and_the_family_ends(api: Api) -> None:
    await api.person("harry")
    session = await sign_in(api)

    replies = await asyncio.gather(*(refresh(api, session["refreshToken"]) for _ in range(12)))

    assert sorted(reply.status for reply in replies) == [200, *[401] * 11]
    winner = next(reply for reply in replies if reply.status == 200)
    assert (await refresh(api, winner.body["refreshToken"])).status == 401
    (live,) = await api.sql("SELECT count(*) FROM refresh_tokens WHERE revoked_at IS NULL")
    assert live[0] == 1  # that of `person`'s own sign-in


async def test_a_refresh_counts_to_its_user_and_nonsense_to_the_address(database: str) -> None:
    async with running_api(database, RATE_LIMIT_ANONYMOUS="6", RATE_LIMIT_AUTHENTICATED="40") as api:
        await readiness(api, 200)
        await api.person("harry")  # two
        session = await sign_in(api)
        good = await refresh(api, session["refreshToken"])
        bad = await refresh(api, "nonsense")

        assert (good.headers["X-RateLimit-Limit"], good.headers["X-RateLimit-Remaining"]) == ("40", "39")
        assert (bad.status, bad.headers["X-RateLimit-Limit"]) == (401, "6")


async def test_signing_out_ends_the_session_and_may_be_repeated(api: Api) -> None:
    await api.person("harry")
    session = await sign_in(api)
    body = {"refreshToken": session["refreshToken"]}

    outs = [await api.call("POST", "/api/auth/logout", json=body) for _ in range(2)]
    unknown = await api.call("POST", "/api/auth/logout", json={"refreshToken": "nonsense"})

    assert [reply.status for reply in (*outs, unknown)] == [204, 204, 204]
    assert (await refresh(api, session["refreshToken"])).status == 401


async def test_another_password_ends_every_other_session(api: Api) -> None:
    await api.person("harry")
    elsewhere = await sign_in(api)
    wrong = await api.call(
        "PUT",
        "/api/auth/change-password",
        user="harry",
        json={"currentPassword": "mischief", "newPassword": "managed it"},
    )
    changed = await api.call(
        "PUT",
        "/api/auth/change-password",
        user="harry",
        json={"currentPassword": PASSWORD, "newPassword": "managed it"},
    )

    assert (wrong.status, wrong.body["error"]["details"][0]["field"]) == (400, "currentPassword")
    assert changed.status == 200
    assert (await api.call("GET", "/api/auth/me", user="harry")).status == 401
    assert (await refresh(api, elsewhere["refreshToken"])).status == 401
    api.tokens["harry"] = changed.body["accessToken"]
    assert (await api.call("GET", "/api/auth/me", user="harry")).status == 200
    await sign_in(api, password="managed it")


async def test_guesses_are_throttled_even_all_at_once_and_unknown_names_alike(api: Api) -> None:
    await api.person("harry")

    async def guess(name: str) -> int:
        body = {"email": f"{name}@hogwarts.edu", "password": "alohomora"}
        return (await api.call("POST", "/api/auth/login", json=body)).status

    for name in ("harry", "nobody"):
        statuses = await asyncio.gather(*(guess(name) for _ in range(12)))
        assert sorted(statuses) == [*[401] * 5, *[429] * 7]
    right = await api.call(
        "POST", "/api/auth/login", json={"email": "harry@hogwarts.edu", "password": PASSWORD}
    )
    assert (right.status, right.body["error"]["code"]) == (429, "RATE_LIMITED")
    assert 0 < int(right.headers["Retry-After"]) <= 901


async def test_a_deactivated_user_cannot_refresh_and_a_changed_role_needs_a_new_token(api: Api) -> None:
    await api.person("harry")
    session = await sign_in(api)
    environ = environment(api.database_url)

    assert (await run("set-role --email harry@hogwarts.edu --role AUROR", environ))[0] == 0
    api.forget_users()
    assert (await api.call("GET", "/api/auth/me", user="harry")).status == 401
    renewed = (await refresh(api, session["refreshToken"])).body
    assert renewed["user"]["role"] == "AUROR"

    code, out, _ = await run("deactivate --email harry@hogwarts.edu", environ)
    assert (code, "deactivated harry@hogwarts.edu" in out) == (0, True)
    assert (await refresh(api, renewed["refreshToken"])).status == 401
    missing = await run("deactivate --email nobody@hogwarts.edu", environ)
    assert (missing[0], "no account" in missing[2]) == (1, True)


async def test_a_key_comes_with_its_name() -> None:
    code, out, err = await run("generate-jwt-key", {})

    assert code == 0
    assert len(out.strip()) >= 43
    assert key_id(out.strip()) in err
