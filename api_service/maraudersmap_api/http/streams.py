"""Long answers, sent as they are made: neither the whole of them nor a connection of the database is held meanwhile."""

from collections.abc import AsyncIterator, Mapping

from aiohttp import web


class Pieces:
    """A body in pieces. Each is made when the one before it has been taken; none when it is not read any more."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces

    async def send(
        self, request: web.Request, *, status: int, headers: Mapping[str, str]
    ) -> web.StreamResponse:
        """Answer `request`. Raises what making the pieces raises: before the first one as a refusal like any other,
        afterwards with the transfer cut, for half a body must not look like a whole one.
        """
        response = web.StreamResponse(status=status, headers=headers)
        first = await anext(self._pieces, b"")
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        try:
            await response.write(first)
            async for piece in self._pieces:
                await response.write(piece)
        except Exception:
            if request.transport is not None:
                request.transport.abort()
            raise
        await response.write_eof()
        return response
