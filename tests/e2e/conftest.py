"""The service that a browser walks through, by its address, and the browser: the system's, driven by Playwright.

E2E_URL names a deployed service; without it one is started here, the way `make run-api` does. E2E_INSECURE=yes
believes any certificate, for the one that `make compose-up` makes for itself.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from argparse import ArgumentTypeError
from collections.abc import Iterator

import pytest
from dev.end_to_end import address as checked
from dev.free_port import free_port
from playwright.sync_api import Browser, sync_playwright
from tests.e2e.visit import ROOT, Visits, chromium

END_SECONDS = 60


def pytest_configure() -> None:
    """A wrong E2E_URL is one sentence, not a failure of each test."""
    if given := os.environ.get("E2E_URL"):
        try:
            checked(given)
        except ArgumentTypeError as error:
            pytest.exit(f"URL: {error}", returncode=2)


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Such as https://staging.marauders-map.hogwarts.edu, without a slash at the end."""
    if given := os.environ.get("E2E_URL"):
        yield given.rstrip("/")
        return
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="marauders-e2e-") as state:
        command = [sys.executable, "-m", "dev.run_api", "--port", str(port), "--state", state]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as api:
            try:
                assert api.stdout is not None
                printed: list[str] = []
                while "mischief managed" not in (line := api.stdout.readline()):
                    assert line, f"the API did not start: {''.join(printed)}"
                    printed.append(line)
                yield f"http://127.0.0.1:{port}"
            finally:
                api.send_signal(signal.SIGINT)
                # Reads on: a program that writes into a full pipe never ends.
                api.communicate(timeout=END_SECONDS)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One for all tests; each has a profile of its own in it."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        yield running
        running.close()


@pytest.fixture
def visits(browser: Browser, address: str) -> Visits:
    """Where and with what to look."""
    return Visits(browser, address, insecure=os.environ.get("E2E_INSECURE") == "yes")
