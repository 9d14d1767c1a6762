"""What bench/api/run.py gives the bare server to answer with."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from bench.api.run import added_headers


class Ours(BaseHTTPRequestHandler):
    """Answers as our API does: a client that asks for it is sent that the connection ends."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.send_header("X-Frame-Options", "DENY")
        self.send_header("Connection", self.headers["Connection"])
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Quietly."""


@contextmanager
def server() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Ours) as listening:
        Thread(target=listening.serve_forever, daemon=True).start()
        yield listening.server_address[1]
        listening.shutdown()


def test_the_bare_server_keeps_its_connections() -> None:
    """With a `Connection: close` in each answer it would be measured by how fast it accepts connections."""
    with server() as port:
        assert added_headers(port) == {"X-Frame-Options": "DENY"}
