"""`Idempotency-Key`: answers of handlers, given once per key."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from maraudersmap_api.auth.models import User
from maraudersmap_api.http.api import Answer, Encoded, Idempotency
from maraudersmap_api.idempotency.once import Keeper, Once
from maraudersmap_api.idempotency.repository import Claim, Kept
from maraudersmap_api.wire import encode

R = TypeVar("R")

REPLAYED = {"Idempotency-Replayed": "true"}


async def answered_once(
    once: Once,
    idempotency: Idempotency,
    work: Callable[[Keeper[R] | None], Awaitable[R]],
    render: Callable[[R], Answer[Any]],
    *,
    caller: User,
    method: str,
    path: str,
) -> Answer[Any]:
    """The answer to `work`, new or kept. `work` gets no keeper when there is no key.

    Raises IdempotencyMisuse when the key came with another body before; Conflict when the first request with this key
    takes longer than 2 s; and what `work` raises.
    """
    if idempotency.key is None:
        return render(await work(None))
    claim = Claim(caller.id, method, path, idempotency.key, idempotency.digest)
    kept, replayed = await once.run(claim, work, lambda result: _kept(render(result), claim))
    headers = {**kept.headers, **REPLAYED} if replayed else kept.headers
    return Answer(Encoded(kept.body), kept.status, kept.etag, headers)


def _kept(answer: Answer[Any], claim: Claim) -> Kept:
    body = answer.body if isinstance(answer.body, bytes) else encode(answer.body)
    return Kept(claim.digest, answer.status or 201, body, answer.etag, dict(answer.headers))
