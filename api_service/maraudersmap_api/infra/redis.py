"""Redis, for what may be lost: cache, fan-out, and (better on an instance that never evicts) what limits count.

Absent or away, the service is slower, never broken.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from maraudersmap_api.infra.breaker import Breaker
from maraudersmap_api.infra.metrics import Metrics
from maraudersmap_api.infra.names import Names
from maraudersmap_api.infra.tasks import end

if TYPE_CHECKING:
    from redis.asyncio import Redis as Client

T = TypeVar("T")

MOST_CONNECTIONS = 8
CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 1.0
CALL_SECONDS = 0.5  # what a request waits for Redis before it does without
MOST_IN_PIPELINE = 500  # commands: Redis does nothing else meanwhile

Command: TypeAlias = tuple[str | bytes | int, ...]
"""As on the wire: ("SET", "key", b"value")."""


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
        self._waiting: list[tuple[Command, asyncio.Future[Any]]] = []
        self._flushes: set[asyncio.Task[None]] = set()

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
        return await self._guarded(ask)

    async def _guarded(self, ask: Callable[[Any], Awaitable[T]]) -> T:
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

    async def send(self, *commands: Command) -> list[Any]:
        """The answers to some commands, in their order. Raises CacheAway.

        They travel in one pipeline with all that others send in the same turn of the event loop: a round trip each
        would halve the throughput. Each command stands alone; nothing makes them a transaction.
        """
        loop = asyncio.get_running_loop()
        if not self._waiting:
            task = loop.create_task(self._flush())  # runs in the next turn
            self._flushes.add(task)  # the loop itself keeps only a weak reference
            task.add_done_callback(self._flushes.discard)
        answers: list[asyncio.Future[Any]] = [loop.create_future() for _ in commands]
        self._waiting += zip(commands, answers, strict=True)
        return await asyncio.gather(*answers) if len(answers) > 1 else [await answers[0]]

    async def _flush(self) -> None:
        everything, self._waiting = self._waiting, []
        for start in range(0, len(everything), MOST_IN_PIPELINE):
            batch = everything[start : start + MOST_IN_PIPELINE]
            found: Iterable[Any]
            try:
                found = await self._guarded(partial(_pipelined, [command for command, _ in batch]))
            except CacheAway as error:
                found = repeat(error)
            for (_, waiting), answer in zip(batch, found, strict=False):
                if waiting.done():
                    continue  # the one who asked has gone
                if isinstance(answer, Exception):  # each gets its own: a raised one collects tracebacks
                    waiting.set_exception(CacheAway(str(answer)))
                else:
                    waiting.set_result(answer)

    async def ping(self) -> None:
        """Returns when Redis answers; raises what the library raises otherwise. Its success closes the circuit."""
        await self.client.ping()
        self.breaker.success()

    async def close(self) -> None:
        """Close every connection."""
        await end(self._flushes)
        if self._client is not None:
            await self._client.aclose()
            await self._client.connection_pool.aclose()


async def _pipelined(commands: list[Command], client: Any) -> list[Any]:
    """An answer or an exception for each command. Raises when none has an answer."""
    if len(commands) == 1:
        return [await client.execute_command(*commands[0])]  # a pipeline of one costs twice as much
    pipeline = client.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command)
    answers: list[Any] = await pipeline.execute(raise_on_error=False)
    if all(isinstance(answer, Exception) for answer in answers):
        raise answers[0]  # it is there, but of no use: still loading, or out of memory
    return answers
