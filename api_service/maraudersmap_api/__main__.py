"""`python -m maraudersmap_api`: serve (the default), migrate, smoke, accounts, keys, version; `--help` lists them.

Exit codes: 0 done; 1 failed (smoke: the candidate is rejected); 2 the configuration is wrong; 75 the database cannot be
reached (try again).
"""

import argparse
import asyncio
import math
import os
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from maraudersmap_api import SERVICE_NAME, __version__, exit_codes
from maraudersmap_api.settings import SettingsError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        match arguments.command:
            case "migrate":
                from maraudersmap_api.commands import migrate

                return asyncio.run(migrate(os.environ))
            case "create-user":
                from maraudersmap_api.commands import create_user

                return asyncio.run(create_user(os.environ, arguments))
            case "set-role":
                from maraudersmap_api.commands import set_role

                return asyncio.run(set_role(os.environ, arguments))
            case "deactivate" | "activate":
                from maraudersmap_api.commands import set_active

                active = arguments.command == "activate"
                return asyncio.run(set_active(os.environ, arguments, active=active))
            case "generate-jwt-key":
                from maraudersmap_api.commands import generate_jwt_key

                return generate_jwt_key()
            case "version":
                print(f"{SERVICE_NAME} {__version__}")  # noqa: T201 - the command's output
                return exit_codes.OK
            case "demo-data":
                from maraudersmap_api.demo import load_demo_data

                return asyncio.run(load_demo_data(os.environ, arguments))
            case "smoke":
                from maraudersmap_api.smoke.run import smoke

                return asyncio.run(smoke(os.environ, arguments))
            case "serve" if arguments.workers > 1:
                from maraudersmap_api.workers import serve_with_workers

                return serve_with_workers(arguments.workers, _serve)
            case _:
                return _serve(None)
    except SettingsError as error:
        for problem in error.problems:
            print(f"configuration: {problem}", file=sys.stderr)  # noqa: T201 - logs are not set up yet
        return exit_codes.CONFIGURATION


def _serve(listener: socket.socket | None) -> int:
    from maraudersmap_api.infra.loops import run
    from maraudersmap_api.serve import serve

    return run(serve(os.environ, listener))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m maraudersmap_api",
        description="The Marauder's Map incident API. Settings come from the environment; each variable NAME may "
        "also be given as NAME_FILE. See docs/api-configuration.md.",
        epilog="exit codes: 0 done, 1 failed (smoke: rejects), 2 wrong configuration, 75 database unreachable",
    )
    commands = parser.add_subparsers(dest="command", metavar="command")
    serve = commands.add_parser("serve", help="answer requests (the default); SIGTERM drains and ends it")
    serve.add_argument(
        "--workers", type=int, default=1, choices=range(1, 65), metavar="1..64", help="processes (default: 1)"
    )
    commands.add_parser("migrate", help="bring the database's schema up to date, then exit")
    create = commands.add_parser(
        "create-user",
        help="create an account with any role; the password is asked for, or read from standard input",
    )
    create.add_argument("--email", required=True, help="ends with @hogwarts.edu")
    create.add_argument("--role", default="STUDENT", choices=["STUDENT", "PREFECT", "AUROR"])
    create.add_argument("--first-name", default="", help="default: taken from the e-mail address")
    create.add_argument("--last-name", default="", help="default: taken from the e-mail address")
    create.add_argument("--house", choices=["GRYFFINDOR", "SLYTHERIN", "RAVENCLAW", "HUFFLEPUFF"])
    role = commands.add_parser("set-role", help="change an account's role; it has to refresh its session")
    role.add_argument("--email", required=True)
    role.add_argument("--role", required=True, choices=["STUDENT", "PREFECT", "AUROR"])
    for name, effect in (
        ("deactivate", "ends its sessions within 5 s"),
        ("activate", "it may sign in again"),
    ):
        commands.add_parser(name, help=f"{name} an account: {effect}").add_argument("--email", required=True)
    commands.add_parser(
        "generate-jwt-key", help="a new key for JWT_SECRET on standard output, its name on standard error"
    )
    demo = commands.add_parser(
        "demo-data", help="fill the database with users and incidents to try things out"
    )
    demo.add_argument("--incidents", type=int, default=10_000, help="how many (default: %(default)s)")
    demo.add_argument("--seed", type=int, default=7, help="the same seed gives the same data (default: 7)")
    _add_smoke(commands)
    commands.add_parser("version", help="print the version")
    return parser


def _add_smoke(commands: Any) -> None:
    smoke = commands.add_parser(
        "smoke",
        help="judge a revision before users meet it; needs DATABASE_URL, as migrate does",
        description="Signs in as a student who lives for this run only, makes one report and undoes it, reads "
        "everything three times, and opens a WebSocket. With --baseline also sends the same reads to both, alternating, "
        "and stops when the baseline suffers. The last line of standard output is a summary in JSON.",
        epilog="exit codes: 0 passes, 1 rejects, 75 could not be judged (database or baseline away, no account)",
    )
    smoke.add_argument("--candidate", required=True, type=_url, metavar="URL", help="the revision on trial")
    smoke.add_argument("--baseline", type=_url, metavar="URL", help="the revision that serves users now")
    smoke.add_argument(
        "--requests-per-second",
        type=_number(0.1, 50),
        default=5.0,
        metavar="N",
        help="to each of the two, with --baseline (default: 5)",
    )
    smoke.add_argument(
        "--seconds",
        type=_number(1, 300),
        default=10.0,
        metavar="S",
        help="how long, with --baseline (default: 10)",
    )


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise argparse.ArgumentTypeError(f"{text} is not an address such as http://map-api-preview")
    return text


def _number(low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not low <= number <= high:
            raise argparse.ArgumentTypeError(f"must be a number from {low:g} to {high:g}")
        return number

    return parse


if __name__ == "__main__":
    sys.exit(main())
