"""What sockets cost of the rate limits' allowance.

A socket that opens is charged to its address, and to its user instead as soon as its first frame verifies: a user who
shares an address with many others does not pay for them. Then each frame that makes work counts like a request.
"""

from uuid import UUID

from maraudersmap_api.infra.ratelimit import Allowance, RateLimiter
from maraudersmap_api.realtime.frames import ClientFrame
from maraudersmap_api.settings import RateLimits

FREE = frozenset({ClientFrame.HEARTBEAT, ClientFrame.LEAVE})
"""They ask for nothing, and leaving was paid for with joining."""


class Charges:
    """Counts where HTTP requests of the same user count; addresses have a count of their own, for sockets only."""

    def __init__(self, limiter: RateLimiter, limits: RateLimits) -> None:
        self._limiter = limiter
        self._limits = limits

    async def knock(self, address: str) -> Allowance:
        """Somebody at this address opens a socket."""
        return await self._limiter.hit(f"socket:{address}", self._limits.anonymous)

    async def excuse(self, address: str) -> None:
        """It was somebody we know, or we could not find out: their address owes nothing for it."""
        await self._limiter.refund(f"socket:{address}")

    async def of_user(self, user_id: UUID) -> Allowance:
        """One request's worth of work for this user."""
        return await self._limiter.hit(f"user:{user_id}", self._limits.authenticated)
