"""Who is calling, for the rate limits; and the middleware that applies them."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import hdrs, web

from maraudersmap_api.addresses import ClientAddress, chosen_address, client_address, site_of
from maraudersmap_api.errors import Unavailable
from maraudersmap_api.http.edge import DOUBTFUL, EXTRA_HEADERS, UNJUDGED, USER_ID
from maraudersmap_api.http.reading import header_lines
from maraudersmap_api.http.signature import Provider
from maraudersmap_api.infra.metrics import FOR_MACHINES
from maraudersmap_api.infra.parsing import understand
from maraudersmap_api.infra.ratelimit import Allowance, RateLimiter, refuse_exceeded
from maraudersmap_api.settings import RateLimits

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SOCKETS = "/ws"
"""Counted by its handler, if it gets there: whose it is shows in the first frame."""

SITE_TIMES = 10
"""What an IPv6 /48 may have, in allowances of one /64."""


def rate_limit(limiter: RateLimiter, limits: RateLimits, trusted_proxies: int) -> Any:
    """Middleware: count the request to whose credential it brings, if that is valid now, else to its address; 429 when
    there were too many. A request that found the service away (503) does not count: it shows nothing about its caller. One
    that the service has worked on for as long as it may does: who repeats it keeps the service busy.
    Nor does one whose credential cannot be judged now; without the database there is nothing to be had for it."""

    async def counted(request: web.Request) -> tuple[Allowance, list[str]]:
        """What is left, and the keys that were counted."""
        owner = request.get(USER_ID)
        if owner is not None:
            key = f"user:{owner}"
            return await limiter.hit(key, limits.authenticated), [key]
        address = _address(request, trusted_proxies)
        key, site = f"address:{address}", site_of(address)
        allowance = await limiter.hit(key, limits.anonymous)
        if site is None or allowance.exceeded:  # what one place is refused does not count for its neighbours
            return allowance, [key]
        ceiling = await limiter.hit(f"site:{site}", limits.anonymous * SITE_TIMES)
        return (ceiling if ceiling.exceeded else allowance), [key, f"site:{site}"]

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in FOR_MACHINES or request.get(UNJUDGED, False):
            return await handler(request)
        if request.path == SOCKETS and request.method in ("GET", "HEAD") and DOUBTFUL not in request:
            return await handler(request)
        allowance, keys = await counted(request)
        note_allowance(request, allowance)
        try:
            return await handler(request)
        except Unavailable as refusal:
            if refusal.worked:
                raise
            for key in keys:
                await limiter.refund(key)
            request[EXTRA_HEADERS]["X-RateLimit-Remaining"] = str(allowance.remaining + 1)
            raise

    return middleware


def note_allowance(request: web.Request, allowance: Allowance) -> None:
    """Report in the answer's headers what is left. Raises RateLimited when nothing is."""
    request.setdefault(EXTRA_HEADERS, {}).update(
        {
            "X-RateLimit-Limit": str(allowance.limit),
            "X-RateLimit-Remaining": str(allowance.remaining),
            "X-RateLimit-Reset": str(allowance.reset),
        }
    )
    refuse_exceeded(allowance)


def address_of(trusted_proxies: int) -> Provider[ClientAddress]:
    """What handlers get for a parameter of type ClientAddress."""

    async def get(request: web.Request) -> ClientAddress:
        return _address(request, trusted_proxies)

    return Provider(ClientAddress, get)


def caller_of(request: web.Request, trusted_proxies: int) -> str:
    """Whose a request is, where all share something: its user's, else its address's, of IPv6 the whole site's."""
    owner = request.get(USER_ID)
    if owner is not None:
        return f"user:{owner}"
    address = _address(request, trusted_proxies)
    return site_of(address) or address


def written_address(request: web.Request, trusted_proxies: int) -> str | None:
    """The same place as it was written, for logs."""
    forwarded = header_lines(request, hdrs.X_FORWARDED_FOR)
    return chosen_address(request.remote or "", forwarded, trusted_proxies)[:64] or None


def _address(request: web.Request, trusted_proxies: int) -> ClientAddress:
    forwarded = header_lines(request, hdrs.X_FORWARDED_FOR)
    return understand(hdrs.X_FORWARDED_FOR, client_address, request.remote or "", forwarded, trusted_proxies)
