"""When sessions end, they all do: also one that is being continued, or opened, in that very moment."""

import argparse
import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from tests.component.conftest import JWT_SECRET, PASSWORD, Api, Reply, environment, until

from maraudersmap_api import commands
from maraudersmap_api.auth import repository
from maraudersmap_api.auth.tokens import RefreshTokens

pytestmark = pytest.mark.usefixtures("unhurried")

HARRY = "harry@hogwarts.edu"
ANOTHER = "mischief managed"


@pytest.fixture(autouse=True)
def _logs_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands run in this process and must not take its logs."""
    monkeypatch.setattr(commands, "configure_logs", lambda *_: None)


@dataclass
class Gate:
    """Where a repository's function is held up, on the side that is asked for."""

    monkeypatch: pytest.MonkeyPatch
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    def hold(self, name: str, *, after: bool) -> None:
        """From now on, its next call waits until the gate is open."""
        function = getattr(repository, name)

        async def held(*arguments: Any) -> Any:
            self.monkeypatch.setattr(repository, name, function)
            result = await function(*arguments) if after else None
            self.reached.set()
            await self.open.wait()
            return result if after else await function(*arguments)

        self.monkeypatch.setattr(repository, name, held)


async def sign_in(api: Api, password: str = PASSWORD) -> Reply:
    return await api.call("POST", "/api/auth/login", json={"email": HARRY, "password": password})


async def refresh(api: Api, token: str) -> Reply:
    return await api.call("POST", "/api/auth/refresh", json={"refreshToken": token})


async def sign_out(api: Api, first: str) -> None:
    assert (await api.call("POST", "/api/auth/logout", json={"refreshToken": first})).status == 204


async def use_again(api: Api, first: str) -> None:
    assert (await refresh(api, first)).status == 401


async def change_password(api: Api, _first: str) -> None:
    body = {"currentPassword": PASSWORD, "newPassword": ANOTHER}
    assert (await api.call("PUT", "/api/auth/change-password", user="harry", json=body)).status == 200


async def deactivate(api: Api, _first: str) -> None:
    await _set_active(api, active=False)


async def deactivate_and_activate(api: Api, first: str) -> None:
    """What was ended stays so."""
    await deactivate(api, first)
    await _set_active(api, active=True)


async def _set_active(api: Api, *, active: bool) -> None:
    arguments = argparse.Namespace(email=HARRY)
    assert await commands.set_active(environment(api.database_url), arguments, active=active) == 0


End = Callable[[Api, str], Coroutine[Any, Any, None]]


@pytest.mark.parametrize("end", [sign_out, use_again, change_password, deactivate_and_activate])
async def test_a_refresh_that_is_on_its_way_does_not_outlive_its_session(
    api: Api, monkeypatch: pytest.MonkeyPatch, end: End
) -> None:
    """A thief refreshes while the owner ends it: the successor is stored, and not yet committed."""
    await api.person("harry")
    first = (await sign_in(api)).body["refreshToken"]
    second = (await refresh(api, first)).body["refreshToken"]
    gate = Gate(monkeypatch)
    gate.hold("replace_token", after=True)

    stealing = asyncio.create_task(refresh(api, second))
    await gate.reached.wait()
    ending = asyncio.create_task(end(api, first))
    await until(lambda: _waits_for_a_lock(api))
    gate.open.set()
    stolen, _ = await asyncio.gather(stealing, ending)

    assert stolen.status == 200, "it was the first"
    assert (await refresh(api, stolen.body["refreshToken"])).status == 401
    if end is not sign_out:  # which ends no access token
        api.forget_users()
        api.tokens["thief"] = stolen.body["accessToken"]
        assert (await api.call("GET", "/api/auth/me", user="thief")).status == 401


@pytest.mark.parametrize("end", [change_password, deactivate])
async def test_a_login_that_was_verified_before_opens_nothing_afterwards(
    api: Api, monkeypatch: pytest.MonkeyPatch, end: End
) -> None:
    await api.person("harry")
    gate = Gate(monkeypatch)
    gate.hold("record_login", after=False)

    stealing = asyncio.create_task(sign_in(api))
    await gate.reached.wait()
    await end(api, "")
    gate.open.set()

    refused = await stealing
    assert refused.status == 401
    assert refused.body["error"]["message"] == "E-mail address or password is wrong"


async def test_a_login_that_is_being_stored_ends_with_the_others(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its statement holds the account until it is committed, so a change of the password waits for it."""
    await api.person("harry")
    connection = await asyncpg.connect(api.database_url)
    async with connection.transaction():
        user_id, password_hash = await connection.fetchrow("SELECT id, password_hash FROM users")
        token, token_hash = RefreshTokens(JWT_SECRET).issue(user_id)
        expires_at = datetime.now(UTC) + timedelta(days=1)
        await repository.record_login(connection, user_id, password_hash, token_hash, uuid4(), expires_at)
        ending = asyncio.create_task(change_password(api, ""))
        await until(lambda: _waits_for_a_lock(api))
    await connection.close()
    await ending

    assert (await refresh(api, token)).status == 401


async def _waits_for_a_lock(api: Api) -> bool:
    return bool(
        await api.sql(
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
    )
