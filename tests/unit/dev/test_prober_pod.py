"""The prober counts what a user would notice, and repeats nothing on its own."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from dev import prober_pod
from dev.certificate import self_signed
from dev.prober_pod import Prober, connection_to


class Service(ThreadingHTTPServer):
    """Answers with `status`; with `rude`, ends each connection after an answer without saying so."""

    daemon_threads = True
    status = 200
    rude = False
    requests = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Service

    def do_GET(self) -> None:
        self.server.requests += 1
        self.send_response(self.server.status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
        if self.server.rude:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet."""


@pytest.fixture
def service() -> Iterator[Service]:
    with Service(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def connection(service: Service) -> Iterator[http.client.HTTPConnection]:
    found = http.client.HTTPConnection("127.0.0.1", service.server_port, timeout=5)
    yield found
    found.close()


def _failed(prober: Prober) -> dict[str, int]:
    failed: dict[str, int] = json.loads(prober.account.line())["failed"]
    return failed


def test_an_answer_is_no_failure(service: Service, connection: http.client.HTTPConnection) -> None:
    prober = Prober(f"127.0.0.1:{service.server_port}", token="")
    for turn in range(3):
        prober._one("kept", connection, turn)
    assert _failed(prober) == {"kept": 0, "new": 0}
    assert service.requests == 3


def test_any_status_but_200_is_a_failure(service: Service, connection: http.client.HTTPConnection) -> None:
    service.status = 503
    prober = Prober(f"127.0.0.1:{service.server_port}", token="")
    prober._one("new", connection, 1)
    assert _failed(prober) == {"kept": 0, "new": 1}
    assert "503" in prober.account.line()


def test_a_connection_cut_without_notice_is_a_failure(
    service: Service, connection: http.client.HTTPConnection
) -> None:
    """A server that keeps its word says `Connection: close` first; a client that repeats would hide that it did not."""
    service.rude = True
    prober = Prober(f"127.0.0.1:{service.server_port}", token="")
    prober._one("kept", connection, 1)
    prober._one("kept", connection, 2)
    assert _failed(prober) == {"kept": 1, "new": 0}
    assert service.requests == 1


def test_nobody_there_is_a_failure(service: Service) -> None:
    gone = http.client.HTTPConnection("127.0.0.1", 1, timeout=5)
    prober = Prober("127.0.0.1:1", token="")
    prober._one("new", gone, 1)
    assert _failed(prober) == {"kept": 0, "new": 1}


def test_by_tls_only_a_trusted_certificate_is_an_answer(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ours", "other"):
        self_signed(tmp_path / f"{name}.key", tmp_path / f"{name}.crt", name, "IP:127.0.0.1", days=1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "ours.crt", tmp_path / "ours.key")
    service.socket = context.wrap_socket(service.socket, server_side=True)
    target = f"https://127.0.0.1:{service.server_port}"
    prober = Prober(target, token="")
    for name, failed in (("other", 1), ("ours", 1)):
        monkeypatch.setattr(prober_pod, "CA", (tmp_path / f"{name}.crt").read_text())
        connection = connection_to(target)
        prober._one("new", connection, 1)
        connection.close()
        assert _failed(prober) == {"kept": 0, "new": failed}
    assert "CERTIFICATE_VERIFY_FAILED" in prober.account.line()
