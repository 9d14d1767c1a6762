"""A port that was looked for is there when its server starts, and when it starts again."""

from __future__ import annotations

import socket

import pytest
from dev.free_port import free_port


def test_no_one_else_gets_it_before_its_server_or_between_two_of_them() -> None:
    port = free_port()
    for _ in range(2):
        with socket.socket() as another, pytest.raises(OSError, match="in use"):
            another.bind(("127.0.0.1", port))
        with socket.create_server(("127.0.0.1", port)) as server:
            with socket.create_connection(("127.0.0.1", port)) as client:
                accepted, _ = server.accept()
                accepted.close()
            assert client.fileno() < 0


def test_nothing_listens_on_it() -> None:
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", free_port())) != 0


@pytest.mark.parametrize("host", ["", "127.0.0.1", "127.0.0.2"])
def test_a_server_of_any_interface_can_listen_on_it(host: str) -> None:
    with socket.create_server((host, free_port())) as server:
        assert server.getsockname()[1]
