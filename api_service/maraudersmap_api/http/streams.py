"""Long answers, sent as they are made: neither the whole of them nor a connection of the database is held meanwhile."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TypeAlias

from aiohttp import web

Entitled: TypeAlias = Callable[[web.Request], Awaitable[None]]
"""Raises a refusal when the caller may not have more of the answer."""


class Pieces:
    """A body in pieces. Each is made when the one before it has been taken; none when it is not read any more."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces

    async def send(
        self,
        request: web.Request,
        *,
        status: int,
        headers: Mapping[str, str],
        entitled: Entitled | None = None,
    ) -> web.StreamResponse:
        """Answer `request`. Raises what making the pieces raises: before the first one as a refusal like any other,
        afterwards with the transfer cut, for half a body must not look like a whole one. Who reads slowly may be another
        by then, so `entitled` is asked before each further piece.
        """
        response = web.StreamResponse(status=status, headers=headers)
        piece = await anext(self._pieces, None)
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        try:
            while piece is not None:
                await response.write(piece)
                piece = None  # gone before there is another: who does not read would hold two
                piece = await anext(self._pieces, None)
                if entitled is not None:
                    await entitled(request)
        except Exception:
            if request.transport is not None:
                request.transport.abort()
            raise
        await response.write_eof()
        return response
