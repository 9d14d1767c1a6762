"""What make is given wrongly is named in one sentence, with an example, before anything is started."""

from __future__ import annotations

import subprocess
import sys

import pytest
from dev.cluster.host.paths import CHECKOUT


@pytest.mark.parametrize(
    ("target", "variables", "missing"),
    [
        ("deploy", [], "OVERLAY"),
        ("deploy", ["OVERLAY=staging"], "IMAGE"),
        ("smoke", [], "URL"),
        ("end-to-end", ["URL="], "URL"),
    ],
)
def test_a_variable_that_is_needed(target: str, variables: list[str], missing: str) -> None:
    made = subprocess.run(
        ["make", "--dry-run", target, *variables], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert made.returncode == 2
    assert f"{missing} is missing, such as: make {target} " in made.stderr
    assert f"{missing}=" in made.stderr
    assert "dev." not in made.stdout, "nothing was started"


@pytest.mark.parametrize(
    ("program", "arguments", "named"),
    [
        ("dev.end_to_end", ["localhost:4001"], "'localhost:4001' is no address such as https://"),
        ("dev.end_to_end", ["https:///path"], "is no address such as https://"),
        ("dev.run_api", ["--port", "65536"], "PORT='65536' is not from 1 to 65535"),
        ("dev.run_api", ["--port", "http"], "PORT='http' is not from 1 to 65535"),
    ],
)
def test_a_value_that_is_wrong(program: str, arguments: list[str], named: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", program, *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    assert named in run.stderr
    assert "Traceback" not in run.stderr
