"""`make compose-up`, `compose-down`: the service on one machine, as manifests/compose has it.

Makes the secrets that are not there yet and hands the rest to Docker Compose. Exit codes: 0 done; 1 something is missing or
failed.
"""

from __future__ import annotations

import argparse
import secrets
import subprocess
import sys
from pathlib import Path

from dev.certificate import self_signed
from dev.cluster.host.console import Problem, say, step
from dev.cluster.host.paths import CHECKOUT, program
from dev.cluster.host.shell import succeeds
from dev.kube import tell

FOLDER = CHECKOUT / "manifests" / "compose"
UP_SECONDS = 300


def make_secrets(folder: Path) -> list[str]:
    """Make those that are not there; their names. Containers of several users read them, so the folder is what is closed."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o700)
    made = []
    password = folder / "postgres_password"
    if not password.exists():
        _write(password, secrets.token_hex(24))
        # Together: a password alone opens nothing.
        url = f"postgresql://marauders:{password.read_text(encoding='ascii')}@postgres:5432/marauders"
        _write(folder / "database_url", url)
        made += ["postgres_password", "database_url"]
    if not (folder / "jwt_secret").exists():
        _write(folder / "jwt_secret", secrets.token_urlsafe(48))
        made.append("jwt_secret")
    if not (folder / "tls_certificate").exists():
        _self_signed(folder)
        made += ["tls_certificate", "tls_key"]
    return made


def _write(file: Path, text: str) -> None:
    file.write_text(text, encoding="ascii")
    file.chmod(0o444)


def _self_signed(folder: Path) -> None:
    key, certificate = folder / "tls_key", folder / "tls_certificate"
    self_signed(key, certificate, "localhost", "DNS:localhost,IP:127.0.0.1", days=30)
    for file in (key, certificate):
        file.chmod(0o444)


def implementation() -> list[str]:
    """The command of a Compose that understands this file. Raises Problem when there is none."""
    if program("docker") and succeeds(["docker", "compose", "version"], timeout=20):
        return ["docker", "compose"]
    raise Problem("Docker Compose is missing", "install Docker's Compose plugin, version 2.20 or newer")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m dev.compose", description=__doc__)
    parser.add_argument("command", choices=["up", "down"])
    command = parser.parse_args().command
    try:
        compose = [*implementation(), "--project-directory", str(FOLDER)]
        if command == "down":
            subprocess.run([*compose, "down"], check=True)
            say("removed; the volumes and manifests/compose/secrets stay")
            return 0
        if made := make_secrets(FOLDER / "secrets"):
            say(f"made in manifests/compose/secrets: {', '.join(made)}")
        with step("starting"):
            subprocess.run(
                [*compose, "up", "--detach", "--wait", "--wait-timeout", str(UP_SECONDS)], check=True
            )
        say("ready: https://localhost:8443/api/docs, with a certificate that no browser trusts")
    except Problem as problem:
        return tell(problem)
    except subprocess.CalledProcessError as error:
        return tell(Problem(f"{' '.join(error.cmd)} ended with {error.returncode}"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
