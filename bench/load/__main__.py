"""`make load-test`: signed-in users at three instances behind nginx with TLS, all on this machine, and what was asked.

Each user has a request every 5 s on average: 70 % list a page, 15 % get an incident, 10 % report one, 5 % open a WebSocket
that stays for 20 s. Asked: API p95 < 500 ms (as the users see it: nginx and TLS included), query p95 < 100 ms (from the
instances' /metrics), no error. Users' accounts are made and their tokens signed beforehand; nothing is repeated.
Exit codes: 0 all of it holds; 1 something is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncpg
from bench.load.figures import Judgement, Samples, judge, percentile, queries, table
from bench.load.instances import RAISED, Running, running
from bench.load.users import Watch, crowd

from maraudersmap_api.auth.tokens import AccessTokens

TOKEN_LIVES = timedelta(minutes=10)
DESCRIPTORS_A_USER = 8


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.load", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--incidents", type=int, default=100_000, help="in the database at the start")
    options = parser.parse_args(arguments)
    _raise_limits(options.users)
    folder = Path(tempfile.mkdtemp(prefix="marauders-load-"))
    try:
        print(f"making {options.incidents} incidents and {options.users} users", flush=True)
        with running(folder, options.incidents) as service:
            judgement = asyncio.run(_measured(service, options.users, options.seconds))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for missed in judgement.missed:
        print(f"MISSED: {missed}")
    return 1 if judgement.missed else 0


def _raise_limits(users: int) -> None:
    """Of open files, for us and those that we start; printed, because a default machine has less."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, max(soft, users * DESCRIPTORS_A_USER))
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    raised = ", ".join(f"{name}={value}" for name, value in RAISED.items())
    print(f"raised for this: {raised} (all users have one address), open files {soft} -> {wanted}")


async def _measured(service: Running, users: int, seconds: float) -> Judgement:
    samples, watch = Samples(), Watch()
    tokens = await _signed_in(service, users)
    before, cpu = service.metrics(), time.process_time()
    print(f"{users} users for {seconds:.0f} s", flush=True)
    started = time.monotonic()
    watching = asyncio.create_task(watch.run())
    await crowd(service.url, service.trusted, tokens, seconds, samples)
    watching.cancel()
    took, cpu = time.monotonic() - started, time.process_time() - cpu
    judgement = judge(samples, queries(before, service.metrics()))
    print(
        f"\n{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n"
    )
    print(table(samples))
    print(
        f"\nAPI p95 {judgement.api_p95_ms:.0f} ms (asked: < 500), query p95 {judgement.query_p95_ms:.1f} ms (asked: < 100), "
        f"{judgement.errors} errors (asked: 0)\n"
        f"{judgement.requests} requests in {took:.0f} s: {judgement.requests / took:.0f} a second; the client was late "
        f"by {percentile(watch.latest, 0.95):.0f} ms (p95) and took {cpu / took:.0%} of a core"
    )
    for kind, errors in samples.errors.items():
        for error in errors[:3]:
            print(f"{kind}: {error}")
    return judgement


async def _signed_in(service: Running, users: int) -> list[Callable[[], str]]:
    """For each user what gives him a token that is valid. One in ten is an Auror, two are Prefects."""
    connection = await asyncpg.connect(service.database_url)
    rows = await connection.fetch(
        """INSERT INTO users (email, password_hash, first_name, last_name, role)
           SELECT 'load' || n || '@hogwarts.edu', 'none', 'A', 'B',
                  CASE WHEN n % 10 = 0 THEN 'AUROR' WHEN n % 10 < 3 THEN 'PREFECT' ELSE 'STUDENT' END
           FROM generate_series(1, $1) n RETURNING id""",
        users,
    )
    await connection.close()
    tokens = AccessTokens(service.jwt_secret)

    def giver(user: Any) -> Callable[[], str]:
        given: list[tuple[datetime, str]] = []

        def token() -> str:
            now = datetime.now(UTC)
            if not given or now - given[-1][0] > TOKEN_LIVES:
                given.append((now, tokens.issue(user, now)))
            return given[-1][1]

        token()
        return token

    return [giver(SimpleNamespace(id=row["id"], token_version=1)) for row in rows]


if __name__ == "__main__":
    sys.exit(main())
