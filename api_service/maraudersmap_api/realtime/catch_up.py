"""Telling a socket what its user missed, in bounded memory and at a bounded rate.

What was missed may be a thousand events of incidents of 200 KB, and anybody may ask for it again and again. So only the
events' numbers are held throughout; the rest is read a portion at a time, one portion in the whole process at once, and
only when the socket has room for it. A user has an allowance of bytes. Beyond that, and beyond MOST_BYTES for one
catch-up, the answer is `resync`: its client reads again, through requests that are counted.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from uuid import UUID

from maraudersmap_api.infra.budget import ByteBudget
from maraudersmap_api.infra.db import Database
from maraudersmap_api.outbox import repository as outbox
from maraudersmap_api.realtime import repository
from maraudersmap_api.realtime.delivery import Rendering
from maraudersmap_api.realtime.frames import ServerFrame, frame
from maraudersmap_api.realtime.portions import PORTION_BYTES, portions
from maraudersmap_api.realtime.socket import Socket

MOST_BYTES = 8 * 1024 * 1024
EVENTS_AT_ONCE = 500
WORKING_BYTES = 8 * PORTION_BYTES
"""What a portion takes while it is read and rendered."""

ALLOWED_AT_ONCE = 32 * 1024 * 1024
ALLOWED_PER_SECOND = 256 * 1024
LEAST_BYTES = (
    1024 * 1024
)  # each costs statements, however little it brings: 32 at once, then one in four seconds
USERS_KEPT = 10_000


class CatchUp:
    """See above. One per process."""

    def __init__(self, db: Database, budget: ByteBudget, clock: Callable[[], float]) -> None:
        """`clock`: seconds that never go back."""
        self._db = db
        self._budget = budget
        self._purses = Purses(clock)
        self._turn = asyncio.Lock()

    async def replay(self, socket: Socket, since: int) -> None:
        """What a socket's user missed. It is in the hub already, so nothing falls between. Raises Unavailable."""
        user = socket.user.id
        numbers = None
        if self._purses.spend(user, LEAST_BYTES):
            async with self._turn:
                numbers = await repository.missed(self._db, since, user)
        if numbers is None:
            socket.send(frame(ServerFrame.RESYNC, {}))
            return
        sent = 0
        for first in range(0, len(numbers), EVENTS_AT_ONCE):
            async with self._turn, self._db.connection() as connection:
                events = await outbox.events(connection, numbers[first : first + EVENTS_AT_ONCE])
                weights = await repository.weights(connection, (event.incident_id for event in events))
            for portion in portions(events, weights, PORTION_BYTES):
                await socket.room_for_more()
                size = 0
                async with self._turn, self._budget.hold(WORKING_BYTES):
                    loaded = await repository.load(self._db, portion)
                    for event in portion:
                        text = Rendering(event, loaded).for_reader(socket.seen)
                        if text is not None:
                            socket.send(text)
                            size += len(text)
                    del loaded
                sent += size
                if sent > MOST_BYTES or not self._purses.spend(user, size):
                    socket.send(frame(ServerFrame.RESYNC, {}))
                    return


class Purses:
    """Bytes that users may still have: ALLOWED_AT_ONCE, and ALLOWED_PER_SECOND more. The quietest are forgotten first."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._purses: OrderedDict[UUID, tuple[float, float]] = OrderedDict()

    def spend(self, user: UUID, size: int) -> bool:
        """Take `size` bytes, which may have been sent already; False when there were not that many."""
        now = self._clock()
        at, left = self._purses.get(user, (now, float(ALLOWED_AT_ONCE)))
        left = min(float(ALLOWED_AT_ONCE), left + (now - at) * ALLOWED_PER_SECOND)
        self._purses[user] = (now, max(0.0, left - size))
        self._purses.move_to_end(user)
        if len(self._purses) > USERS_KEPT:
            self._purses.popitem(last=False)
        return left >= size
