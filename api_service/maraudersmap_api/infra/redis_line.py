"""One connection to Redis that a whole process shares, one batch of commands after the other.

A pool gives each caller a connection of its own. Taking one out, looking whether it still lives and the library's
time-outs around every step cost several times what the command does, and two callers a moment apart are two round trips.
Here those who come while a batch is under way are the next one, so the busier it is, the less each of them costs.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

Command: TypeAlias = tuple[str | bytes | int, ...]
"""As on the wire: ("SET", "key", b"value")."""


class Line:
    """For one user at a time, who also limits how long it may take: nothing here does."""

    def __init__(self, make: Callable[[], Any]) -> None:
        """`make` gives one of the library's connections, not connected yet."""
        self._make = make
        self._connection: Any = None

    async def exchange(self, commands: Sequence[Command]) -> list[Any]:
        """An answer or an exception for each command. Raises what the library raises when none can be had."""
        from redis.exceptions import ConnectionError as Lost

        packed = None
        if self._connection is not None and self._connection.is_connected:
            packed = self._connection.pack_commands(commands)
            try:
                return await self._sent(packed, len(commands))
            except Lost:
                pass  # it may have died while idle, and then one attempt proves nothing
        if self._connection is None:
            self._connection = self._make()
        await self._connection.connect()
        return await self._sent(packed or self._connection.pack_commands(commands), len(commands))

    async def close(self) -> None:
        """Close the connection; the next exchange makes another."""
        if self._connection is not None:
            await self._connection.disconnect()

    async def _sent(self, packed: list[bytes], count: int) -> list[Any]:
        """Whatever goes wrong on the way, the library closes the connection: no one reads another's answer."""
        from redis.exceptions import ResponseError

        await self._connection.send_packed_command(packed, check_health=False)
        answers: list[Any] = []
        for _ in range(count):
            try:
                answers.append(await self._connection.read_response())
            except ResponseError as refusal:
                answers.append(refusal)
        return answers
