"""`make compose-up`, `compose-down`, `compose-smoke`: the service on one machine, as manifests/compose has it.

`up` makes the secrets that are not there yet, and the images where none can be pulled; again it changes what has changed,
without a failed request. `smoke` does it with containers, data and ports of its own, and tries what must hold.
Exit codes: 0 done; 1 something is missing, failed or not as it should be.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from dev.cluster.host.console import Problem, print_line
from dev.compose import FOLDER, images, plugin, smoke
from dev.compose.secret_files import make_secrets
from dev.compose.stack import Stack
from dev.kube import report_problem


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m dev.compose",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=["up", "down", "smoke"])
    command = parser.parse_args(arguments).command
    try:
        compose = plugin.implementation()
        if command == "smoke":
            return smoke.main(compose)
        if command == "down":
            Stack(compose, {}).down()
            print_line("removed; the volumes and manifests/compose/secrets stay")
            return 0
        _up(compose)
    except Problem as problem:
        return report_problem(problem)
    return 0


def _up(compose: Sequence[str]) -> None:
    if made := make_secrets(FOLDER / "secrets"):
        print_line(f"made in manifests/compose/secrets: {', '.join(made)}")
    variables = images.variables()
    Stack(compose, variables).up()
    print_line("ready: https://localhost:8443/api/docs, with a certificate that no browser trusts")
    if "COMPOSE_PROFILES" in variables:
        print_line(
            "Grafana: http://127.0.0.1:3000, as admin; the password is grafana_password in manifests/compose/secrets"
        )
    else:
        print_line("without Grafana: its image cannot be pulled here, and Debian has none")


if __name__ == "__main__":
    sys.exit(main())
