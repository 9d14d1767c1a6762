"""A network between a process and a server that may lose what it carries, in one direction or in both."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from dev.local_services import LocalRedis


@dataclass
class Link:
    """While a direction is lost, its bytes vanish; connections stay open and new ones are accepted, as when a firewall
    drops packets. What vanished does not come back: a connection that lost bytes is of no use afterwards."""

    path: str
    port: int = 0
    loses_requests: bool = False
    loses_answers: bool = False
    _spoilt: set[asyncio.StreamWriter] = field(default_factory=set)
    _pumps: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        """For REDIS_URL."""
        return f"redis://127.0.0.1:{self.port}/0"

    def heal(self) -> None:
        """Carry again. Connections that have lost something break."""
        self.loses_requests = self.loses_answers = False
        for writer in self._spoilt:
            writer.transport.abort()
        self._spoilt.clear()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection to the server for each that is made to us."""
        up_reader, up_writer = await asyncio.open_unix_connection(self.path)
        for source, sink, requests in ((reader, up_writer, True), (up_reader, writer, False)):
            pump = asyncio.create_task(self._pump(source, sink, requests=requests))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def close(self) -> None:
        """Break everything."""
        for pump in tuple(self._pumps):
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, requests: bool
    ) -> None:
        try:
            while data := await source.read(65536):
                if self.loses_requests if requests else self.loses_answers:
                    self._spoilt.add(sink)
                    continue
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            pass
        finally:
            sink.close()
            with suppress(ConnectionError):
                await sink.wait_closed()


@asynccontextmanager
async def link_to(redis: LocalRedis) -> AsyncIterator[Link]:
    """A link to this server."""
    link = Link(redis.url.removeprefix("unix://"))
    server = await asyncio.start_server(link.accept, "127.0.0.1", 0)
    link.port = server.sockets[0].getsockname()[1]
    try:
        yield link
    finally:
        server.close()
        await link.close()
        await server.wait_closed()
