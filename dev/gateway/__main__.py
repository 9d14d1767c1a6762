"""`python -m dev.gateway install|remove|status`: a Gateway `marauders` on the cluster of this checkout."""

from __future__ import annotations

import argparse
import sys

from dev.cluster.host.console import Problem
from dev.gateway import install
from dev.kube import KubectlFailed, connect, report_problem


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m dev.gateway", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install", help="bring it up; does nothing when it is up")
    commands.add_parser(
        "remove", help="remove it and the CRDs that it brought; every HTTPRoute goes with them"
    )
    commands.add_parser("status", help="report how it is; ends with 0 when it is ready")
    command = parser.parse_args().command
    try:
        kubectl = connect()
        match command:
            case "install":
                install.install(kubectl)
            case "remove":
                install.remove(kubectl)
            case _:
                return 0 if install.status(kubectl) else 1
    except (Problem, KubectlFailed) as problem:
        return report_problem(problem)
    return 0


if __name__ == "__main__":
    sys.exit(main())
