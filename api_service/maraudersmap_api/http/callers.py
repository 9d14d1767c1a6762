"""Who is calling, for the rate limits; and the middleware that applies them."""

import ipaddress
import math
import time
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any

from aiohttp import hdrs, web

from maraudersmap_api.errors import RateLimited
from maraudersmap_api.http.api import ClientAddress, Provider
from maraudersmap_api.http.edge import EXTRA_HEADERS, USER_ID
from maraudersmap_api.http.reading import header_lines, understand
from maraudersmap_api.infra.ratelimit import RateLimiter
from maraudersmap_api.settings import RateLimits

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

EXEMPT = frozenset({"/health", "/health/live", "/health/ready", "/metrics"})


def rate_limit(limiter: RateLimiter, limits: RateLimits, trusted_proxies: int) -> Any:
    """Middleware: count the request to its verified user, else to its address; 429 when there were too many."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in EXEMPT:
            return await handler(request)
        user_id = request.get(USER_ID)
        if user_id is not None:
            allowance = await limiter.hit(f"user:{user_id}", limits.authenticated)
        else:
            address = _address(request, trusted_proxies)
            allowance = await limiter.hit(f"address:{address}", limits.anonymous)
        request.setdefault(EXTRA_HEADERS, {}).update(
            {
                "X-RateLimit-Limit": str(allowance.limit),
                "X-RateLimit-Remaining": str(allowance.remaining),
                "X-RateLimit-Reset": str(allowance.reset),
            }
        )
        if allowance.exceeded:
            wait = max(1, math.ceil(allowance.reset - time.time()))
            raise RateLimited("Too many requests: the map needs a rest", retry_after=wait)
        return await handler(request)

    return middleware


def address_of(trusted_proxies: int) -> Provider[ClientAddress]:
    """What handlers get for a parameter of type ClientAddress."""

    async def get(request: web.Request) -> ClientAddress:
        return ClientAddress(_address(request, trusted_proxies))

    return Provider(ClientAddress, get)


def client_address(peer: str, forwarded: list[str], trusted_proxies: int) -> str:
    """The address that limits count by. Pure.

    Each proxy appends the address it was called from, so with n trusted proxies the n-th entry from the end is the
    last one a stranger cannot have written. IPv6 counts by /64: one household has that many addresses for free.
    """
    chosen = _chosen(peer, forwarded, trusted_proxies)
    return _bucket(chosen) or _bucket(peer) or "unknown"


def written_address(request: web.Request, trusted_proxies: int) -> str | None:
    """The same place as it was written, for logs."""
    return (
        _chosen(request.remote or "", header_lines(request, hdrs.X_FORWARDED_FOR), trusted_proxies)[:64]
        or None
    )


def _chosen(peer: str, forwarded: list[str], trusted_proxies: int) -> str:
    entries = [entry.strip() for value in forwarded for entry in value.split(",") if entry.strip()]
    return entries[-trusted_proxies] if 0 < trusted_proxies <= len(entries) else peer


def _address(request: web.Request, trusted_proxies: int) -> str:
    forwarded = header_lines(request, hdrs.X_FORWARDED_FOR)
    return understand(hdrs.X_FORWARDED_FOR, client_address, request.remote or "", forwarded, trusted_proxies)


@lru_cache(maxsize=4096)
def _bucket(text: str) -> str | None:
    try:
        address = ipaddress.ip_address(text.split("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return str(ipaddress.ip_network((address, 64), strict=False))
        address = address.ipv4_mapped
    return str(address)
