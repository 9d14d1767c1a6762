"""`make run-api`: the API on this machine, with a database and a cache of its own, until Ctrl-C.

Every start begins with an empty database and an empty cache, unless `--keep` is given.
"""

import argparse
import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from dev.local_services import local_postgres, local_redis

STATE = Path(__file__).resolve().parent.parent / ".state" / "run-api"
READY_SECONDS = 30.0


def main() -> int:
    """Start everything, wait, stop everything; returns the API's exit code."""
    parser = argparse.ArgumentParser(prog="make run-api", description=__doc__)
    parser.add_argument("--port", type=_port, default=4001)
    parser.add_argument("--keep", action="store_true", help="go on with the database of the last run")
    parser.add_argument(
        "--state", type=Path, default=STATE, help="folder of the database (default: %(default)s)"
    )
    arguments = parser.parse_args()
    data: Path = arguments.state / "postgres"
    arguments.state.mkdir(parents=True, exist_ok=True)
    lock = (arguments.state / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held until this process ends, however it ends
    except BlockingIOError:
        _print_line(
            "another run-api of this checkout is running: stop it first, or give --state another folder"
        )
        return 1
    if not _is_free(arguments.port):
        # Before anything is started; and what listens there would answer for ours.
        _print_line(
            f"port {arguments.port} is taken: stop what listens there, or take another (make run-api PORT=4002)"
        )
        return 1
    if not arguments.keep:
        shutil.rmtree(data, ignore_errors=True)
    # Both: a shell's background job starts with SIGINT ignored, and one that is sent is meant.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    _print_line("starting PostgreSQL and Redis")
    with local_postgres(data) as postgres, local_redis() as redis:
        environment = {
            "ENVIRONMENT": "development",
            "HOST": "127.0.0.1",
            "JWT_SECRET": secrets.token_urlsafe(48),
            "DRAIN_SECONDS": "0",
            **os.environ,
            "PORT": str(arguments.port),
            "DATABASE_URL": postgres.url,
            "REDIS_URL": redis.url,
        }
        command = [sys.executable, "-m", "maraudersmap_api"]
        _print_line("migrating")
        subprocess.run([*command, "migrate"], env=environment, check=True)
        # A session of its own: Ctrl-C reaches only us, and we stop things in order.
        api = subprocess.Popen(command, env=environment, start_new_session=True)
        try:
            if not _ready(api, arguments.port):
                return api.wait() if api.poll() is not None else 1
            print(_welcome(arguments.port), flush=True)
            return api.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            if api.poll() is None:
                api.terminate()
            # Who has read the output may be gone: `make run-api | head`.
            with contextlib.suppress(BrokenPipeError):
                _print_line("stopping")
            api.wait(timeout=30)


def _port(text: str) -> int:
    """Known to be possible before anything is started."""
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"PORT={text!r} is not from 1 to 65535")
    return int(text)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _ready(api: "subprocess.Popen[bytes]", port: int) -> bool:
    deadline = time.monotonic() + READY_SECONDS
    # Asked for readiness before it has looked at its dependencies, it would begin its log with an error.
    asked = iter(("live", "ready"))
    path = next(asked)
    while api.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/{path}", timeout=1):
                if (following := next(asked, None)) is None:
                    return True
            path = following
            time.sleep(0.25)
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    if api.poll() is None:
        _print_line(f"not ready after {READY_SECONDS:.0f} s: see the lines above")
    else:
        _print_line(f"the API did not start: is port {port} taken? (make run-api PORT=4002)")
    return False


def _welcome(port: int) -> str:
    return f"""
The map is open at http://127.0.0.1:{port} - paste this into another terminal:

  API=http://127.0.0.1:{port}/api
  json='Content-Type: application/json'
  curl -s $API/auth/register -H "$json" -d '{{"email":"harry.potter@hogwarts.edu","password":"I solemnly swear", \
"firstName":"Harry","lastName":"Potter","house":"GRYFFINDOR"}}'; echo
  TOKEN=$(curl -s $API/auth/login -H "$json" -d '{{"email":"harry.potter@hogwarts.edu","password":"I solemnly swear"}}' \
| sed 's/.*"accessToken":"\\([^"]*\\)".*/\\1/')
  curl -s $API/incidents -H "$json" -H "Authorization: Bearer $TOKEN" \
-d '{{"title":"Polyjuice in the Slytherin common room","location":"HOGWARTS","severity":"MISCHIEF"}}'; echo
  curl -s "$API/incidents?search=Poly" -H "Authorization: Bearer $TOKEN"; echo

Ctrl-C: mischief managed.
"""


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _print_line(text: str) -> None:
    print(f"run-api: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
