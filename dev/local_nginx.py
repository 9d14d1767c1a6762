"""nginx as manifests/compose has it, in front of instances on this machine: for tests of what goes through it."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dev.certificate import self_signed

CONFIGURATION = Path(__file__).resolve().parents[1] / "manifests" / "compose" / "nginx" / "nginx.conf"
START_SECONDS = 30.0
_SERVERS = re.compile(r"server api-\d:4001 ([^;]*);")


def configured(text: str, folder: Path, ports: Sequence[int], http: int, https: int) -> str:
    """The configuration with this machine's addresses and folders instead of the containers'; nothing else changes."""
    options = _SERVERS.findall(text)
    if len(options) != len(ports):
        raise ValueError(f"nginx.conf has {len(options)} instances, not {len(ports)}")
    remaining = iter(ports)
    text = _SERVERS.sub(lambda found: f"server 127.0.0.1:{next(remaining)} {found[1]};", text)
    text = text.replace("listen 8080;", f"listen 127.0.0.1:{http};")
    text = text.replace("listen 8443 ssl;", f"listen 127.0.0.1:{https} ssl;")
    text = re.sub(r"/run/secrets/|/tmp/", f"{folder}/", text)
    # Started as root, its workers would be nobody, who cannot write to the folder.
    return f"user {_user()};\n{text}" if _user() else text


@contextmanager
def local_nginx(ports: Sequence[int]) -> Iterator[tuple[str, str, ssl.SSLContext]]:
    """Start it in front of instances on these ports of 127.0.0.1: its http and https addresses, and whom to trust.

    Raises RuntimeError with its log when it does not start.
    """
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        raise RuntimeError("there is no nginx: apt-get install nginx")
    folder = Path(tempfile.mkdtemp(prefix="marauders-nginx-"))
    http, https = _free_port(), _free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(configured(CONFIGURATION.read_text(), folder, ports, http, https))
    trusted = _certificate(folder)
    with open(folder / "output", "wb") as output:
        process = subprocess.Popen(
            [program, "-p", str(folder), "-c", str(configuration), "-e", "stderr", "-g", "daemon off;"],
            stdout=output,
            stderr=output,
        )
    try:
        _wait(process, https, folder / "output")
        yield f"http://127.0.0.1:{http}", f"https://127.0.0.1:{https}", trusted
    finally:
        process.terminate()
        process.wait(timeout=START_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)


def _certificate(folder: Path) -> ssl.SSLContext:
    key, certificate = folder / "tls_key", folder / "tls_certificate"
    self_signed(key, certificate, "127.0.0.1", "IP:127.0.0.1", days=2)
    return ssl.create_default_context(cafile=str(certificate))


def _user() -> str:
    return pwd.getpwuid(0).pw_name if os.geteuid() == 0 else ""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"nginx did not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.05)
