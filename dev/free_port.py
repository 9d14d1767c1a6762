"""A port for a server that is about to be started."""

from __future__ import annotations

import socket


def free_port() -> int:
    """A port of 127.0.0.1 that the system gives to no one else until this process ends: between looking for one and listening
    on it, another test, or a connection to anywhere, would now and then have got it.

    It is bound and not listened on, so a server that sets SO_REUSEADDR can listen, and again after a restart.
    """
    kept = socket.socket()
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    kept.bind(("127.0.0.1", 0))
    port = int(kept.getsockname()[1])
    kept.detach()  # open until this process ends, with no one to close it
    return port
