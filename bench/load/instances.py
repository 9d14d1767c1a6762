"""What is measured, as processes: three instances of the API behind the nginx of manifests/compose, PostgreSQL, two Redis."""

from __future__ import annotations

import os
import secrets
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from dev.free_port import free_port
from dev.local_nginx import local_nginx
from dev.local_services import local_postgres, local_redis

INSTANCES = 3
START_SECONDS = 120.0
RAISED = {"RATE_LIMIT_ANONYMOUS": "1000000"}
"""All users come from one address here. What a user may do is as in production."""


@dataclass(frozen=True, slots=True)
class Running:
    """Where it is, and the key that signs its tokens."""

    url: str
    trusted: ssl.SSLContext
    ports: tuple[int, ...]
    database_url: str
    jwt_secret: str

    def metrics(self) -> list[str]:
        """/metrics of each instance, past nginx, which does not give it."""
        return [_page(f"http://127.0.0.1:{port}/metrics") for port in self.ports]


@contextmanager
def running(folder: Path, incidents: int) -> Iterator[Running]:
    """With so many incidents; all of it gone at the end. Raises RuntimeError with a log when something does not start."""
    with ExitStack() as stack:
        postgres = stack.enter_context(local_postgres(folder / "data"))
        cache, limits = (stack.enter_context(local_redis()) for _ in range(2))
        secret = secrets.token_urlsafe(48)
        environment = {
            **os.environ,
            **RAISED,
            "DATABASE_URL": postgres.create_database("load"),
            "REDIS_URL": cache.url,
            "LIMITS_REDIS_URL": limits.url,
            "JWT_SECRET": secret,
            "HOST": "127.0.0.1",
            "TRUSTED_PROXIES": "1",
            "DRAIN_SECONDS": "0",
        }
        command = [sys.executable, "-m", "maraudersmap_api"]
        for prepare in (["migrate"], ["demo-data", "--incidents", str(incidents)]):
            subprocess.run([*command, *prepare], env=environment, check=True, stdout=subprocess.DEVNULL)
        ports = tuple(free_port() for _ in range(INSTANCES))
        for port in ports:
            stack.enter_context(
                _instance(command, {**environment, "PORT": str(port)}, folder / f"{port}.log")
            )
        _, url, trusted = stack.enter_context(local_nginx(ports))
        yield Running(url, trusted, ports, environment["DATABASE_URL"], secret)


@contextmanager
def _instance(command: list[str], environment: dict[str, str], log: Path) -> Iterator[None]:
    """Ready when the block begins."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(f"http://127.0.0.1:{environment['PORT']}/health/ready"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"an instance did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)


def _answers(url: str) -> bool:
    try:
        return bool(_page(url))
    except (urllib.error.URLError, OSError):
        return False


def _page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())
