"""How long until every client has seen what was reported: `python -m bench.sockets [clients] [events]`.

One API process on a PostgreSQL and a Redis of its own, `clients` WebSockets of `clients / 10` Aurors, all in one
client process on the same machine. Measured from before the POST until the last client has read its frame: the client's
own work of reading 1,000 frames is part of it.
"""

import asyncio
import json
import os
import resource
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import asyncpg
from dev.local_services import local_postgres, local_redis

from maraudersmap_api.auth.tokens import AccessTokens

SOCKETS_A_USER = 10
AT_ONCE = 20


def main() -> int:
    """Measure and print; 0."""
    clients = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    events = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # children inherit it
    folder = Path(tempfile.mkdtemp(prefix="marauders-bench-"))
    try:
        with local_postgres(folder / "data") as postgres, local_redis() as redis:
            environment = {
                **os.environ,
                "DATABASE_URL": postgres.create_database("sockets"),
                "REDIS_URL": redis.url,
                "JWT_SECRET": secrets.token_urlsafe(48),
                "HOST": "127.0.0.1",
                "PORT": str(_free_port()),
                "LOG_LEVEL": "error",
                "DRAIN_SECONDS": "0",
                "RATE_LIMIT_ANONYMOUS": "1000000",
                "RATE_LIMIT_AUTHENTICATED": "1000000",
            }
            command = [sys.executable, "-m", "maraudersmap_api"]
            subprocess.run([*command, "migrate"], env=environment, check=True, stdout=subprocess.DEVNULL)
            api = subprocess.Popen(command, env=environment)
            try:
                asyncio.run(_measure(api.pid, environment, clients, events))
            finally:
                api.terminate()
                api.wait(timeout=30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


async def _measure(pid: int, environment: dict[str, str], clients: int, events: int) -> None:
    tokens = await _tokens(environment, -(-clients // SOCKETS_A_USER))
    base = f"http://127.0.0.1:{environment['PORT']}"
    async with aiohttp.ClientSession(base, connector=aiohttp.TCPConnector(limit=0)) as http:
        await _ready(http)
        sockets: list[aiohttp.ClientWebSocketResponse] = []
        for first in range(0, clients, AT_ONCE):
            numbers = range(first, min(clients, first + AT_ONCE))
            sockets += await asyncio.gather(*(_connect(http, tokens[n // SOCKETS_A_USER]) for n in numbers))
        times, cpu_before = [], _cpu_seconds(pid)
        for number in range(events):
            waiting = [asyncio.create_task(_sees(ws, f"event {number}")) for ws in sockets]
            await asyncio.sleep(0.1)  # they all wait by now
            started = time.perf_counter()
            reply = await http.post(
                "/api/incidents",
                json={"title": f"event {number}", "location": "HOGWARTS"},
                headers={"Authorization": f"Bearer {tokens[0]}"},
            )
            reply.raise_for_status()
            times.append((max(await asyncio.gather(*waiting)) - started) * 1000)
        cpu = (_cpu_seconds(pid) - cpu_before) / events * 1000
        times.sort()
        print(
            f"{clients} clients, {events} events, load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs"
        )
        print(f"created -> seen by every client: p50 {times[len(times) // 2]:.0f} ms, ", end="")
        print(f"p95 {times[int(len(times) * 0.95)]:.0f} ms, max {times[-1]:.0f} ms")
        print(f"CPU of the API for one event: {cpu:.0f} ms; its memory: {_memory_mib(pid):.0f} MiB")
        for ws in sockets:
            await ws.close()


async def _tokens(environment: dict[str, str], users: int) -> list[str]:
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    rows = await connection.fetch(
        """INSERT INTO users (email, password_hash, first_name, last_name, role)
           SELECT 'u' || n || '@hogwarts.edu', 'none', 'A', 'B', 'AUROR' FROM generate_series(1, $1) n RETURNING id""",
        users,
    )
    await connection.close()
    tokens = AccessTokens(environment["JWT_SECRET"])
    now = datetime.now(UTC)
    made: list[Any] = [SimpleNamespace(id=row["id"], token_version=1) for row in rows]
    return [tokens.issue(user, now) for user in made]


async def _ready(http: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                if (await http.get("/health/ready")).status == 200:
                    return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.05)


async def _connect(http: aiohttp.ClientSession, token: str) -> aiohttp.ClientWebSocketResponse:
    ws = await http.ws_connect("/ws")
    await ws.send_json({"type": "auth", "token": token})
    await ws.receive_str(timeout=30)
    return ws


async def _sees(ws: aiohttp.ClientWebSocketResponse, title: str) -> float:
    """When it has read the frame of this incident."""
    while True:
        text = await ws.receive_str(timeout=60)
        if title in text and json.loads(text)["type"] == "incident:created":
            return time.perf_counter()


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
