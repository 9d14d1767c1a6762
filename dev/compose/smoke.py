"""`make compose-smoke`: what must hold for the service on one machine, tried on containers, data and ports of its own.

A user's way through nginx over TLS; an instance killed and all three replaced under load, without a failed request; brought
up twice, taken down and brought up again, with what was written still there. Everything is removed afterwards.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from dev import end_to_end
from dev.closed_load import Load, load, signed_in
from dev.cluster.host.console import Problem, print_line, step
from dev.cluster.host.shell import run, wait_until
from dev.compose import images
from dev.compose.secret_files import make_secrets
from dev.compose.stack import INSTANCES, Stack

PROJECT = "marauders-smoke"
HTTP_PORT, HTTPS_PORT = 18080, 18443
WAIT_SECONDS = 120.0
# Root in it is what it takes to give the data to another user; the others do without.
MAY_WRITE = {"postgres", "cache", "limits", "grafana"}


def main(compose: Sequence[str]) -> int:
    """Try it all; 0. Raises Problem with what is not as it should be."""
    with (
        tempfile.TemporaryDirectory(prefix="marauders-smoke-") as folder,
        _stack(compose, Path(folder)) as stack,
    ):
        trusted = ssl.create_default_context(cafile=str(Path(folder) / "tls_certificate"))
        try:
            asyncio.run(_all(stack, trusted, Path(folder)))
        except (aiohttp.ClientError, end_to_end.Unexpected, TimeoutError) as error:
            raise Problem(f"{type(error).__name__}: {error}") from error
    print_line(
        "the service on one machine holds: users served over TLS, none failed while instances ended, data kept"
    )
    return 0


@contextmanager
def _stack(compose: Sequence[str], secrets: Path) -> Iterator[Stack]:
    """Up, and gone with its data at the end, however that comes."""
    make_secrets(secrets)
    variables = {
        **images.variables(),
        "COMPOSE_PROFILES": "",  # Grafana has nothing to do with what is tried
        "SECRETS": str(secrets),
        "INSIDE": "10.213.78",
        "HTTP_PORT": str(HTTP_PORT),
        "HTTPS_PORT": str(HTTPS_PORT),
        "RATE_LIMIT_ANONYMOUS": "100000",  # all of it comes from one address
        "RATE_LIMIT_AUTHENTICATED": "1000000",  # and from one user
    }
    stack = Stack(compose, variables, PROJECT)
    stack.down(volumes=True)  # what a smoke test that was killed has left
    try:
        stack.up()
        yield stack
    finally:
        with step("removing what was made for this"):
            stack.down(volumes=True)


async def _all(stack: Stack, trusted: ssl.SSLContext, secrets: Path) -> None:
    # Each part has a session of its own: between them containers come and go.
    await end_to_end.check(f"https://localhost:{HTTPS_PORT}", only_read=False, trusted=trusted)
    with step("limits, secrets, what nginx answers by itself, Prometheus"):
        _limited_and_closed(stack.containers(), secrets)
        async with _http(trusted) as http:
            await _edges(http)
        await _until(lambda: _scraped(stack) == len(INSTANCES), "Prometheus reads every instance")
    with step("killing an instance under load"):
        async with _loaded(trusted, "kill") as counted:
            await _kill(stack, counted)
    with step("replacing all three under load"):
        async with _loaded(trusted, "replace") as counted:
            await _replace(stack, counted)
    with step("up again, down, and up"):
        await _kept(stack, trusted)


@asynccontextmanager
async def _http(trusted: ssl.SSLContext) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(ssl=trusted)
    async with aiohttp.ClientSession(f"https://localhost:{HTTPS_PORT}", connector=connector) as http:
        yield http


@asynccontextmanager
async def _loaded(trusted: ssl.SSLContext, name: str) -> AsyncIterator[Load]:
    """Requests until the block ends. Raises Problem when one of them failed, or a write was carried out twice."""
    async with _http(trusted) as http:
        async with http.get("/health/live") as answer:
            _holds(answer.status == 200, "nginx answers")
        before = await _incidents(http, await signed_in(http, f"{name}-before@hogwarts.edu"))
        async with load(http, f"{name}@hogwarts.edu") as counted:
            yield counted
    print_line(
        f"{counted.done} requests, {len(counted.failed)} failed, the slowest took {counted.slowest_seconds:.1f} s"
    )
    _holds(not counted.failed, f"no request fails: {counted.failed[:3]}")
    _holds(
        counted.total == before + counted.written,
        f"{counted.written} writes are {counted.total - before} incidents",
    )


async def _incidents(http: aiohttp.ClientSession, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    async with http.get("/api/incidents?limit=1", headers=headers, raise_for_status=True) as answer:
        return int((await answer.json())["total"])


def _limited_and_closed(containers: dict[str, dict[str, Any]], secrets: Path) -> None:
    values = [file.read_text(encoding="ascii").strip() for file in secrets.iterdir()]
    for name, container in containers.items():
        host, state = container["HostConfig"], container["State"]
        _holds(host["Memory"] > 0 and host["NanoCpus"] > 0, f"{name} is limited")
        _holds("ALL" in (host["CapDrop"] or []) or name == "postgres", f"{name} has no capability")
        _holds(host["ReadonlyRootfs"] or name in MAY_WRITE, f"{name} cannot write to its root")
        _holds(state.get("Health", {}).get("Status", "healthy") == "healthy", f"{name} is healthy")
        shown = json.dumps(container)
        _holds(
            not any(value in shown for value in values), f"{name} shows no secret to those who may look at it"
        )


async def _edges(http: aiohttp.ClientSession) -> None:
    headers = {"Host": "localhost:8080"}
    url = f"http://localhost:{HTTP_PORT}/api/docs?a=1"
    async with http.get(url, headers=headers, allow_redirects=False) as answer:
        _holds(answer.headers["Location"] == "https://localhost:8443/api/docs?a=1", "plain HTTP leads to TLS")
    for path in ("/metrics", "/%"):
        async with http.get(path) as answer:
            _holds(answer.status in (400, 404), f"{path} is not served")
            _holds("nginx/" not in f"{answer.headers} {await answer.text()}", "nginx names no version")


def _scraped(stack: Stack) -> int:
    """How many instances Prometheus has read. Asked from inside: it is reached from nowhere else."""
    program = "import urllib.request as r; print(r.urlopen('http://prometheus:9090/api/v1/query?query=up==1').read().decode())"
    answer = stack("exec", "-T", "api-1", "python3", "-S", "-c", program)
    return len(json.loads(answer)["data"]["result"])


async def _kill(stack: Stack, counted: Load) -> None:
    """As a crash does it, where this machine lets us: Docker answers it by starting the container again."""
    await counted.more(100, WAIT_SECONDS)
    before = stack.containers()["api-2"]
    crashed = _crash(before)
    await counted.more(200, WAIT_SECONDS)
    if not crashed:
        run(["docker", "start", before["Id"]])

    def back() -> bool:
        state = stack.containers()["api-2"]["State"]
        return state["Pid"] not in (0, before["State"]["Pid"]) and state["Health"]["Status"] == "healthy"

    await _until(back, "the instance that was killed is back")
    await counted.more(100, WAIT_SECONDS)


def _crash(container: dict[str, Any]) -> bool:
    """End its process; false when that was done by Docker's own `kill`, after which no one starts it again."""
    pid = container["State"]["Pid"]
    groups = Path(f"/proc/{pid}/cgroup")
    # Where Docker runs in a machine of its own, its process numbers are those of others here.
    if os.geteuid() == 0 and groups.exists() and container["Id"] in groups.read_text(encoding="ascii"):
        os.kill(pid, signal.SIGKILL)
        return True
    run(["docker", "kill", container["Id"]])
    return False


async def _replace(stack: Stack, counted: Load) -> None:
    """By an image of another name, which is all that Compose goes by."""
    await counted.more(50, WAIT_SECONDS)
    before = stack.containers()
    name = f"{PROJECT}-api:next"
    run(["docker", "tag", stack.variables["API_IMAGE"], name])
    try:
        changed = Stack(stack.compose, {**stack.variables, "API_IMAGE": name}, stack.project)
        await asyncio.to_thread(changed.up)
        after = changed.containers()
        _holds(all(after[i]["Id"] != before[i]["Id"] for i in INSTANCES), "every instance is another one")
        _holds(after["nginx"]["Id"] == before["nginx"]["Id"], "nginx goes on")
        await counted.more(50, WAIT_SECONDS)
        # And back, so that the image's second name is not in use.
        await asyncio.to_thread(stack.up)
    finally:
        run(["docker", "rmi", name])


async def _kept(stack: Stack, trusted: ssl.SSLContext) -> None:
    async with _http(trusted) as http:
        token = await signed_in(http, "kept@hogwarts.edu")
        written = await _incidents(http, token)
    before = {name: container["Id"] for name, container in stack.containers().items()}
    await asyncio.to_thread(stack.up)
    _holds(before == {n: c["Id"] for n, c in stack.containers().items()}, "a second `up` changes nothing")
    await asyncio.to_thread(stack.down)
    _holds(stack.containers() == {}, "`down` leaves no container")
    await asyncio.to_thread(stack.up)
    async with _http(trusted) as http:
        _holds(
            await _incidents(http, token) == written, "what was written and who is signed in outlive `down`"
        )


def _holds(true: bool, what: str) -> None:
    if not true:
        raise Problem(f"this does not hold: {what}")


async def _until(true: Callable[[], bool], what: str) -> None:
    """Look again until it is true, beside the load. Raises Problem when it stays false."""
    await asyncio.to_thread(wait_until, true, what, seconds=WAIT_SECONDS, every=1.0)
    print_line(what)
