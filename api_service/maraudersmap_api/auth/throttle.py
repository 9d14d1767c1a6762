"""Guessing passwords: failed logins are counted, before anything is hashed.

An attempt counts as failed until it has succeeded, so a thousand at once are refused like a thousand in a row. Unknown
addresses count like known ones. The counters are those of the rate limits: in Redis for all pods, or local.
"""

import hashlib
import math
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from maraudersmap_api.errors import RateLimited
from maraudersmap_api.http.api import ClientAddress

FAILURES_PER_ACCOUNT = 5
FAILURES_PER_ADDRESS = 50
WINDOW_SECONDS = 900


class Allowance(Protocol):
    """What a counter says after a hit."""

    @property
    def exceeded(self) -> bool: ...
    @property
    def reset(self) -> int: ...


class Limiter(Protocol):
    """The part of infra.ratelimit.RateLimiter that is needed here."""

    @property
    def hit(self) -> Callable[[str, int], Awaitable[Allowance]]: ...
    @property
    def refund(self) -> Callable[[str], Awaitable[None]]: ...
    @property
    def forget(self) -> Callable[[str], Awaitable[None]]: ...


class LoginThrottle:
    """Five failures for an e-mail from one address, fifty from one address, each in 15 minutes."""

    def __init__(self, limiter: Limiter, clock: Callable[[], float] = time.time) -> None:
        self._limiter = limiter
        self._clock = clock

    async def attempt(self, email: str, address: ClientAddress) -> None:
        """Count an attempt. Raises RateLimited."""
        for key, most in (
            (_address_key(address), FAILURES_PER_ADDRESS),
            (_account_key(email, address), FAILURES_PER_ACCOUNT),
        ):
            allowance = await self._limiter.hit(key, most)
            if allowance.exceeded:
                wait = max(1, math.ceil(allowance.reset - self._clock()))
                raise RateLimited("Too many failed attempts to sign in: try again later", retry_after=wait)

    async def succeeded(self, email: str, address: ClientAddress) -> None:
        """It was no failure after all."""
        await self._limiter.refund(_address_key(address))
        await self._limiter.forget(_account_key(email, address))


def _address_key(address: str) -> str:
    return f"login:{address}"


def _account_key(email: str, address: str) -> str:
    """Not the e-mail itself: what is in Redis is seen by more people than what is in the database."""
    return f"login:{hashlib.sha256(email.encode()).hexdigest()[:24]}:{address}"
