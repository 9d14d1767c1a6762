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
from dev.free_port import free_port

CONFIGURATION = Path(__file__).resolve().parents[1] / "manifests" / "compose" / "nginx" / "nginx.conf"
START_SECONDS = 30.0
_SERVERS = re.compile(r"server api-(\d):4001\b")


def configured(text: str, folder: Path, ports: Sequence[int], http: int, https: int) -> str:
    """The configuration with this machine's addresses and folders instead of the containers'; nothing else changes."""
    instances = len(set(_SERVERS.findall(text)))
    if instances != len(ports):
        raise ValueError(f"nginx.conf has {instances} instances, not {len(ports)}")
    text = _SERVERS.sub(lambda found: f"server 127.0.0.1:{ports[int(found[1]) - 1]}", text)
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
    with _folder() as folder:
        http, https = free_port(), free_port()
        trusted = _certificate(folder)
        text = configured(CONFIGURATION.read_text(), folder, ports, http, https)
        with _running(folder, text, https):
            yield f"http://127.0.0.1:{http}", f"https://127.0.0.1:{https}", trusted


@contextmanager
def two_proxies(api: str) -> Iterator[str]:
    """Two in a row before the API at an address, as Cloudflare and an ingress controller are: each appends to X-Forwarded-For
    the address that it was called from. The address of the outer one.

    Raises RuntimeError with its log when it does not start.
    """
    outer, inner = free_port(), free_port()
    with _folder() as folder, _running(folder, _in_a_row(folder, outer, inner, api), outer):
        yield f"http://127.0.0.1:{outer}"


def _in_a_row(folder: Path, outer: int, inner: int, api: str) -> str:
    servers = "".join(
        f"""
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass {behind};
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }}
    }}"""
        for port, behind in ((outer, f"http://127.0.0.1:{inner}"), (inner, api))
    )
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"    {kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    user = f"user {_user()};\n" if _user() else ""
    return f"{user}pid {folder}/pid;\nevents {{}}\nhttp {{\n    access_log off;\n{paths}{servers}\n}}\n"


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="marauders-nginx-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(folder: Path, configuration: str, port: int) -> Iterator[None]:
    """nginx with that configuration, once it listens on the port."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        raise RuntimeError("there is no nginx: apt-get install nginx")
    file = folder / "nginx.conf"
    file.write_text(configuration)
    with open(folder / "output", "wb") as output:
        process = subprocess.Popen(
            [program, "-p", str(folder), "-c", str(file), "-e", "stderr", "-g", "daemon off;"],
            stdout=output,
            stderr=output,
        )
    try:
        _wait(process, port, folder / "output")
        yield
    finally:
        process.terminate()
        process.wait(timeout=START_SECONDS)


def _certificate(folder: Path) -> ssl.SSLContext:
    key, certificate = folder / "tls_key", folder / "tls_certificate"
    self_signed(key, certificate, "127.0.0.1", "IP:127.0.0.1", days=2)
    return ssl.create_default_context(cafile=str(certificate))


def _user() -> str:
    return pwd.getpwuid(0).pw_name if os.geteuid() == 0 else ""


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"nginx did not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.05)
