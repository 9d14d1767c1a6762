"""Registering, signing in, and what a token is worth."""

import json

import pytest
from tests.component.conftest import PASSWORD, Api

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
