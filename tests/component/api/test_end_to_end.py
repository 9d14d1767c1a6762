"""What a pipeline asks a deployed service holds for this one, and a service that is not well does not pass."""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from dev.end_to_end import Unexpected, check, smoke
from tests.component.conftest import Api


async def test_a_user_s_way_through_the_service_and_reading_only(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    url = str(api.http._base_url)
    # when
    await check(url, only_read=True)
    # then nothing was made
    assert "POST" not in capsys.readouterr().out
    # and
    await check(url, only_read=False)
    assert "ok  WebSocket: incident:created" in capsys.readouterr().out


async def test_a_service_that_lets_strangers_read_does_not_pass() -> None:
    # given
    async def everything(_: web.Request) -> web.Response:
        return web.json_response({"data": []})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", everything)
    async with TestServer(app) as server, aiohttp.ClientSession(server.make_url("/")) as http:
        # when
        with pytest.raises(Unexpected) as found:
            await smoke(http)
    # then
    assert "/api/incidents: 200, not 401" in str(found.value)
