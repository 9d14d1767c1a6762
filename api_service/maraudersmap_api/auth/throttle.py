"""Guessing passwords: failed logins are counted, before anything is hashed.

An attempt counts as failed until it has succeeded, so a thousand at once are refused like a thousand in a row. One that
could not be judged, because the database was away or too many were waiting, is taken back: it shows nothing about who
made it. Unknown addresses count like known ones. The counters are those of the rate limits: in Redis for all pods, or local.
"""

import hashlib
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from maraudersmap_api.addresses import ClientAddress, site_of
from maraudersmap_api.errors import RateLimited, Unavailable

FAILURES_PER_ACCOUNT = 5
FAILURES_PER_ADDRESS = 50
FAILURES_PER_SITE = 500
"""Of an IPv6 /48: its holder has 65,536 addresses of the other kind."""
WINDOW_SECONDS = 900


class Allowance(Protocol):
    """A counter after a hit."""

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

    @asynccontextmanager
    async def attempt(self, email: str, address: ClientAddress) -> AsyncIterator[None]:
        """Count an attempt, and take it back if the block could not judge it. Raises RateLimited.

        The block ends normally when the password fitted.
        """
        account = _account_key(email, address)
        # The narrowest first, and what one of them refuses is no failure: it counts neither for the others of a place
        # nor for whom it was meant.
        counted: list[str] = []
        for key, most in ((account, FAILURES_PER_ACCOUNT), *_places(address)):
            allowance = await self._limiter.hit(key, most)
            if allowance.exceeded:
                await self._take_back(*counted)
                wait = max(1, math.ceil(allowance.reset - self._clock()))
                raise RateLimited("Too many failed attempts to sign in: try again later", retry_after=wait)
            counted.append(key)
        try:
            yield
        except (RateLimited, Unavailable):
            await self._take_back(*counted)
            raise
        await self._take_back(*counted[1:])
        await self._limiter.forget(account)

    async def _take_back(self, *keys: str) -> None:
        for key in keys:
            await self._limiter.refund(key)


def _places(address: str) -> list[tuple[str, int]]:
    """What an attempt counts for beside the account, with what each may have."""
    site = site_of(address)
    of_site = [] if site is None else [(f"login:{site}", FAILURES_PER_SITE)]
    return [(f"login:{address}", FAILURES_PER_ADDRESS), *of_site]


def _account_key(email: str, address: str) -> str:
    """Not the e-mail itself: what is in Redis is seen by more people than what is in the database."""
    return f"login:{hashlib.sha256(email.encode()).hexdigest()[:24]}:{address}"
