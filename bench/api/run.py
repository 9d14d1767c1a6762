"""`make bench-api`: ours beside peers in Express, Fastify and FastAPI, and beside bare aiohttp, in one run on one database.

The rules: every server is one process; limiter on with raised limits; any answer that is not 2xx voids the round; an
AUROR reads; the peers run the same SQL (taken from our repositories); the token is minted beforehand; every server logs
two JSON lines a request to a file (bare aiohttp on uvloop, the limit of the trivial route, does none of this). wrk is
the client.
Rounds alternate between the servers, so that a neighbour's noise hits all of them; shown is the median, of ratios the
median of each round's. Rounds are repeated until a new one moves no ratio of ours by more than --hold; each has the
load beside it. `req/cpu-s` (answers for each second of processor time of the server's process)
is what "per core" means here: it holds on a busy machine, where requests per second measure the neighbours.

    python bench/api/run.py [--incidents 100000] [--rounds 3] [--most-rounds 9] [--seconds 4] [--only get,list]
"""

import argparse
import asyncio
import json
import os
import re
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
from dev.local_services import local_postgres, local_redis

from maraudersmap_api.auth.models import Role
from maraudersmap_api.auth.repository import find_credentials
from maraudersmap_api.auth.tokens import AccessTokens
from maraudersmap_api.incidents.listing import counted_page_statement
from maraudersmap_api.incidents.models import ListQuery, Severity, Visibility
from maraudersmap_api.incidents.repository import PEOPLE, REPORT, SELECT

HERE = Path(__file__).parent
POOL = "4"
RAISED = "1000000000"
READY_SECONDS = 300.0  # of a machine that others use: there Express took more than 60
TICKS = os.sysconf("SC_CLK_TCK")

GET = 'request = function() return wrk.format("GET", "/api/incidents/" .. math.random(1, {incidents})) end'
LIST = 'request = function() return wrk.format("GET", "/api/incidents?limit=20&page=" .. math.random(1, 200)) end'
SAME_LIST = 'request = function() return wrk.format("GET", "/api/incidents?limit=20") end'
TRIVIAL = 'request = function() return wrk.format("GET", "/health/live") end'
CREATE = """
wrk.headers["Content-Type"] = "application/json"
local body = '{{"title":"Polyjuice brewed in the dungeons","location":"HOGWARTS","description":"Again.",' ..
  '"severity":"SUSPICIOUS","tags":["potion"],"witnessCount":2}}'
request = function() return wrk.format("POST", "/api/incidents", nil, body) end
"""
# wrk prints no p95 by itself.
P95 = 'done = function(_, latency, _) io.write(string.format("p95 %.0fus\\n", latency:percentile(95))) end\n'
SCENARIOS = {"trivial": TRIVIAL, "get": GET, "list": LIST, "same list": SAME_LIST, "create": CREATE}
ASKED_P95_MS = 500.0  # of a crowd
# Beside which peer, and at least so many times its answers for each second of processor time.
AIMS: dict[str, dict[str, dict[str, float]]] = {
    "ours": {
        "trivial": {"aiohttp": 0.75, "express": 2.5},
        "get": {"fastify": 1.0, "express": 1.8},
        "list": {"fastify": 1.0, "express": 2.0},
        "create": {"fastify": 1.0, "express": 1.5},
    },
    "ours, Redis": {
        "get": {"express": 2.0},
        "list": {"express": 4.0},
        "same list": {"express": 4.0},
        "create": {"express": 2.0},
    },
}


@dataclass(frozen=True, slots=True)
class Round:
    """One measurement; times in milliseconds."""

    per_second: float
    per_cpu_second: float
    p50: float
    p95: float
    p99: float
    errors: int
    load: float  # of the machine, at its end


@dataclass(slots=True)
class Server:
    """One running server."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    rounds: dict[str, list[Round]] = field(default_factory=dict)

    def cpu_seconds(self) -> float:
        """Processor time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self) -> float:
        """MiB resident."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * 4096 / 2**20


def main() -> int:
    """Measure and print a table; 1 when a round was void."""
    parser = argparse.ArgumentParser(prog="bench/api/run.py", description=__doc__)
    parser.add_argument("--incidents", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3, help="at least")
    parser.add_argument("--most-rounds", type=int, default=9)
    parser.add_argument(
        "--hold", type=float, default=0.05, help="share by which another round may move a ratio"
    )
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument(
        "--warm", type=int, default=5_000, help="answers before the first round: node compiles late"
    )
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--only", default=",".join(SCENARIOS))
    parser.add_argument(
        "--crowd", type=int, default=1000, help="connections of the last measurement; 0: none"
    )
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="marauders-bench-"))
    try:
        with local_postgres(folder / "data") as postgres, local_redis() as redis:
            postgres.forget_durability()
            return _measure(arguments, folder, postgres.create_database("map"), redis.url)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measure(arguments: argparse.Namespace, folder: Path, database: str, redis: str) -> int:
    secret = secrets.token_urlsafe(48)
    environment = {**os.environ, "DATABASE_URL": database, "JWT_SECRET": secret, "DB_POOL_SIZE": POOL}
    ours = [sys.executable, "-m", "maraudersmap_api"]
    subprocess.run([*ours, "migrate"], env=environment, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([*ours, "demo-data", "--incidents", str(arguments.incidents)], env=environment, check=True)
    token = asyncio.run(_token(database, secret))
    (folder / "sql.json").write_text(json.dumps(statements()))
    with _servers(folder, environment, redis) as servers:
        for scenario in arguments.only.split(","):
            script = folder / f"{scenario}.lua"
            head = f'wrk.headers["Authorization"] = "Bearer {token}"\n'
            script.write_text(f"{head}{SCENARIOS[scenario].format(incidents=arguments.incidents)}\n{P95}")
            measured = [server for server in servers if _takes_part(server, scenario)]
            for server in measured:
                _warm_up(server, script, arguments)
            before: dict[tuple[str, str], float] = {}
            for number in range(arguments.most_rounds):
                for server in measured:
                    made = _round(server, script, arguments.seconds, arguments.connections)
                    server.rounds.setdefault(scenario, []).append(made)
                now = _ratios(measured, scenario)
                if number + 1 >= arguments.rounds and _hold(before, now, arguments.hold):
                    break
                before = now
        _report(servers, arguments.only.split(","))
        if arguments.crowd:
            _crowd(servers, folder / f"{arguments.only.split(',')[0]}.lua", arguments)
    return int(any(made.errors for server in servers for rounds in server.rounds.values() for made in rounds))


def _takes_part(server: Server, scenario: str) -> bool:
    if server.name == "aiohttp":
        return scenario == "trivial"
    return not (
        scenario == "same list" and server.name == "ours"
    )  # without a cache it would measure coalescing


def _ratios(servers: list[Server], scenario: str) -> dict[tuple[str, str], float]:
    """(ours, a peer): the median, over the rounds so far, of how many times the peer's answers per core ours are."""
    found = {}
    for ours in servers:
        for peer in servers:
            if ours.name in AIMS and peer.name not in AIMS:
                pairs = zip(ours.rounds[scenario], peer.rounds[scenario], strict=True)
                found[ours.name, peer.name] = statistics.median(
                    a.per_cpu_second / max(b.per_cpu_second, 0.01) for a, b in pairs
                )
    return found


def _hold(before: dict[tuple[str, str], float], now: dict[tuple[str, str], float], share: float) -> bool:
    return before.keys() == now.keys() and all(abs(now[pair] / before[pair] - 1) <= share for pair in now)


def statements() -> dict[str, str]:
    """The SQL that every server runs, from our own repositories."""
    aurors = Visibility(next_uuid(), Severity.UNFORGIVABLE)
    page, page_args = counted_page_statement(ListQuery(), aurors)
    if len(page_args) != 2:
        raise RuntimeError("the list's statement has other parameters than the peers expect")
    return {
        "user": "SELECT id, role, token_version, is_active FROM users WHERE id = $1",
        "find": f"{SELECT} FROM incidents i {PEOPLE} WHERE i.id = $1 AND i.deleted_at IS NULL",
        "page": page,
        "report": REPORT,
    }


def next_uuid() -> Any:
    """Any id: Aurors see everything, so it appears in no statement."""
    from uuid import uuid4

    return uuid4()


async def _token(database: str, secret: str) -> str:
    connection = await asyncpg.connect(database)
    found = await find_credentials(connection, "demo.auror1@hogwarts.edu")
    await connection.close()
    if found is None or found[0].role is not Role.AUROR:
        raise RuntimeError("there is no demo Auror")
    return AccessTokens(secret).issue(found[0], datetime.now(UTC))


@contextmanager
def _servers(folder: Path, environment: dict[str, str], redis: str) -> Iterator[list[Server]]:
    venv = HERE / "fastapi" / ".venv" / "bin" / "python"
    peers = {
        **environment,
        "SQL_FILE": str(folder / "sql.json"),
        "RATE_LIMIT": RAISED,
        "NODE_ENV": "production",
    }
    limits = {"RATE_LIMIT_ANONYMOUS": RAISED, "RATE_LIMIT_AUTHENTICATED": RAISED, "HOST": "127.0.0.1"}
    mine = {**environment, **limits, "DRAIN_SECONDS": "0", "CONNECTION_MAX_AGE_SECONDS": "86400"}
    ours = [sys.executable, "-m", "maraudersmap_api"]
    plan: list[tuple[str, list[str], dict[str, str]]] = [
        ("ours", ours, mine),
        ("ours, Redis", ours, {**mine, "REDIS_URL": redis}),
    ]
    plan += [
        (name, ["node", str(HERE / name / "server.js")], peers)
        for name in ("express", "fastify")
        if (HERE / name / "node_modules").is_dir()
    ]
    if venv.exists():
        command = [
            str(venv),
            "-m",
            "uvicorn",
            "server:app",
            "--app-dir",
            str(HERE / "fastapi"),
            "--no-access-log",
        ]
        plan.append(("fastapi", [*command, "--log-level", "warning"], peers))
    plan.append(("aiohttp", [sys.executable, str(HERE / "bare" / "server.py")], peers))
    servers: list[Server] = []
    try:
        for name, command, variables in plan:
            port = _free_port()
            log = (folder / f"{name}.log").open("wb")
            if name == "fastapi":
                command = [*command, "--port", str(port)]
            if name == "aiohttp":
                variables = {**variables, "HEADERS": json.dumps(added_headers(servers[0].port))}
            variables = {**variables, "PORT": str(port), "LOG_FILE": str(folder / f"{name}.json.log")}
            started = time.monotonic()
            process = subprocess.Popen(command, env=variables, stdout=log, stderr=log)
            servers.append(Server(name, port, process))
            path = "/health/ready" if name.startswith("ours") else "/health/live"
            _wait_ready(port, path, folder / f"{name}.log")
            print(f"{name}: ready after {time.monotonic() - started:.2f} s", flush=True)
        yield servers
    finally:
        for server in servers:
            server.process.terminate()
        for server in servers:
            server.process.wait(timeout=30)


def added_headers(port: int) -> dict[str, str]:
    """Those that our API adds to what any server sends, and not that this connection ends: urllib asks for that."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/live", timeout=5) as reply:
        sent = dict(reply.headers)
    of_any = ("connection", "content-length", "content-type", "date", "server")
    return {name: value for name, value in sent.items() if name.lower() not in of_any}


def _warm_up(server: Server, script: Path, arguments: argparse.Namespace) -> None:
    """Until enough requests were answered, however slow the machine is; at most a minute."""
    answered, deadline = 0.0, time.monotonic() + 60
    while answered < arguments.warm and time.monotonic() < deadline:
        answered += 2 * _round(server, script, 2, arguments.connections).per_second


def _round(server: Server, script: Path, seconds: int, connections: int) -> Round:
    before = server.cpu_seconds()
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "--timeout",
        "10s",
        "--latency",
        "-s",
        str(script),
    ]
    output = subprocess.run(
        [*command, f"http://127.0.0.1:{server.port}"], capture_output=True, text=True, check=True
    ).stdout
    used = server.cpu_seconds() - before
    answered = int(_found(r"(\d+) requests in", output))
    bad = int(_found(r"Non-2xx or 3xx responses: (\d+)", output, "0"))
    failed = sum(map(int, re.findall(r"(?:connect|read|write|timeout) (\d+)", output)))
    return Round(
        per_second=float(_found(r"Requests/sec:\s+([\d.]+)", output)),
        per_cpu_second=answered / max(used, 0.01),
        p50=_milliseconds(_found(r"\n\s+50%\s+(\S+)", output)),
        p95=_milliseconds(_found(r"p95 (\S+)", output)),
        p99=_milliseconds(_found(r"\n\s+99%\s+(\S+)", output)),
        errors=bad + failed + (answered == 0),  # a round without any answer is void
        load=os.getloadavg()[0],
    )


def _report(servers: list[Server], scenarios: list[str]) -> None:
    loads = [made.load for server in servers for rounds in server.rounds.values() for made in rounds]
    print(
        f"\n{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, load {min(loads):.1f} to {max(loads):.1f} "
        f"(median {statistics.median(loads):.1f})\n"
    )
    print("| scenario | server | rounds | req/s | req/cpu-s | per core, times | p50 ms | p99 ms | errors |")
    print("|---|---|---|---|---|---|---|---|---|")
    for scenario in scenarios:
        measured = [server for server in servers if server.rounds.get(scenario)]
        ratios = _ratios(measured, scenario)
        for server in measured:
            rounds = server.rounds[scenario]
            beside = "; ".join(
                _beside(server.name, scenario, peer, ratio)
                for (name, peer), ratio in ratios.items()
                if name == server.name
            )
            print(
                f"| {scenario} | {server.name} | {len(rounds)} | {statistics.median(m.per_second for m in rounds):.0f} "
                f"| {statistics.median(m.per_cpu_second for m in rounds):.0f} | {beside} "
                f"| {statistics.median(m.p50 for m in rounds):.1f} | {statistics.median(m.p99 for m in rounds):.1f} "
                f"| {sum(m.errors for m in rounds)} |"
            )
    print()
    for server in servers:
        print(f"{server.name}: {server.memory():.0f} MiB resident", flush=True)


def _beside(name: str, scenario: str, peer: str, ratio: float) -> str:
    aim = AIMS[name].get(scenario, {}).get(peer)
    judged = "" if aim is None else f" (asked {aim}: {'met' if ratio >= aim else '**missed**'})"
    return f"{peer} {ratio:.2f}{judged}"


def _crowd(servers: list[Server], script: Path, arguments: argparse.Namespace) -> None:
    """Many keep-alive connections at one process."""
    for server in servers:
        made = _round(server, script, arguments.seconds * 2, arguments.crowd)
        asked = f" (asked < {ASKED_P95_MS:.0f}: {'met' if made.p95 < ASKED_P95_MS else '**missed**'})"
        print(
            f"{arguments.crowd} connections, {script.stem}, {server.name}: {made.per_second:.0f} req/s, "
            f"p50 {made.p50:.0f} ms, p95 {made.p95:.0f} ms{asked if server.name in AIMS else ''}, "
            f"p99 {made.p99:.0f} ms, {made.errors} errors, {server.memory():.0f} MiB, load {made.load:.1f}",
            flush=True,
        )


def _found(pattern: str, text: str, default: str | None = None) -> str:
    match = re.search(pattern, text)
    if match is None:
        if default is None:
            raise RuntimeError(f"wrk printed something unexpected:\n{text}")
        return default
    return match[1]


def _milliseconds(text: str) -> float:
    for unit, factor in (("us", 0.001), ("ms", 1.0), ("s", 1000.0), ("m", 60_000.0)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    raise RuntimeError(f"no time: {text}")


def _wait_ready(port: int, path: str, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                last = log.read_text()[-2000:]
                raise RuntimeError(f"{log.stem} is not ready after {READY_SECONDS:.0f} s: {last}") from None
            time.sleep(0.02)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
