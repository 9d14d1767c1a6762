"""Behind two proxies, as with Cloudflare before an ingress controller: each visitor is counted by their own address."""

from __future__ import annotations

import aiohttp
import pytest
from dev.local_nginx import two_proxies
from tests.component.conftest import readiness, running_api

ALLOWED = 3


async def asks(proxies: str, source: str, **headers: str) -> int:
    """The status of one visitor's request, who comes from an address of 127.0.0.0/8."""
    connector = aiohttp.TCPConnector(local_addr=(source, 0))
    async with (
        aiohttp.ClientSession(proxies, connector=connector) as http,
        http.get("/api/nothing", headers=headers) as answer,
    ):
        return answer.status


@pytest.mark.parametrize(("counted", "own"), [("2", True), ("1", False)])
async def test_visitors_have_an_allowance_each(database: str, counted: str, own: bool) -> None:
    """Where both proxies are counted. With one of them, all visitors are one: Cloudflare."""
    async with running_api(database, RATE_LIMIT_ANONYMOUS=str(ALLOWED), TRUSTED_PROXIES=counted) as api:
        await readiness(api, 200)
        with two_proxies(str(api.http._base_url).rstrip("/")) as proxies:
            first = [await asks(proxies, "127.0.0.2") for _ in range(ALLOWED + 1)]
            assert first == [404] * ALLOWED + [429]
            assert (await asks(proxies, "127.0.0.3") == 404) is own


async def test_a_visitor_who_writes_the_header_gains_nothing(database: str) -> None:
    async with running_api(database, RATE_LIMIT_ANONYMOUS=str(ALLOWED), TRUSTED_PROXIES="2") as api:
        await readiness(api, 200)
        with two_proxies(str(api.http._base_url).rstrip("/")) as proxies:
            written = [
                await asks(proxies, "127.0.0.2", **{"X-Forwarded-For": f"203.0.113.{number}"})
                for number in range(ALLOWED + 1)
            ]
            assert written == [404] * ALLOWED + [429]
