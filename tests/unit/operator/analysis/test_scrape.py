"""Real HTTP servers on loopback that behave like pods, good ones and bad ones."""

import asyncio
import contextlib
import gzip
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from tests.unit.operator.analysis.test_exposition import App

from maraudersmap_operator.cluster.exposition import Reading
from maraudersmap_operator.cluster.scrape import AT_ONCE, MAX_BYTES, Target, metrics_url, scrape
from maraudersmap_operator.resource.status_analysis import Tally

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
HERE = "127.0.0.1"
# For answers that must arrive on a busy machine; the operator itself waits for one second.
PATIENCE = 30.0


@contextlib.asynccontextmanager
async def serving(handler: Handler, host: str = HERE, port: int = 0) -> AsyncIterator[int]:
    """A server that answers everything with `handler`; its port."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def app_text(requests: int) -> str:
    app = App()
    app.answer("/api/incidents", times=requests)
    return app.text


async def scraped(handler: Handler, seconds: float = PATIENCE) -> Reading | None:
    async with serving(handler) as port:
        return (await scrape([Target("a", HERE)], port, seconds=seconds))["a"]


async def test_a_pod_tells_what_it_has_answered() -> None:
    async def pod(request: web.Request) -> web.Response:
        assert request.path == "/metrics"
        return web.Response(text=app_text(4))

    found = await scraped(pod)
    assert found is not None
    assert (found.tally.requests, found.tally.timed) == (4, 4)


async def test_what_a_bad_pod_says_is_no_data() -> None:
    async def broken(_: web.Request) -> web.Response:
        return web.Response(status=500, text=app_text(4))

    async def garbage(_: web.Request) -> web.Response:
        return web.Response(text="http_requests_total{{{ 1")

    async def binary(_: web.Request) -> web.Response:
        return web.Response(body=b"http_requests_total \xff\xfe\x00")

    async def elsewhere(request: web.Request) -> web.Response:
        if request.path == "/metrics":
            raise web.HTTPFound("/other")
        return web.Response(text=app_text(4))

    async def packed(_: web.Request) -> web.Response:
        body = gzip.compress(b"http_requests_total 1\n" * 1_000_000)
        return web.Response(body=body, headers={"Content-Encoding": "gzip"})

    for pod in (broken, garbage, binary, elsewhere):
        assert await scraped(pod) is None
    # A bomb is not unpacked; what is left are bytes without any line of ours.
    assert await scraped(packed) == Reading(Tally(), frozenset())


async def test_an_endless_answer_is_cut_off() -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(b"# nothing\n" * 10_000)
                sent += 100_000
        return response

    assert await scraped(endless) is None
    assert sent < 20 * MAX_BYTES


async def test_a_slow_pod_costs_the_time_limit_and_no_more() -> None:
    released = asyncio.Event()

    async def slow(_: web.Request) -> web.Response:
        await released.wait()
        return web.Response()

    async with serving(slow) as port:
        started = time.monotonic()
        assert await scrape([Target("a", HERE)], port, seconds=0.2) == {"a": None}
        assert 0.1 < time.monotonic() - started < PATIENCE
        released.set()


async def test_a_pod_that_is_gone_is_no_data_and_does_not_hide_the_others() -> None:
    async def pod(_: web.Request) -> web.Response:
        return web.Response(text=app_text(4))

    async with serving(pod) as port:
        targets = [Target("a", HERE), Target("b", "127.0.0.2"), Target("c", ""), Target("d", "no address")]
        found = await scrape(targets, port, seconds=PATIENCE)
    assert {uid: tally is not None for uid, tally in found.items()} == {
        "a": True,
        "b": False,
        "c": False,
        "d": False,
    }
    assert await scrape([], port) == {}


async def test_only_a_few_pods_are_asked_at_once() -> None:
    asked = most = 0
    together = asyncio.Event()

    async def pod(_: web.Request) -> web.Response:
        nonlocal asked, most
        asked += 1
        most = max(most, asked)
        if asked == AT_ONCE:
            together.set()
        async with asyncio.timeout(PATIENCE):
            await together.wait()
        asked -= 1
        return web.Response(text=app_text(1))

    async with serving(pod) as port:
        found = await scrape([Target(str(i), HERE) for i in range(25)], port, seconds=PATIENCE)
    assert all(found.values())
    assert most == AT_ONCE


@pytest.mark.parametrize(
    ("ip", "url"),
    [
        ("10.1.2.3", "http://10.1.2.3:4001/metrics"),
        ("fd00:10:244::5", "http://[fd00:10:244::5]:4001/metrics"),
    ],
)
def test_addresses_of_both_families(ip: str, url: str) -> None:
    assert str(metrics_url(ip, 4001, "/metrics")) == url
