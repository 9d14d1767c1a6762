"""Where limits are counted: security state, which must never be evicted.

A Redis that evicts what was not used for longest forgets failed logins when others fill it. LIMITS_REDIS_URL names an
instance of their own, with `maxmemory-policy noeviction`; when that is full, counting fails and goes on in each process.
Token versions and sessions are in PostgreSQL, not here.
"""

import asyncio
from collections.abc import Callable

from maraudersmap_api.infra.logs import log
from maraudersmap_api.infra.metrics import Metrics
from maraudersmap_api.infra.names import Names
from maraudersmap_api.infra.ratelimit import LocalCounter, RateLimiter, RedisCounter
from maraudersmap_api.infra.redis import CacheAway, Redis
from maraudersmap_api.infra.shared_tier import memory_of

ASK_AGAIN_SECONDS = 5.0


def limits_redis(
    url: str | None,
    cache: Redis | None,
    metrics: Metrics,
    names: Names,
    make: Callable[..., Redis] = Redis,
) -> Redis | None:
    """The Redis of the limits: one at `url`, else the cache's, which is worth a warning; None when there is neither."""
    if url is not None:
        return make(url, metrics, names, purpose="limits")
    if cache is not None:
        log.warning(
            "Rate limits and failed logins are counted in the Redis of the cache, which may evict them: "
            "set LIMITS_REDIS_URL to an instance of their own"
        )
    return cache


def limiter(window_seconds: float, redis: Redis | None, metrics: Metrics) -> RateLimiter:
    """Windows of this length."""
    shared = RedisCounter(redis, window_seconds) if redis is not None else None
    return RateLimiter(LocalCounter(window_seconds), shared, metrics)


async def warn_if_evicting(redis: Redis) -> None:
    """Once it can be asked: complain if the limits' own instance throws away what it has no room for."""
    while True:
        try:
            memory = await memory_of(redis)
        except CacheAway:
            await asyncio.sleep(ASK_AGAIN_SECONDS)
            continue
        policy = memory["maxmemory_policy"] if memory else ""
        if memory and memory["maxmemory"] != "0" and policy not in ("noeviction", ""):
            log.warning(
                "The Redis of LIMITS_REDIS_URL may evict what limits count: set its maxmemory-policy to noeviction",
                extra={"context": {"policy": policy}},
            )
        return
