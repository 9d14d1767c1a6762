"""Ending background work."""

import asyncio
from collections.abc import Iterable
from typing import Any

ASK_AGAIN_SECONDS = 0.5


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel the tasks and wait until all are gone, whatever they end with.

    redis-py can lose a cancellation that meets a time-out of its own, and a loop around it goes on: ask until they hear.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        done, pending = await asyncio.wait(pending, timeout=ASK_AGAIN_SECONDS)
        await asyncio.gather(*done, return_exceptions=True)  # looked at, or the loop complains
