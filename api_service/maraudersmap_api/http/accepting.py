"""Accepting connections while others are being served."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from maraudersmap_api.infra.logs import log

A_TURN = 128
"""Takes some 5 ms, for which those wait that are served already."""
AGAIN_SECONDS = 1.0


class Acceptor:
    """Accepts what waits on a listening socket, up to A_TURN connections in each turn of the event loop.

    uvloop's own server accepts one in a turn, as libuv does since 1.45. A turn takes as long as there are requests to
    answer: with a thousand busy connections it took 0.1 s, and who came then waited behind hundreds of others, a probe of
    the kubelet as well.
    """

    def __init__(self, listener: socket.socket, connect: Callable[[], asyncio.BaseProtocol]) -> None:
        self._listener = listener
        self._connect = connect
        self._loop = asyncio.get_running_loop()
        self._opening: set[asyncio.Task[Any]] = set()
        self._again: asyncio.TimerHandle | None = None
        listener.setblocking(False)
        self._watch()

    async def close(self) -> None:
        """Accept no more. What was accepted is connected when this returns."""
        if self._again is not None:
            self._again.cancel()
        self._loop.remove_reader(self._listener)
        self._listener.close()
        if self._opening:
            await asyncio.wait(self._opening)

    def _watch(self) -> None:
        self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        for _ in range(A_TURN):
            try:
                connection, _address = self._listener.accept()
            except BlockingIOError:
                return
            except ConnectionAbortedError:  # its client went while it waited
                continue
            except OSError as error:  # out of descriptors: asking again at once would only take the processor
                log.error("Cannot accept connections", extra={"context": {"reason": str(error)}})
                self._loop.remove_reader(self._listener)
                self._again = self._loop.call_later(AGAIN_SECONDS, self._watch)
                return
            connection.setblocking(False)
            task = self._loop.create_task(self._loop.connect_accepted_socket(self._connect, connection))
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)
