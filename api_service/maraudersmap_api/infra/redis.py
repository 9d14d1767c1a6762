"""Redis, for what may be lost: cache, rate limits, fan-out. Absent or away, the service is slower, never broken."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from maraudersmap_api.infra.breaker import Breaker
from maraudersmap_api.infra.metrics import Metrics

if TYPE_CHECKING:
    from redis.asyncio import Redis as Client

T = TypeVar("T")

MOST_CONNECTIONS = 8
CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 1.0
CALL_SECONDS = 0.5  # what a request waits for Redis before it does without


class CacheAway(Exception):
    """Redis cannot be asked just now; the cause is attached unless the circuit was open."""


class Redis:
    """A bounded client that is made when first used: the library costs 7 MB, which pods without a cache save."""

    def __init__(self, url: str, metrics: Metrics) -> None:
        self._url = url
        self._client: Client | None = None
        self.breaker = Breaker("cache", metrics)

    @property
    def client(self) -> Any:
        """The library's client, with its own time-outs and without the breaker: for the health check and pub/sub."""
        if self._client is None:
            from redis.asyncio import BlockingConnectionPool, Redis
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff

            # Blocking: the plain pool raises at its cap instead of waiting.
            pool = BlockingConnectionPool.from_url(
                self._url,
                max_connections=MOST_CONNECTIONS,
                timeout=ANSWER_SECONDS,
                socket_connect_timeout=CONNECT_SECONDS,
                socket_timeout=ANSWER_SECONDS,
                retry=Retry(NoBackoff(), 1),  # one: a connection that died while idle
            )
            self._client = Redis(connection_pool=pool)
        return self._client

    async def call(self, ask: Callable[[Any], Awaitable[T]]) -> T:
        """`ask(client)` under the breaker, for at most CALL_SECONDS. Raises CacheAway for whatever goes wrong."""
        if not self.breaker.allow():
            raise CacheAway("the circuit is open")
        try:
            async with asyncio.timeout(CALL_SECONDS):
                answer = await ask(self.client)
        except Exception as error:  # the library raises a dozen kinds, and OSError
            self.breaker.failure()
            raise CacheAway(type(error).__name__) from error
        self.breaker.success()
        return answer

    async def ping(self) -> None:
        """Returns when Redis answers; raises what the library raises otherwise. Its success closes the circuit."""
        await self.client.ping()
        self.breaker.success()

    async def close(self) -> None:
        """Close every connection."""
        if self._client is not None:
            await self._client.aclose()
            await self._client.connection_pool.aclose()
