"""`make fuzz-api`: Schemathesis over the served document, against a running API with a real PostgreSQL and Redis.

Thousands of requests made from the document, good and bad ones: no 5xx, every answer as documented, bad data refused.
Then thousands that no document describes, with mutated headers, request lines and WebSocket frames: no 5xx either.
"""

import argparse
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from dev.free_port import free_port
from dev.fuzz_bytes import storm
from dev.local_services import local_postgres, local_redis

READY_SECONDS = 30.0
CONFIGURATION = Path(__file__).parent / "schemathesis.toml"
LEFT_OUT = (
    "/ws",  # speaks WebSocket: fuzz_bytes
    "/metrics",  # text that is not in any document
)


def main() -> int:
    """Run it; returns Schemathesis's exit code."""
    parser = argparse.ArgumentParser(prog="make fuzz-api", description=__doc__)
    parser.add_argument("--examples", type=int, default=100, help="for each operation (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument(
        "--requests", type=int, default=5000, help="with mutated headers (default: %(default)s)"
    )
    parser.add_argument("--sockets", type=int, default=500, help="with mutated frames (default: %(default)s)")
    arguments, further = parser.parse_known_args()
    folder = Path(tempfile.mkdtemp(prefix="marauders-fuzz-"))
    try:
        with local_postgres(folder / "data") as postgres, local_redis() as redis:
            postgres.forget_durability()
            port = free_port()
            environment = {
                **os.environ,
                "DATABASE_URL": postgres.create_database("map"),
                "REDIS_URL": redis.url,
                "JWT_SECRET": secrets.token_urlsafe(48),
                "HOST": "127.0.0.1",
                "PORT": str(port),
                "DRAIN_SECONDS": "0",
                "RATE_LIMIT_ANONYMOUS": "1000000",
                "RATE_LIMIT_AUTHENTICATED": "1000000",
                "LOG_LEVEL": "error",
            }
            program = [sys.executable, "-m", "maraudersmap_api"]
            subprocess.run([*program, "migrate"], env=environment, check=True)
            subprocess.run([*program, "demo-data", "--incidents", "300"], env=environment, check=True)
            api = subprocess.Popen(program, env=environment)
            try:
                base = f"http://127.0.0.1:{port}"
                _wait_ready(base)
                token = _token(base)
                mutated = _bytes(port, token, arguments)
                return _schemathesis(base, token, arguments, further, folder) or mutated
            finally:
                api.terminate()
                api.wait(timeout=30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _bytes(port: int, token: str, arguments: argparse.Namespace) -> int:
    seed = arguments.seed if arguments.seed is not None else secrets.randbelow(2**32)
    found = storm(port, token, requests=arguments.requests, sockets=arguments.sockets, seed=seed)
    for failure in found[:20]:
        print(failure)
    print(
        f"{arguments.requests} requests and {arguments.sockets} sockets of mutated bytes, "
        f"{len(found)} failures, --seed={seed}"
    )
    return int(bool(found))


def _token(base: str) -> str:
    """Taken once: signing in is refused after all that is done to it."""
    body = {"email": "demo.auror1@hogwarts.edu", "password": "mischief managed"}
    return str(_post(f"{base}/api/auth/login", body)["accessToken"])


def _schemathesis(
    base: str, token: str, arguments: argparse.Namespace, further: list[str], folder: Path
) -> int:
    seed = arguments.seed
    options = [
        f"--max-examples={arguments.examples}",
        "--phases=examples,coverage,fuzzing,stateful",
        "--continue-on-failure",
    ]
    options += ["--no-color", "--workers=1", *([f"--seed={seed}"] if seed is not None else [])]
    options += [word for path in LEFT_OUT for word in ("--exclude-path", path)]
    header = f"Authorization: Bearer {token}"
    command = [
        str(Path(sys.executable).parent / "st"),
        f"--config-file={CONFIGURATION}",
        "run",
        f"{base}/api/openapi.json",
        "-H",
        header,
        *options,
    ]
    return subprocess.run([*command, *further], cwd=folder, check=False).returncode


def _post(url: str, body: dict[str, str]) -> dict[str, Any]:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def _wait_ready(base: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{base}/health/ready", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
