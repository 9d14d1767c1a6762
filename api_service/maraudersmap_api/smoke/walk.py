"""The walk: what every user does, once or three times, and one write that is undone.

The write is a report of mischief that names itself as a test. It is seen through a WebSocket, read, changed, and withdrawn
by way of the database, because the role that could delete it could read everything.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Any
from uuid import uuid4

import aiohttp

from maraudersmap_api.smoke.probe import ANSWER_SECONDS, Seen, Side, Step

ROUNDS = 3
"""Enough for one answer in five that fails to be seen: of some 50 answers, 10 fail, and less than 3 in 1 of 1,000 walks."""
SILENT_IN_A_ROW = 3
GONE_SECONDS = 5.0
LISTED = "/api/incidents"

ANONYMOUS = (
    Step("liveness", "/health/live", signed_in=False),
    Step("readiness", "/health/ready", signed_in=False),
    Step("document", "/api/openapi.json", signed_in=False, check=lambda body: _has(body, "paths")),
    Step("stranger", LISTED, expects=401, signed_in=False),
)


class Hung(Exception):
    """Several requests in a row got no answer: more of them would show nothing new."""


def reads(incident: int | None) -> tuple[Step, ...]:
    """What is read, with this incident among it if there is one. Safe: they change nothing."""
    known: tuple[Step, ...] = ()
    if incident is not None:
        one = f"{LISTED}/{incident}"
        known = (
            Step("incident", one, check=lambda body: _has(body, "id", "title", "version")),
            Step("history", f"{one}/history", check=_page),
            Step("comments", f"{one}/comments", check=_page),
        )
    return (
        Step("list", LISTED, check=_mischief),
        Step("page", f"{LISTED}?limit=5&page=2&sort=severity&order=asc", check=_mischief),
        Step("filter", f"{LISTED}?status=OPEN,RESOLVED&location=HOGWARTS", check=_mischief),
        Step("search", f"{LISTED}?search=smoke", check=_mischief),
        *known,
        Step("facets", f"{LISTED}/search/facets", check=lambda body: _has(body, "severity", "status")),
        Step("suggestions", f"{LISTED}/autocomplete?q=Smo", check=lambda body: _has(body, "data")),
        Step("me", "/api/auth/me"),
        Step("notifications", "/api/notifications", check=lambda body: _has(body, "data")),
        Step("unread", "/api/notifications/unread/count", check=lambda body: _has(body, "count")),
        Step("presence", "/api/presence/online"),
        Step("missing", f"{LISTED}/{2**62}", expects=404),
        Step("no number", f"{LISTED}/12abc", expects=400),
        Step("analytics", "/api/analytics/overview", expects=403),
    )


async def sign_in(side: Side, email: str, password: str) -> Seen:
    """Open a session; on success the side keeps the token."""
    body = {"email": email, "password": password}
    step = Step("sign-in", "/api/auth/login", "POST", signed_in=False, json=body, check=_session)
    seen = await side.ask(step)
    if not seen.failed:
        side.token = seen.body["accessToken"]
    return seen


async def read_everything(side: Side, report: Callable[[str], None]) -> int | None:
    """All reads, ROUNDS times; returns an incident that could be read. Raises Hung."""
    for step in ANONYMOUS:
        await _ask(side, step)
    listed = (await _ask(side, reads(None)[0])).body
    incident = listed["data"][0]["id"] if listed and listed["data"] else None
    for number in range(1, ROUNDS + 1):
        for step in reads(incident):
            await _ask(side, step)
        failed = sum(seen.failed for seen in side.seen)
        report(f"{side.name}: round {number} of {ROUNDS}, {failed} of {len(side.seen)} answers failed")
    return incident


async def write_and_undo(side: Side, undo: Callable[[], Awaitable[None]]) -> None:
    """Report, see the report through a WebSocket, read it, change it, undo it, and see that it is gone. Raises Hung.

    Nothing is sent twice, whatever came of it: `undo` finds what was stored although the answer was lost.
    """
    async with AsyncExitStack() as stack:
        opened, socket = await _connect(side, stack)
        side.seen.append(opened)
        try:
            made = await _ask(side, _report())
            if not made.failed:
                if socket is not None:
                    side.seen.append(await _hear(socket, made.body["id"]))
                await _use(side, made)
        finally:
            await undo()
    if not made.failed:
        await _see_it_gone(side, made.body["id"])


def _report() -> Step:
    body = {
        "title": "Smoke test of a new revision: ignore this, it removes itself",
        "location": "HOGWARTS",
        "severity": "MISCHIEF",
    }
    key = {"Idempotency-Key": f"smoke-{uuid4()}"}
    return Step(
        "report", LISTED, "POST", 201, json=body, headers=key, check=lambda body: _has(body, "id", "version")
    )


async def _use(side: Side, made: Seen) -> None:
    """What its reporter does with it next."""
    path = f"{LISTED}/{made.body['id']}"
    title = made.body["title"]
    await _ask(side, Step("own report", path, check=lambda body: _same(body["title"], title)))
    change = Step(
        "change",
        path,
        "PATCH",
        json={"description": "Written by a test."},
        headers={"If-Match": made.headers.get("ETag", "")},
        check=lambda body: _same(body["version"], made.body["version"] + 1),
    )
    await _ask(side, change)


async def _see_it_gone(side: Side, incident: int) -> None:
    """It was deleted behind the service's back, which may notice a moment later."""
    step = Step("undone report", f"{LISTED}/{incident}", expects=404)
    until = asyncio.get_running_loop().time() + GONE_SECONDS
    while (seen := await _ask(side, step)).status == 200 and asyncio.get_running_loop().time() < until:
        side.seen.remove(seen)
        await asyncio.sleep(0.1)


async def _connect(side: Side, stack: AsyncExitStack) -> tuple[Seen, aiohttp.ClientWebSocketResponse | None]:
    """A socket that has signed in, closed with `stack`."""
    started = time.perf_counter()
    socket: aiohttp.ClientWebSocketResponse | None = None
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            opened = await side.http.ws_connect(f"{side.url}/ws")
            stack.push_async_callback(_close, opened)
            await opened.send_json({"type": "auth", "token": side.token})
            problem = await _frame(opened, lambda frame: frame["type"] == "connection:acknowledged")
            socket = None if problem else opened
    except TimeoutError:
        problem = f"was not acknowledged within {ANSWER_SECONDS:g} s"
    except (aiohttp.ClientError, OSError) as error:
        problem = f"did not open: {type(error).__name__}"
    return Seen("socket", None, time.perf_counter() - started, problem), socket


async def _hear(socket: aiohttp.ClientWebSocketResponse, incident: int) -> Seen:
    """The frame about the report."""
    started = time.perf_counter()
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            problem = await _frame(
                socket, lambda frame: frame["type"] == "incident:created" and frame["data"]["id"] == incident
            )
    except TimeoutError:
        problem = f"brought no word of the report within {ANSWER_SECONDS:g} s"
    return Seen("event", None, time.perf_counter() - started, problem)


async def _frame(
    socket: aiohttp.ClientWebSocketResponse, wanted: Callable[[dict[str, Any]], bool]
) -> str | None:
    """Wait for a frame; returns what was wrong instead."""
    while True:
        received = await socket.receive()
        if received.type is not aiohttp.WSMsgType.TEXT:
            return f"was closed with {socket.close_code}"
        try:
            if wanted(received.json()):
                return None
        except (KeyError, TypeError, ValueError):
            return "sent a frame that cannot be understood"


async def _close(socket: aiohttp.ClientWebSocketResponse) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(1):
            await socket.close()


async def _ask(side: Side, step: Step) -> Seen:
    seen = await side.ask(step)
    last = side.seen[-SILENT_IN_A_ROW:]
    if len(last) == SILENT_IN_A_ROW and all(each.status is None and each.failed for each in last):
        raise Hung
    return seen


def _session(body: Any) -> str | None:
    return None if isinstance(body["accessToken"], str) else "gave no access token"


def _has(body: Any, *names: str) -> str | None:
    missing = [name for name in names if name not in body]
    return f"answered without {', '.join(missing)}" if missing else None


def _page(body: Any) -> str | None:
    return _has(body, "data", "total", "page", "limit", "hasMore")


def _mischief(body: Any) -> str | None:
    """The account may view nothing above: a revision that shows it more shows everybody more."""
    if any(found["severity"] != "MISCHIEF" for found in body["data"]):
        return "showed a student what is above MISCHIEF"
    return _page(body)


def _same(found: Any, wanted: Any) -> str | None:
    return None if found == wanted else f"answered {found!r} where {wanted!r} was due"
