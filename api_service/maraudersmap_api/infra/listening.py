"""The listening socket. Imports nothing of ours: `serve --workers` opens it before there is anything else."""

import errno
import socket

BACKLOG = 1024
SEND_BYTES = 256 * 1024
"""What the kernel keeps for a connection that does not read; left alone it grows to 4 MB, which a pod's limit counts too.
Enough for 2.5 MB/s over 100 ms."""
EVERY_INTERFACE = (None, "", "::")


def listening_socket(host: str | None, port: int) -> socket.socket:
    """A socket that accepts connections; port 0 lets the system choose one. Raises OSError.

    None and `::` mean every interface, over IPv6 and IPv4 on one port: a cluster may give its pods either, or both. Where
    the machine has no IPv6, None means every IPv4 interface. IPv4 clients of such a socket look like ::ffff:192.0.2.1.
    """
    listener = _bound(host, port)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)  # inherited by what it accepts
    return listener


def _bound(host: str | None, port: int) -> socket.socket:
    if host not in EVERY_INTERFACE:
        family = socket.AF_INET6 if ":" in str(host) else socket.AF_INET
        return socket.create_server((str(host), port), backlog=BACKLOG, family=family)
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(
                ("::", port), backlog=BACKLOG, family=socket.AF_INET6, dualstack_ipv6=True
            )
        except OSError as error:
            # Compiled in, but switched off on this machine: that is no reason not to serve.
            if host == "::" or error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                raise
    return socket.create_server(("", port), backlog=BACKLOG, family=socket.AF_INET)
