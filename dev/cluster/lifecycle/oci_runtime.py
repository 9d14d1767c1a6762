#!/usr/bin/env python3
"""An OCI runtime that removes CAP_SYS_RESOURCE and then becomes runc.

Some machines are themselves sandboxes whose bounding set lacks CAP_SYS_RESOURCE. Docker asks for every capability
for a privileged container, and runc then fails with `unable to apply caps`. Docker is given this program as its
runtime there. It is copied out of the checkout: it must import nothing of ours.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

MISSING = "CAP_SYS_RESOURCE"
RUNC = "runc"


def without_capability(process: dict[str, Any]) -> dict[str, Any]:
    """The process section of a spec, with the capability taken out of each of its sets and no raised limits."""
    capabilities = {
        name: [c for c in members if c != MISSING]
        for name, members in (process.get("capabilities") or {}).items()
    }
    return {**process, "capabilities": capabilities} if capabilities else process


def option(arguments: list[str], *names: str) -> str | None:
    """The value of `--name value` or `--name=value`, or None."""
    for position, argument in enumerate(arguments):
        for name in names:
            if argument == name and position + 1 < len(arguments):
                return arguments[position + 1]
            if argument.startswith(name + "="):
                return argument.partition("=")[2]
    return None


def command_of(arguments: list[str]) -> str | None:
    """runc's subcommand: the first word that is neither an option nor a global option's value."""
    with_value = {"--root", "--log", "--log-format", "--criu", "--rootless"}
    words = iter(arguments)
    for word in words:
        if word in with_value:
            next(words, None)
        elif not word.startswith("-"):
            return word
    return None


def prepare(arguments: list[str]) -> None:
    """Edit the file that runc is about to read: the bundle for create and run, the process file for exec."""
    match command_of(arguments):
        case "create" | "run":
            path = Path(option(arguments, "--bundle", "-b") or ".") / "config.json"
            spec = json.loads(path.read_text(encoding="utf-8"))
            spec["process"] = without_capability(spec["process"])
            path.write_text(json.dumps(spec), encoding="utf-8")
        case "exec":
            if process_file := option(arguments, "--process", "-p"):
                path = Path(process_file)
                process = without_capability(json.loads(path.read_text(encoding="utf-8")))
                path.write_text(json.dumps(process), encoding="utf-8")
        case _:
            pass


if __name__ == "__main__":
    prepare(sys.argv[1:])
    os.execvp(RUNC, [RUNC, *sys.argv[1:]])  # noqa: S606 - becoming runc is the point
