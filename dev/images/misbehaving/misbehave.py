"""The API with something wrong, chosen by the variable MISBEHAVE: `word` or `word:number`, several with commas; empty:
nothing is.

crash              ends at once
crash-ready:S      ends S seconds after it was first ready, for ever
recovers:S         ends at once during the first S seconds after the revision's first pod began, then works: as if what it
                   needs were not there yet
slow-start:S       starts after S seconds
oom                takes memory until it is killed
never-ready        readiness is always 503
errors:P           P percent of users' requests are answered 500
slow:MS            users' requests take MS milliseconds longer
hangs:N            answers nothing any more after N users' requests, probes included
locks              takes every table of the database for itself
migrate-fails      the migrations end with exit code 1
migrate-away       the migrations report that the database cannot be reached (exit code 75)
migrate-changes    the migrations report that they changed the schema
"""

import asyncio
import json
import os
import random
import runpy
import sys
import threading
import time
from pathlib import Path
from typing import Any

CHUNK_BYTES = 16 << 20

TERMINATION_LOG = Path("/dev/termination-log")


def faults() -> dict[str, float]:
    """{word: number}"""
    parts = [part.partition(":") for part in os.environ.get("MISBEHAVE", "").split(",") if part]
    return {word: float(number or 0) for word, _, number in parts}


wrong = faults()


def end(reason: str) -> None:
    """Last words where the kubelet finds them, then gone."""
    print(json.dumps({"level": "error", "message": reason}), flush=True)
    os._exit(1)


def end_soon(seconds: float) -> None:
    threading.Timer(seconds, end, args=["the map is torn: it worked for a while"]).start()


def take_memory() -> None:
    held = []
    while True:
        held.append(bytearray(os.urandom(1) * CHUNK_BYTES))
        time.sleep(0.05)


async def age_of_revision() -> float:
    """Seconds since the first pod of this pod's ReplicaSet asked; the database is what they share."""
    import asyncpg

    replica_set = os.uname().nodename.rpartition("-")[0]
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    await connection.execute("CREATE SCHEMA IF NOT EXISTS misbehave")
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS misbehave.born (name text PRIMARY KEY, at timestamptz DEFAULT clock_timestamp())"
    )
    await connection.execute(
        "INSERT INTO misbehave.born (name) VALUES ($1) ON CONFLICT DO NOTHING", replica_set
    )
    query = "SELECT extract(epoch FROM clock_timestamp() - at) FROM misbehave.born WHERE name = $1"
    age = float(await connection.fetchval(query, replica_set))
    await connection.close()
    return age


async def lock_tables() -> None:
    import asyncpg

    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    tables = await connection.fetch(
        "SELECT quote_ident(tablename) t FROM pg_tables WHERE schemaname = 'public'"
    )
    async with connection.transaction():
        await connection.execute(
            "LOCK TABLE " + ", ".join(r["t"] for r in tables) + " IN ACCESS EXCLUSIVE MODE"
        )
        await asyncio.Event().wait()


def interfere(app: Any) -> None:
    """Put the fault in front of the API's own handlers, behind what measures them."""
    from aiohttp import web

    state = {"users": 0, "ending": False}

    @web.middleware
    async def fault(request: web.Request, handler: Any) -> Any:
        probe = request.path.startswith(("/health", "/metrics"))
        if not probe:
            state["users"] += 1
        if "hangs" in wrong and state["users"] > wrong["hangs"]:
            await asyncio.sleep(3600)
        if "never-ready" in wrong and request.path == "/health/ready":
            return web.json_response({"status": "not_ready"}, status=503)
        if "errors" in wrong and not probe and random.random() * 100 < wrong["errors"]:  # noqa: S311 (a fault, not a secret)
            return web.json_response({"error": {"code": "INTERNAL", "message": "torn"}}, status=500)
        if "slow" in wrong and not probe:
            await asyncio.sleep(wrong["slow"] / 1000)
        answer = await handler(request)
        if (
            "crash-ready" in wrong
            and request.path == "/health/ready"
            and answer.status == 200
            and not state["ending"]
        ):
            state["ending"] = True
            end_soon(wrong["crash-ready"])
        return answer

    app.middlewares.append(fault)


def serve() -> None:
    if "crash" in wrong:
        sys.exit("the map is torn: this build ends at once, on purpose")
    if "recovers" in wrong and asyncio.run(age_of_revision()) < wrong["recovers"]:
        sys.exit("the map is still folded")
    if "slow-start" in wrong:
        time.sleep(wrong["slow-start"])
    if "oom" in wrong:
        threading.Thread(target=take_memory, daemon=True).start()
    if "locks" in wrong:
        threading.Thread(target=lambda: asyncio.run(lock_tables()), daemon=True).start()
    import maraudersmap_api.serve

    server: Any = maraudersmap_api.serve
    build = server.build

    def broken(*args: Any, **kwargs: Any) -> Any:
        service = build(*args, **kwargs)
        interfere(service.app)
        return service

    server.build = broken
    runpy.run_module("maraudersmap_api", run_name="__main__")


def migrate() -> None:
    if "migrate-fails" in wrong:
        sys.exit('relation "secrets" does not exist: this migration fails on purpose')
    if "migrate-away" in wrong:
        sys.exit(75)
    try:
        runpy.run_module("maraudersmap_api", run_name="__main__")
    finally:
        if "migrate-changes" in wrong:
            TERMINATION_LOG.write_text("applied 99", encoding="utf-8")


if __name__ == "__main__":
    migrate() if "migrate" in sys.argv[1:] else serve()
