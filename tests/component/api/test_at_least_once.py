"""No event is lost in silence: three real processes, killed, cut off and with a frozen Redis between them."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from dev.local_services import LocalRedis, local_redis
from tests.component.api.sockets import Client, connected
from tests.component.conftest import Api
from tests.component.partition import Link, link_to
from tests.component.pods import Pod, pod

LONG = [0.0, pytest.param(40.0, marks=pytest.mark.extended)]
"""Seconds; no time at all still means an event through each pod. The longer one is past every time-out of a connection."""


@pytest.fixture
def own_redis() -> Iterator[LocalRedis]:
    """A server that a test may freeze."""
    with local_redis() as server:
        yield server


@asynccontextmanager
async def three(
    database: str, redis: LocalRedis
) -> AsyncIterator[tuple[list[Pod], list[Link], list[Client]]]:
    """Three pods, each with a link of its own to Redis and a socket of an Auror, all hearing each other."""
    async with AsyncExitStack() as stack:
        links = [await stack.enter_async_context(link_to(redis)) for _ in range(3)]
        pods = [await stack.enter_async_context(pod(database, REDIS_URL=link.url)) for link in links]
        await pods[0].api.person("moody", "AUROR")
        for other in pods[1:]:
            other.api.tokens = pods[0].api.tokens
        clients = [await stack.enter_async_context(connected(each.api, "moody")) for each in pods]
        for number, each in enumerate(pods):
            await heard_by(clients, each.api, f"hello {number}")
        yield pods, links, clients


async def heard_by(clients: list[Client], api: Api, title: str) -> None:
    """Report through one pod; all these sockets hear of it."""
    made = (await api.report("moody", title))["id"]
    await asyncio.gather(
        *(client.expect("incident:created", lambda f: f["data"]["id"] == made) for client in clients)
    )


async def keep_hearing(pods: list[Pod], clients: list[Client], seconds: float) -> None:
    """One report after the other through each pod in turn, for so long; all these sockets hear of each."""
    clock = asyncio.get_running_loop().time
    ends, number = clock() + seconds, 0
    while number < len(pods) or clock() < ends:
        await heard_by(clients, pods[number % len(pods)].api, f"meanwhile {number}")
        number += 1


async def test_what_a_process_stored_before_it_was_killed_is_delivered_by_the_others(
    database: str, own_redis: LocalRedis
) -> None:
    async with three(database, own_redis) as (pods, links, clients):
        # given: what it publishes does not arrive
        links[0].loses_requests = True
        # when: it has committed and answered, and dies before anything was published
        made = (await pods[0].api.report("moody", "last words"))["id"]
        pods[0].kill()
        # then
        for client in clients[1:]:
            frame = await client.expect("incident:created", lambda f: f["data"]["id"] == made)
            assert frame["data"]["title"] == "last words"
        await heard_by(clients[1:], pods[1].api, "afterwards")


@pytest.mark.parametrize("seconds", LONG)
async def test_a_frozen_redis_delays_events_by_less_than_it_is_frozen(
    database: str, own_redis: LocalRedis, seconds: float
) -> None:
    """All is delivered while nothing of Redis moves, from the first moment to the last."""
    async with three(database, own_redis) as (pods, _, clients):
        await asyncio.to_thread(own_redis.pause)
        try:
            await keep_hearing(pods, clients, seconds)
        finally:
            await asyncio.to_thread(own_redis.resume)
        for number, each in enumerate(pods):
            await heard_by(clients, each.api, f"again {number}")
        for client in clients:
            assert [f for f in client.kept if f["type"] != "incident:created"] == []


@pytest.mark.parametrize("seconds", LONG)
async def test_a_link_that_loses_one_direction_loses_no_event(
    database: str, own_redis: LocalRedis, seconds: float
) -> None:
    """One pod cannot publish; another one hears nothing, and its connection looks as good as ever."""
    async with three(database, own_redis) as (pods, links, clients):
        links[0].loses_requests = True
        links[1].loses_answers = True
        await keep_hearing(pods, clients, seconds)
        for link in links:
            link.heal()
        for number, each in enumerate(pods):
            await heard_by(clients, each.api, f"again {number}")
