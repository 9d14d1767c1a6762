"""Look from time to time which kinds the cluster has that it need not have, and wake the resources when that has changed."""

from __future__ import annotations

import asyncio

from maraudersmap_operator.cluster import Store
from maraudersmap_operator.reconcile import Served, WorkQueue

# Within this long of a definition's coming or going, each resource follows.
LOOK_SECONDS = 60.0


async def look_once(served: Served, store: Store, queue: WorkQueue) -> None:
    """Every resource is to be looked at again when a kind has come or gone."""
    if await served.look():
        for key in store.resources():
            queue.add(key, news=False)


async def look_forever(served: Served, store: Store, queue: WorkQueue) -> None:
    """Every LOOK_SECONDS, until cancelled."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        await look_once(served, store, queue)
