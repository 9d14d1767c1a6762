"""Redis, for what may be lost: cache and rate limits. Absent or away, the service is slower, never broken."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redis.asyncio import Redis as Client

MOST_CONNECTIONS = 8
CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 1.0


class Redis:
    """A bounded client that is made when first used: the library costs 7 MB, which pods without a cache save."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: Client | None = None

    @property
    def client(self) -> Any:
        """The library's client."""
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

    async def ping(self) -> None:
        """Returns when Redis answers; raises what the library raises otherwise."""
        await self.client.ping()

    async def close(self) -> None:
        """Close every connection."""
        if self._client is not None:
            await self._client.aclose()
            await self._client.connection_pool.aclose()
