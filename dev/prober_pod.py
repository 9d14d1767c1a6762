"""Runs inside the cluster, in a pod with the API's image: a steady trickle of requests, and an account of each failure.

Standard library only, and no client that repeats a failed request by itself: what a user would notice, counts. Half of
the requests go over one kept connection, half over a new one each; every tenth of a mode's lists incidents with a token.
`probe` prints one line of JSON a second until its time is over or SIGTERM comes; `call` sends one signed-in request.
"""

import argparse
import http.client
import json
import os
import signal
import ssl
import sys
import threading
import time

TIMEOUT_SECONDS = 5.0
PERIOD_SECONDS = 0.1
NOTED_FAILURES = 20
CA = os.environ.get("CA")  # the certificates that are trusted where the target is https://...
# Every how many-th request of a mode lists incidents with a token; the others ask for liveness only.
SIGNED_IN_EVERY = int(os.environ.get("SIGNED_IN_EVERY", "10"))


class Failed(Exception):
    """A request that a user would notice."""


class Account:
    """Counts by mode; `kept` and `new`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self.sent = {"kept": 0, "new": 0}
        self.failed = {"kept": 0, "new": 0}
        self.slowest_ms = 0.0
        self.failures: list[dict[str, object]] = []

    def add(self, mode: str, seconds: float, problem: str | None) -> None:
        with self._lock:
            self.sent[mode] += 1
            self.slowest_ms = max(self.slowest_ms, round(seconds * 1000, 1))
            if problem is None:
                return
            self.failed[mode] += 1
            if len(self.failures) < NOTED_FAILURES:
                at = time.strftime("%H:%M:%S", time.gmtime())
                self.failures.append({"at": at, "mode": mode, "problem": problem[:200]})

    def line(self, *, done: bool = False) -> str:
        with self._lock:
            return json.dumps(
                {
                    "at": round(time.time(), 3),
                    "seconds": round(time.monotonic() - self._started, 1),
                    "sent": self.sent,
                    "failed": self.failed,
                    "slowest_ms": self.slowest_ms,
                    "failures": self.failures,
                    "done": done,
                }
            )


def connection_to(target: str) -> http.client.HTTPConnection:
    """Not opened yet. `target`: a host and perhaps its port, in plain HTTP; or either behind `https://`."""
    if not target.startswith("https://"):
        return http.client.HTTPConnection(target, timeout=TIMEOUT_SECONDS)
    context = ssl.create_default_context(cadata=CA)
    return http.client.HTTPSConnection(
        target.removeprefix("https://"), timeout=TIMEOUT_SECONDS, context=context
    )


def exchange(
    connection: http.client.HTTPConnection, method: str, path: str, token: str = "", body: str | None = None
) -> tuple[int, str]:
    """One request, never repeated. http.client opens the connection again only if it knows that it was closed."""
    headers = {"Content-Type": "application/json"} if body else {}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    connection.request(method, path, body=body, headers=headers)
    response = connection.getresponse()
    return response.status, response.read().decode()


def sign_in(host: str, email: str, password: str) -> str:
    """An access token; registers the account when it is new."""
    connection = connection_to(host)
    account = {"email": email, "password": password, "firstName": "Argus", "lastName": "Filch"}
    status, text = exchange(connection, "POST", "/api/auth/register", body=json.dumps(account))
    if status not in (201, 409):
        raise Failed(f"register: {status} {text}")
    login = {"email": email, "password": password}
    status, text = exchange(connection, "POST", "/api/auth/login", body=json.dumps(login))
    if status != 200:
        raise Failed(f"login: {status} {text}")
    return str(json.loads(text)["accessToken"])


class Prober:
    def __init__(self, host: str, token: str) -> None:
        self._host = host
        self._token = token
        self._kept = connection_to(host)
        self.account = Account()
        self.stop = threading.Event()

    def run(self, seconds: float) -> None:
        """Probe until `seconds` are over or `stop` is set, printing as it goes."""
        end = time.monotonic() + seconds
        threads = [threading.Thread(target=work, daemon=True) for work in (self._keep_asking, self._ask_anew)]
        for thread in threads:
            thread.start()
        while not self.stop.wait(1.0) and time.monotonic() < end:
            print(self.account.line(), flush=True)
        self.stop.set()
        for thread in threads:
            thread.join(TIMEOUT_SECONDS + 1)
        print(self.account.line(done=True), flush=True)

    def _keep_asking(self) -> None:
        turn = 0
        while not self.stop.wait(2 * PERIOD_SECONDS):
            self._one("kept", self._kept, turn)
            turn += 1

    def _ask_anew(self) -> None:
        turn = 0
        while not self.stop.wait(2 * PERIOD_SECONDS):
            # Each in a thread of its own: one that hangs must not hide the others' fate.
            threading.Thread(target=self._anew, args=(turn,), daemon=True).start()
            turn += 1

    def _anew(self, turn: int) -> None:
        connection = connection_to(self._host)
        self._one("new", connection, turn)
        connection.close()

    def _one(self, mode: str, connection: http.client.HTTPConnection, turn: int) -> None:
        signed_in = bool(self._token) and turn % SIGNED_IN_EVERY == 0
        path = "/api/incidents?limit=1" if signed_in else "/health/live"
        began = time.monotonic()
        problem = None
        try:
            status, text = exchange(connection, "GET", path, self._token if signed_in else "")
            if status != 200:
                problem = f"{path}: {status} {text}"
        except (OSError, http.client.HTTPException) as error:
            problem = f"{path}: {type(error).__name__}: {error}"
            connection.close()
        self.account.add(mode, time.monotonic() - began, problem)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    probe = commands.add_parser("probe")
    probe.add_argument("--seconds", type=float, required=True)
    call = commands.add_parser("call")
    call.add_argument("method")
    call.add_argument("path")
    call.add_argument("body", nargs="?")
    arguments = parser.parse_args()
    host = os.environ["TARGET"]
    email, password = os.environ.get("PROBER_EMAIL", ""), os.environ.get("PROBER_PASSWORD", "")
    try:
        token = sign_in(host, email, password) if email else ""
        if arguments.command == "call":
            connection = connection_to(host)
            status, text = exchange(connection, arguments.method, arguments.path, token, arguments.body)
            print(json.dumps({"status": status, "body": json.loads(text) if text else None}))
            return 0
    except (OSError, http.client.HTTPException, Failed) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    prober = Prober(host, token)
    signal.signal(signal.SIGTERM, lambda *_: prober.stop.set())
    prober.run(arguments.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
