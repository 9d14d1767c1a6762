"""Redis, for what may be lost: cache, fan-out, and (better on an instance that never evicts) what limits count.

Absent or away, the service is slower, never broken.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from maraudersmap_api.infra.breaker import Breaker
from maraudersmap_api.infra.metrics import Metrics
from maraudersmap_api.infra.names import Names
from maraudersmap_api.infra.redis_line import Command, Line
from maraudersmap_api.infra.tasks import end

if TYPE_CHECKING:
    from redis.asyncio import Redis as Client

T = TypeVar("T")
_Sent = tuple[Command, "asyncio.Future[Any]"]

MOST_CONNECTIONS = 8
CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 1.0
CALL_SECONDS = 0.5  # what a request waits for Redis before it does without
MOST_IN_BATCH = 500  # commands: Redis does nothing else meanwhile


class CacheAway(Exception):
    """Redis cannot be asked just now; the cause is attached unless the circuit was open."""


class Redis:
    """A bounded client that is made when first used: the library costs 7 MB, which pods without a cache save."""

    def __init__(self, url: str, metrics: Metrics, names: Names, *, purpose: str = "cache") -> None:
        """`purpose` names it in metrics."""
        self._url = url
        self._client: Client | None = None
        self.names = names
        self.breaker = Breaker(purpose, metrics)
        self._line = Line(self.new_connection)
        self._waiting: list[_Sent] = []
        self._sending: asyncio.Task[None] | None = None

    @property
    def client(self) -> Any:
        """The library's client, with its own time-outs and without the breaker: for the health check."""
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

    async def _guarded(self, ask: Callable[[], Awaitable[T]]) -> T:
        """`ask()` under the breaker, for at most CALL_SECONDS. Raises CacheAway for whatever goes wrong."""
        if not self.breaker.allow():
            raise CacheAway("the circuit is open")
        try:
            async with asyncio.timeout(CALL_SECONDS):
                answer = await ask()
        except Exception as error:  # the library raises a dozen kinds, and OSError
            self.breaker.failure()
            raise CacheAway(type(error).__name__) from error
        self.breaker.success()
        return answer

    async def send(self, *commands: Command) -> list[Any]:
        """The answers to some commands, in their order, as Redis gives them. Raises CacheAway.

        They travel with all that others send in the same turn of the event loop, or until the batch before has come
        back: a round trip each would halve the throughput. Each command stands alone; nothing makes them a transaction.
        """
        loop = asyncio.get_running_loop()
        answers: list[asyncio.Future[Any]] = [loop.create_future() for _ in commands]
        self._waiting += zip(commands, answers, strict=True)
        if self._sending is None or self._sending.done():
            self._sending = loop.create_task(self._send_all())  # begins in the next turn
        return await asyncio.gather(*answers) if len(answers) > 1 else [await answers[0]]

    async def _send_all(self) -> None:
        """Until no one waits any more."""
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST_IN_BATCH], self._waiting[MOST_IN_BATCH:]
            try:
                found = await self._guarded(partial(self._exchange, [command for command, _ in batch]))
            except CacheAway as error:
                if error.__cause__ is not None:
                    for _ in batch[
                        1:
                    ]:  # as many as were asked for: one connection must not make it slower to notice
                        self.breaker.failure()
                found = [error] * len(batch)
            for (_, waiting), answer in zip(batch, found, strict=True):
                if waiting.done():
                    continue  # the one who asked has gone
                if isinstance(answer, Exception):  # each gets its own: a raised one collects tracebacks
                    waiting.set_exception(CacheAway(str(answer)))
                else:
                    waiting.set_result(answer)

    async def _exchange(self, commands: list[Command]) -> list[Any]:
        """An answer or an exception for each command. Raises when none has an answer."""
        answers = await self._line.exchange(commands)
        if all(isinstance(answer, Exception) for answer in answers):
            raise answers[0]  # it is there, but of no use: out of memory, or no right to it
        return answers

    def new_connection(self) -> Any:
        """One of the library's connections, not connected yet, of which nothing but connecting has a limit in time."""
        from redis.asyncio import ConnectionPool
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        # The pool only reads the address. What is done with the connection is limited in time by its user, as a whole.
        # RESP2: the third version has nothing that is used here, and the library takes longer to read it.
        pool = ConnectionPool.from_url(
            self._url,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=None,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        return pool.connection_class(**pool.connection_kwargs)

    async def ping(self) -> None:
        """Returns when Redis answers; raises what the library raises otherwise. Its success closes the circuit."""
        await self.client.ping()
        self.breaker.success()

    async def close(self) -> None:
        """Close every connection."""
        if self._sending is not None:
            await end([self._sending])
        await self._line.close()
        if self._client is not None:
            await self._client.aclose()
            await self._client.connection_pool.aclose()
