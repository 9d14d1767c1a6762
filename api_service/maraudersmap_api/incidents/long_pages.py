"""Numbered pages of rows that may be heavy, a part at a time: what was read is let go before more is read."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from maraudersmap_api.infra.budget import ByteBudget
from maraudersmap_api.wire import Encoded, encode

_EMPTY = b'{"data":['

More = Callable[[int], Awaitable[Sequence[Any]]]
"""The next rows, as JSON values, at most so many; none when there are no more."""

Shape = Callable[[Sequence[Any]], Mapping[str, Any]]
"""A page with these rows, `data` first."""


def page_body(
    first: Sequence[Any], count: int, more: More, shape: Shape, *, budget: ByteBudget, working: int
) -> Encoded | AsyncIterator[bytes]:
    """JSON of a page of `count` rows, whole when `first` are all of them, else made while it is sent.

    Without a first one there are none: what was counted came later. `working`: bytes that a part takes while it is read and
    written, of `budget`. Raises what `more` does, while it is sent.
    """
    body = encode(shape(first))
    if not first or len(first) >= count:
        return body
    tail = encode(shape(())).removeprefix(_EMPTY)
    return _pieces(body.removesuffix(tail), tail, count - len(first), more, budget, working)


async def _pieces(
    head: bytes, tail: bytes, left: int, more: More, budget: ByteBudget, working: int
) -> AsyncIterator[bytes]:
    yield head
    del head
    while left > 0:
        async with budget.hold(working):
            rows = await more(left)
            read = len(rows)
            piece = b"," + encode(rows)[1:-1]
            del rows
        if not read:
            break  # some were deleted meanwhile
        left -= read
        yield piece
        del piece
    yield tail
