"""Doing something once per key.

The answer is stored in the transaction that does the work, so there is no moment at which the work is done and the
answer is not kept. Within a process, duplicates in flight wait for the first of them *before* they take a database
connection: a client that retries in a storm must not drain the pool. Across processes the key's row is what they wait
for. Only successes are kept: a refusal may be right the next time.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from maraudersmap_api.errors import Conflict, IdempotencyMisuse
from maraudersmap_api.idempotency import repository
from maraudersmap_api.idempotency.repository import STILL_RUNNING, WAIT_MILLISECONDS, Claim, Kept
from maraudersmap_api.infra.db import Executor

R = TypeVar("R")
R_contra = TypeVar("R_contra", contravariant=True)


class Keeper(Protocol[R_contra]):
    """What a service calls inside its transaction: `begin` before anything else, `finish` with the result."""

    async def begin(self, tx: Executor) -> None: ...
    async def finish(self, tx: Executor, result: R_contra) -> None: ...


class NoKey:
    """The keeper of requests without a key."""

    async def begin(self, tx: Executor) -> None:
        """Nothing to claim."""

    async def finish(self, tx: Executor, result: Any) -> None:
        """Nothing to keep."""


class Once:
    """Runs work at most once per key."""

    def __init__(self) -> None:
        self._running: dict[tuple[Any, ...], asyncio.Future[Kept | None]] = {}

    async def run(
        self,
        claim: Claim,
        work: Callable[[Keeper[R]], Awaitable[R]],
        render: Callable[[R], Kept],
    ) -> tuple[Kept, bool]:
        """The answer to `work`, and whether it was kept from an earlier request.

        Raises IdempotencyMisuse when the key came with another body before; Conflict when the first request with
        this key takes longer than 2 s; and what `work` raises.
        """
        place = (claim.user_id, claim.method, claim.path, claim.key)
        deadline = asyncio.get_running_loop().time() + WAIT_MILLISECONDS / 1000
        while (running := self._running.get(place)) is not None:
            earlier = await _first(running, deadline)
            if earlier is not None:
                return _checked(earlier, claim), True
            # The first one failed and kept nothing: one of those who waited does it now.
        mine: asyncio.Future[Kept | None] = asyncio.get_running_loop().create_future()
        self._running[place] = mine
        keeper = _Keeper(claim, render)
        kept: Kept | None = None
        try:
            await work(keeper)
            kept = keeper.kept  # only now: before the commit it was only a hope
        except _Taken as taken:
            kept = taken.kept
            return _checked(kept, claim), True
        finally:
            del self._running[place]
            mine.set_result(kept)
        if kept is None:
            raise RuntimeError("the work ended without finish(): its answer was not kept")
        return kept, False


class _Taken(Exception):
    """Unwinds the transaction of a request whose key has an answer already."""

    def __init__(self, kept: Kept) -> None:
        super().__init__()
        self.kept = kept


class _Keeper:
    def __init__(self, claim: Claim, render: Callable[[Any], Kept]) -> None:
        self.kept: Kept | None = None
        self._claim = claim
        self._render = render

    async def begin(self, tx: Executor) -> None:
        kept = await repository.claim(tx, self._claim)
        if kept is not None:
            raise _Taken(kept)

    async def finish(self, tx: Executor, result: Any) -> None:
        kept = self._render(result)
        await repository.keep(tx, self._claim, kept)
        self.kept = kept


async def _first(running: "asyncio.Future[Kept | None]", deadline: float) -> Kept | None:
    try:
        async with asyncio.timeout_at(deadline):
            return await asyncio.shield(running)
    except TimeoutError:
        raise Conflict(STILL_RUNNING) from None


def _checked(kept: Kept, claim: Claim) -> Kept:
    if kept.digest != claim.digest:
        raise IdempotencyMisuse("This Idempotency-Key was used for a request with another body")
    return kept
